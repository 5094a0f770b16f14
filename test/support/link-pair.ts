/** Both ends of a link without a network: frames arrive in order, a turn later, and as many at once as the test says. */
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { type Clock, systemClock } from '#lib/clock.ts'
import { AgentEnd } from '#link/agent-end.ts'
import { GatewayEnd, type LinkEnd } from '#link/gateway-end.ts'
import type { LinkWire } from '#link/stream-table.ts'
import type { HeldStreams } from '#resume/held-streams.ts'

export interface LinkPairOptions {
  readonly ports?: readonly number[]
  /** What the agent connects to; a connection to that port of this machine when absent. */
  readonly dial?: (port: number, signal: AbortSignal) => Promise<Duplex>
  /** Frames that may wait on a wire before it says that it is full. */
  readonly room?: number
  readonly clock?: Clock
  /** Connections that outlive their streams; the agent knows of none when absent. */
  readonly held?: HeldStreams
}

export interface LinkPair extends Disposable {
  readonly gateway: GatewayEnd
  readonly agent: AgentEnd
  /** Frames that went either way. */
  readonly toAgent: readonly Buffer[]
  readonly toGateway: readonly Buffer[]
}

export function linkPair(options: LinkPairOptions = {}): LinkPair {
  const { ports = [8888], dial = dialHere, room = 16, clock = systemClock, held } = options
  const ending = new AbortController()
  const toAgent = new TestWire(room, ending.signal)
  const toGateway = new TestWire(room, ending.signal)
  const gateway = new GatewayEnd(toAgent, held !== undefined)
  const agent = new AgentEnd({ wire: toGateway, ports: new Set(ports), dial, clock, ...(held ? { held } : {}) })
  void toAgent.run(agent, gateway)
  void toGateway.run(gateway, agent)
  return {
    ...{ gateway, agent, toAgent: toAgent.all, toGateway: toGateway.all },
    [Symbol.dispose]() {
      ending.abort()
      gateway.onGone()
      agent.onGone()
    },
  }
}

class TestWire implements LinkWire {
  readonly all: Buffer[] = []
  readonly #waiting: Buffer[] = []
  readonly #room: number
  readonly #signal: AbortSignal

  constructor(room: number, signal: AbortSignal) {
    this.#room = room
    this.#signal = signal
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#room
  }

  send(frame: Buffer): void {
    this.all.push(frame)
    this.#waiting.push(frame)
  }

  async run(to: LinkEnd, from: LinkEnd): Promise<void> {
    while (!this.#signal.aborted) {
      const wasFull = this.isFull
      for (const frame of this.#waiting.splice(0)) to.receive(frame)
      if (wasFull) from.onRoom()
      await turn()
    }
  }
}

function dialHere(port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.once('error', reject)
    socket.once('connect', () => resolve(socket.off('error', reject)))
  })
}

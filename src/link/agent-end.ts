/** The end of a link that leads to the ports of a pod: the agent's. It connects to those ports alone that it was started for. */
import type { Duplex } from 'node:stream'
import type { Clock } from '#lib/clock.ts'
import type { Attached, HeldStreams } from '#resume/held-streams.ts'
import { type Frame, LinkFault, mostStreams, type Refusal, readFrame } from './frames.ts'
import type { LinkEnd } from './gateway-end.ts'
import { hearOut } from './hear-out.ts'
import { join } from './join.ts'
import { type LinkWire, StreamTable } from './stream-table.ts'

export interface AgentEndParts {
  readonly wire: LinkWire
  readonly ports: ReadonlySet<number>
  /** To that port of this pod's loopback. An error of the code `ECONNREFUSED`, or with such a cause, says that nobody listens. */
  readonly dial: (port: number, signal: AbortSignal) => Promise<Duplex>
  readonly clock: Clock
  /** Connections that outlive their streams, also those that came by other links; absent where the gateway knows of none. */
  readonly held?: HeldStreams
}

export class AgentEnd implements LinkEnd {
  readonly #parts: AgentEndParts
  readonly #table: StreamTable
  readonly #dialling = new Map<number, AbortController>()
  #isGone = false

  constructor(parts: AgentEndParts) {
    this.#parts = parts
    this.#table = new StreamTable(parts.wire)
  }

  get size(): number {
    return this.#table.size + this.#dialling.size
  }

  receive(message: Buffer): void {
    const frame = readFrame(message)
    switch (frame.kind) {
      case 'open':
        this.#open(frame)
        return
      case 'hold':
        this.#hold(frame)
        return
      case 'opened':
      case 'held':
      case 'refused':
        throw new LinkFault('a gateway answers nothing')
      case 'reset': {
        const dialling = this.#dialling.get(frame.id)
        if (dialling) dialling.abort()
        else this.#table.receive(frame)
        return
      }
      default:
        if (this.#dialling.has(frame.id)) throw new LinkFault(`${frame.kind} of a stream that is not open yet`)
        this.#table.receive(frame)
    }
  }

  onRoom(): void {
    this.#table.onRoom()
  }

  onGone(): void {
    this.#isGone = true
    for (const dialling of this.#dialling.values()) dialling.abort()
    this.#table.cutAll('the link to the gateway broke')
  }

  #open(frame: Frame & { kind: 'open' | 'hold' }): void {
    const { id, port } = frame
    if (this.#isFit(frame)) void this.#connect(id, port, frame.kind === 'hold' ? frame : undefined)
  }

  #isFit({ id, port }: Frame & { kind: 'open' | 'hold' }): boolean {
    if (id <= this.#table.lastId) throw new LinkFault('a number that was used before')
    this.#table.lastId = id
    const why = this.#parts.ports.has(port) ? (this.size >= mostStreams ? 'full' : undefined) : 'forbidden'
    if (why) this.#refuse(id, why)
    return why === undefined
  }

  #hold(frame: Frame & { kind: 'hold' }): void {
    const { held } = this.#parts
    if (!held) throw new LinkFault('nothing is held here')
    const { id, aim, port } = frame
    if (aim === 'open' && !held.isTaken(frame)) {
      this.#open(frame)
      return
    }
    if (!this.#isFit(frame)) return
    if (aim === 'end') held.end(frame)
    const attached = aim === 'resume' ? held.resume(frame, port) : undefined
    if (attached) this.#attach(id, attached)
    else this.#refuse(id, 'gone')
  }

  #attach(id: number, { carrier, held }: Attached): void {
    this.#table.say({ kind: 'held', id, ...held })
    join(carrier, this.#table.add(id), this.#parts.clock)
  }

  async #connect(id: number, port: number, hold?: Frame & { kind: 'hold' }): Promise<void> {
    const dialling = new AbortController()
    this.#dialling.set(id, dialling)
    const connected = await this.#parts.dial(port, dialling.signal).then(
      (socket) => ({ socket }),
      (error: unknown) => ({ error }),
    )
    this.#dialling.delete(id)
    const isWanted = !dialling.signal.aborted && !this.#isGone
    if (!('socket' in connected)) {
      if (isWanted) this.#refuse(id, isShut(connected.error) ? 'shut' : 'failed')
      return
    }
    if (!isWanted) {
      connected.socket.on('error', () => undefined).destroy()
      return
    }
    hearOut(connected.socket)
    const attached = hold && this.#parts.held?.add(hold, port, connected.socket)
    if (attached) {
      this.#attach(id, attached)
      return
    }
    this.#table.say({ kind: 'opened', id })
    join(connected.socket, this.#table.add(id), this.#parts.clock)
  }

  #refuse(id: number, why: Refusal): void {
    this.#table.say({ kind: 'refused', id, why })
  }
}

function isShut(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === 'ECONNREFUSED') || isShut(error.cause)
}

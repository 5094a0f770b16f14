/** A tunnel that is open: ended with what it rests on, by its own limits of time, and when its place is lost; written down when it opens and closes. */
import type { Duplex } from 'node:stream'
import type { Ending } from '#activity/standing.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Counted } from '#lib/tallies.ts'
import type { EndReason, LiveStream } from '#live/streams.ts'
import type { Audit } from '#observe/audit.ts'
import type { Metrics, StreamEnd } from '#observe/metrics.ts'
import { Meter } from '#resume/meter.ts'
import { Bridge } from '#tunnel/bridge.ts'
import { type Closing, closeCodes, type Dialect, type Notice } from '#tunnel/protocol.ts'
import type { TunnelSocket } from '#tunnel/tunnel-socket.ts'
import type { Bounds } from '#workspace/connections.ts'
import type { Slot } from '#workspace/slots.ts'
import { about } from './carriers.ts'
import type { HeldTunnel } from './held-tunnel.ts'
import type { LeftTunnels } from './left-tunnels.ts'
import type { Pass } from './passes.ts'
import type { Sightings } from './sightings.ts'
import type { TunnelIntake } from './tunnel-intake.ts'
import type { TunnelSights } from './tunnel-sights.ts'
import type { Visit } from './visit.ts'

export interface LiveTunnelParts {
  readonly visit: Visit
  readonly pass: Pass
  readonly dialect: Dialect
  readonly bounds: Pick<Bounds, 'idle' | 'max'>
  readonly slot: Slot
  /** Among what its identity has open. */
  readonly open: Counted
  readonly socket: TunnelSocket
  readonly upstream: Duplex
  /** What it was opened with. */
  readonly intake: TunnelIntake
  /** Of one that outlives this connection: its limits count from its beginning, over all connections that it had. */
  readonly held: HeldTunnel | undefined
  readonly left: LeftTunnels
  readonly audit: Audit
  readonly metrics: Metrics
  readonly clock: Clock
  /** Absent: nobody wants to know who is working. */
  readonly sightings?: Sightings
  /** When the workspace of that UID will be stopped, as far as is known now. Absent: nobody knows. */
  readonly endingOf?: (workspaceUid: string) => Ending | undefined
}

const broke: Closing = { code: closeCodes.gone, reason: 'the connection to the workspace broke' }
const idle: Closing = { code: closeCodes.expired, reason: 'nothing passed for too long' }
const over: Closing = { code: closeCodes.expired, reason: 'it was open for as long as it may be' }
const displaced: Closing = { code: closeCodes.busy, reason: 'its place is taken' }

/** Ahead of an end that can be foreseen, or half of the time where that is less. */
const warnAhead: Milliseconds = 5 * 60_000

export class LiveTunnel implements LiveStream {
  readonly kind = 'tunnel'
  readonly isLasting = true
  readonly #parts: LiveTunnelParts
  readonly #bridge: Bridge
  readonly #sights: TunnelSights | undefined
  readonly #openedAt: Timestamp
  readonly #began: Timestamp
  #movedAt: Timestamp
  #moved = 0
  /** Of one that outlives this connection: bytes that had not passed before. */
  #fresh = 0
  /** Of such a one. */
  readonly #meter: Meter | undefined
  /** What was foreseen, and told. */
  readonly #warned = new Set<Notice['why']>()

  constructor(parts: LiveTunnelParts) {
    const { visit, pass, socket, upstream, intake, dialect, held, clock, audit, metrics, slot } = parts
    this.#parts = parts
    this.#openedAt = clock.now()
    this.#began = this.#openedAt - (held?.held?.age ?? 0)
    this.#movedAt = this.#openedAt - (held?.held?.idle ?? 0)
    this.#sights = parts.sightings?.tunnelled(pass, clock)
    pass.group.add(this)
    if (held) parts.left.carry(held)
    const meter = held && new Meter()
    this.#meter = meter
    metrics.streamsOpened('tunnel').add()
    audit.record({ event: 'stream-opened', ...about(visit, pass), kind: 'tunnel' })
    slot.lost.addEventListener('abort', this.#onLost, { once: true })
    this.#bridge = new Bridge({
      ...{ socket, dialect, clock, onBreak: broke },
      stream: { readable: upstream, writable: upstream },
      observe: meter
        ? this.#measure(meter)
        : (from, bytes) => this.#sights?.observe(from === 'socket' ? 'client' : 'upstream', bytes.length),
      onClosed: (bridge) => this.#closed(bridge),
      reading: intake.reading,
    })
    intake.lead(upstream, this.#bridge)
    // While its port was connected to, when there was nothing yet to be ended.
    if (slot.lost.aborted) this.#onLost()
  }

  look(now: Timestamp): void {
    // What it led to may be led by another one already.
    if (this.#bridge.cut !== undefined) return
    const { max, idle: longestIdle } = this.#parts.bounds
    const moved = this.#parts.held ? this.#fresh : this.#bridge.bytesFromSocket + this.#bridge.bytesFromStream
    if (moved !== this.#moved) {
      this.#moved = moved
      this.#movedAt = now
      this.#warned.delete('idle')
    }
    this.#sights?.look()
    this.#foretellStop(now)
    if (this.#isOver('limit', now - this.#began, max)) this.#end(over)
    else if (this.#isOver('idle', now - this.#movedAt, longestIdle)) this.#end(idle)
    else this.#bridge.beat()
  }

  end({ code, reason, ofTunnel }: EndReason): void {
    this.#end(ofTunnel ?? { code, reason })
  }

  /** What is sent again is nobody's work. */
  #measure(meter: Meter): (from: 'socket' | 'stream', bytes: Buffer) => void {
    return (from, bytes) => {
      const fresh = from === 'socket' ? meter.fromClient(bytes) : meter.fromUpstream(bytes)
      this.#fresh += fresh
      if (fresh > 0) this.#sights?.observe(from === 'socket' ? 'client' : 'upstream', fresh)
    }
  }

  #end(closing: Closing): void {
    const { held, left } = this.#parts
    this.#bridge.end(closing)
    // What was taken up by another connection rests on what that one rests on.
    if (held && left.isCarriedBy(held)) held.endFor(closing.code)
  }

  /** Warns ahead of it, once. */
  #isOver(why: Notice['why'], passed: Milliseconds, most: Milliseconds): boolean {
    if (passed >= most) return true
    const rest = most - passed
    if (rest > Math.min(warnAhead, most / 2) || this.#warned.has(why)) return false
    this.#warned.add(why)
    this.#bridge.tell({ notice: 'closing-soon', why, in: rest })
    return false
  }

  /** Once each time that it comes near. */
  #foretellStop(now: Timestamp): void {
    const { endingOf, pass, dialect } = this.#parts
    const end = dialect !== 'plain' ? endingOf?.(pass.entry.uid) : undefined
    const near = end?.isNear ? end.because : undefined
    for (const why of ['inactivity', 'lifetime'] as const) if (why !== near) this.#warned.delete(why)
    if (!end || near === undefined || this.#warned.has(near)) return
    this.#warned.add(near)
    this.#bridge.tell({ notice: 'closing-soon', why: near, in: Math.max(0, end.at - now) })
  }

  readonly #onLost = (): void => this.#end(displaced)

  #closed({ bytesFromSocket: bytesIn, bytesFromStream: bytesOut, cut, closedBy }: Bridge): void {
    const { visit, pass, slot, open, audit, metrics, clock } = this.#parts
    slot.lost.removeEventListener('abort', this.#onLost)
    slot.leave()
    open.leave()
    pass.group.delete(this)
    this.#sights?.end()
    metrics.streamsClosed('tunnel', cut === 'ended' ? endOf(closedBy.code) : ends[cut ?? 'socket']).add()
    metrics.streamBytes('tunnel', 'in').add(bytesIn)
    metrics.streamBytes('tunnel', 'out').add(bytesOut)
    const duration = clock.now() - this.#openedAt
    // What a client gives as its reason is its own word.
    const reason = cut === 'ended' ? closedBy.reason : cut === undefined ? 'closed' : ends[cut]
    const line = { ...about(visit, pass), kind: 'tunnel', reason, duration, bytesIn, bytesOut } as const
    audit.record({ event: 'stream-closed', ...line })
    this.#leave(closedBy.code)
  }

  /** Its client may come back, by whatever replica; one that ends itself ends nothing else any more. */
  #leave(code: number): void {
    const { held, left, pass, bounds, clock } = this.#parts
    if (!held) return
    const isNobodys = held.isEnded || (this.#bridge.cut === 'ended' && code === closeCodes.restarting)
    if (isNobodys || this.#meter?.hasHeardAnswer) left.drop(held)
    else
      left.add(held, pass, {
        rest: bounds.max - (clock.now() - this.#began),
        isOver: this.#meter?.hasHeardBye === true,
      })
  }
}

const ends = { socket: 'client', stream: 'upstream' } as const

function endOf(code: number): StreamEnd {
  switch (code) {
    case closeCodes.stopping:
      return 'workspace-stopped'
    case closeCodes.restarting:
      return 'drained'
    case closeCodes.expired:
      return 'expired'
    case closeCodes.gone:
      return 'upstream'
    case closeCodes.notTaken:
    case closeCodes.busy:
      return 'failed'
    default:
      return 'revoked'
  }
}

/**
 * Carries an admitted tunnel out: its place among those that may be open at once, a connection to its port, and then the 101. Until then every refusal
 * is an answer of HTTP that a program can read. It is live from the moment it is admitted, so that whatever is taken back meanwhile ends it.
 */
import type { Duplex } from 'node:stream'
import { GatewayError, messageOf } from '#errors.ts'
import { reset } from '#http/reset.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import type { EndReason, LiveStream } from '#live/streams.ts'
import type { Log } from '#observe/log.ts'
import { Landing } from '#proxy/landing.ts'
import { isAway, isGone, isShut } from '#proxy/upstream.ts'
import { type Problem, problem } from '#surface/problem.ts'
import { acceptTunnel } from '#tunnel/endpoint.ts'
import type { Dialect } from '#tunnel/protocol.ts'
import { type Bounds, boundsOf, portForward } from '#workspace/connections.ts'
import type { Room, Slot, Slots } from '#workspace/slots.ts'
import { HeldTunnel } from './held-tunnel.ts'
import { LiveTunnel, type LiveTunnelParts } from './live-tunnel.ts'
import type { Pass } from './passes.ts'
import { comeAgain } from './reply.ts'
import { TunnelIntake } from './tunnel-intake.ts'
import type { TunnelPolicy } from './tunnel-policy.ts'
import { problemOfExcess, retryFields, type Turnstile } from './turnstile.ts'
import { hasLeft, type Visit } from './visit.ts'
import type { Witness } from './witness.ts'

export interface TunnelsParts extends Pick<LiveTunnelParts, 'audit' | 'metrics' | 'sightings' | 'endingOf' | 'left'> {
  readonly policy: TunnelPolicy
  readonly slots: Pick<Slots, 'take'>
  readonly turnstile: Pick<Turnstile, 'open'>
  readonly witness: Pick<Witness, 'limited' | 'failed'>
  readonly connectTimeout: Milliseconds
  readonly clock: Clock
  readonly log: Log
}

/** Answers in the tunnel's place. Flat fields. */
type Refuse = (problem: Problem, fields: readonly string[]) => void

interface Opening {
  readonly visit: Visit
  readonly pass: Pass
  readonly dialect: Dialect
  readonly bounds: Bounds
  /** Absent: it lives no longer than its connection. */
  readonly held: HeldTunnel | undefined
  readonly socket: Duplex
  /** What came behind the request. */
  readonly head: Buffer
}

const nothingListens: Problem = {
  code: 'nothing_listens',
  status: 424,
  title: 'Nothing listens at this port of the workspace.',
  detail: 'For SSH its image has to run an SSH server there.',
}

const agentAway: Problem = {
  code: 'agent_away',
  status: 503,
  title: 'The agent of the workspace is not connected.',
}

/** Whether it was another's, or there never was one, looks the same. */
const streamGone: Problem = {
  code: 'tunnel_gone',
  status: 410,
  title: 'What was under way in this tunnel is gone.',
}

export class Tunnels {
  readonly #parts: TunnelsParts
  readonly #landing = new Landing()

  constructor(parts: TunnelsParts) {
    this.#parts = parts
  }

  /** Settles when it is open, or refused. */
  async open(visit: Visit, pass: Pass, socket: Duplex, head: Buffer, refuse: Refuse): Promise<void> {
    const bounds = boundsOf(this.#parts.policy.connections, pass.connectionType)
    const dialect = visit.place.tunnel?.dialect
    if (!bounds || !dialect) throw new GatewayError('internal', 'a tunnel of no kind')
    const held = this.#heldBy(visit, pass)
    if (!held && visit.place.tunnel?.stream?.aim === 'resume') {
      refuse(streamGone, [])
      return
    }
    const waiting = new Waiting()
    pass.group.add(waiting)
    try {
      await this.#open({ visit, pass, dialect, bounds, held, socket, head }, waiting, refuse)
    } finally {
      pass.group.delete(waiting)
    }
  }

  /** By an agent, which alone can hold one. */
  #heldBy({ place }: Visit, pass: Pass): HeldTunnel | undefined {
    const { policy, clock, log } = this.#parts
    const stream = place.tunnel?.stream
    if (!stream || !policy.isByAgent(pass.entry.ref.namespace)) return undefined
    return new HeldTunnel({ pass, stream, clock, log })
  }

  async #open(opening: Opening, waiting: Waiting, refuse: Refuse): Promise<void> {
    const { visit, pass, socket, bounds, held } = opening
    const taken = await this.#parts.slots.take(roomsOf(pass, bounds))
    if (taken.kind === 'full') {
      const { session } = pass
      const excess = { limit: 'tunnels', of: session.identity.username, retryAfter: comeBackIn } as const
      this.#parts.witness.limited(visit, excess, session)
      const detail = taken.room.of.startsWith('user ') ? 'Yours are as many as one person may have.' : fullWorkspace
      refuse({ ...problemOfExcess(excess), detail }, retryFields(excess))
      return
    }
    const intake = new TunnelIntake(this.#landing)
    let upstream: Duplex | undefined
    try {
      upstream = await this.#dial(pass, intake, waiting.signal, held)
    } catch (error) {
      taken.slot.leave()
      this.#notBegun(error, opening, waiting.signal, refuse)
      return
    }
    if (waiting.signal.aborted || hasLeft(visit) || !this.#begin(opening, upstream, intake, taken.slot)) {
      taken.slot.leave()
      upstream.destroy()
      this.#forsake(opening, waiting.signal.aborted)
      reset(socket)
    }
  }

  /** It is held, and nobody is on it. Of one that begins nobody knows; one that goes on its client may come back to, or has another connection by now. */
  #forsake({ visit, pass, bounds, held }: Opening, isEnded: boolean): void {
    if (!held?.held) return
    if (isEnded || visit.place.tunnel?.stream?.aim === 'open') held.end()
    else this.#parts.left.addUncarried(held, pass, { rest: bounds.max - held.held.age, isOver: false })
  }

  #notBegun(error: unknown, { visit, socket, held }: Opening, ended: AbortSignal, refuse: Refuse): void {
    // Unless the agent has said that there is none, it may have begun one.
    if (ended.aborted || !isAnswer(error)) held?.abandon()
    if (ended.aborted) reset(socket)
    else this.#refuseFor(error, visit, refuse)
  }

  /** `false`: the client has left. */
  #begin(opening: Opening, upstream: Duplex, intake: TunnelIntake, slot: Slot): boolean {
    const { visit, pass, bounds, socket, head } = opening
    const held = opening.held?.held && opening.held
    const dialect = held ? 'resume' : opening.dialect
    const instance = pass.entry.instance?.instanceUid ?? ''
    const { clock } = this.#parts
    const accepted = acceptTunnel({ request: visit.request, socket, head, dialect, instance, clock })
    if (!accepted) return false
    const open = this.#parts.turnstile.open(pass.session.identity.username)
    const rest = { upstream, intake, held }
    new LiveTunnel({ ...this.#parts, ...rest, visit, pass, dialect, bounds, slot, open, socket: accepted })
    return true
  }

  async #dial(
    { upstream }: Pass,
    { reading }: TunnelIntake,
    signal: AbortSignal,
    held: HeldTunnel | undefined,
  ): Promise<Duplex> {
    const { clock, connectTimeout } = this.#parts
    using deadline = deadlineOf(clock, connectTimeout, signal)
    return await upstream.dial(deadline.signal, reading, held?.wish)
  }

  #refuseFor(error: unknown, visit: Visit, refuse: Refuse): void {
    if (!(error instanceof GatewayError)) throw error
    const { log, witness } = this.#parts
    log.warn({ requestId: visit.requestId, code: error.code, reason: messageOf(error) }, 'a tunnel could not be opened')
    witness.failed(visit, error)
    if (isGone(error)) refuse(streamGone, [])
    else if (isAway(error)) refuse(agentAway, comeAgain(5))
    else if (isShut(error)) refuse(nothingListens, comeAgain(5))
    else refuse(problem(error.code, error.status), error.retryable ? comeAgain(2) : [])
  }
}

/** Of whoever was asked, rather than that it took too long or broke. */
function isAnswer(error: unknown): boolean {
  return error instanceof GatewayError && (isGone(error) || isShut(error))
}

const fullWorkspace = 'This workspace has as many as one may have.'
/** Nobody can tell when somebody closes one. */
const comeBackIn: Milliseconds = 10_000

/**
 * Forwarding is counted by itself, so that the connections of a page do not keep SSH out, and SSH by the settings that bound it. Of a workspace's
 * places one is its owner's, unless there is only one: others can fill the rest, and he still gets in.
 */
function roomsOf({ entry, session, connectionType, grant }: Pass, bounds: Bounds): readonly Room[] {
  const kinds = connectionType === portForward ? portForward : bounds.pattern
  const kept = grant.kind === 'owner' ? 0 : 1
  return [
    { of: `user ${kinds} ${session.identity.username}`, most: bounds.maxPerUser },
    { of: `workspace ${kinds} ${entry.uid}`, most: Math.max(1, bounds.maxPerWorkspace - kept) },
  ]
}

/** In the place of a tunnel that is not open yet. */
class Waiting implements LiveStream {
  readonly kind = 'tunnel'
  readonly isLasting = true
  readonly #ending = new AbortController()

  get signal(): AbortSignal {
    return this.#ending.signal
  }

  end({ reason }: EndReason): void {
    this.#ending.abort(new GatewayError('upstream_unreachable', reason))
  }
}

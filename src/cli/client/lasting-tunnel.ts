/**
 * A tunnel that goes on when its connection breaks: by another network, another replica, after a while without any. What was not known to have arrived is sent
 * again, and nothing is lost, for as long as the agent in the pod holds the other end. Where there is no agent it ends with its connection, and says so.
 */
import { randomBytes } from 'node:crypto'
import { backoff } from '#lib/backoff.ts'
import { type Clock, type Milliseconds, sleep, steadyOf, type Timestamp } from '#lib/clock.ts'
import { printable } from '#observe/printable.ts'
import type { Carrier } from '#resume/carrier.ts'
import { resumeWindow, writeHello } from '#resume/frames.ts'
import { longestAway } from '#resume/hold.ts'
import { ResumedStream } from '#resume/resumed-stream.ts'
import { Secret } from '#settings/secret.ts'
import { Bridge, type ByteStream } from '#tunnel/bridge.ts'
import { closeCodes } from '#tunnel/protocol.ts'
import { CliFault, isCliFault } from './cli-fault.ts'
import { type Client, openClient } from './client.ts'
import {
  type Closed,
  closedFault,
  type GatewayTunnel,
  join,
  noticesTo,
  type TunnelTarget,
  tunnelTo,
} from './open-tunnel.ts'
import type { PersonIo } from './person-io.ts'

export interface LastingTunnel {
  readonly tunnel: GatewayTunnel
  /** The same stream by a new connection. Throws as {@link tunnelTo}; `tunnel_gone` where nobody holds it any more. */
  readonly comeBack: (signal: AbortSignal) => Promise<GatewayTunnel>
}

/** Throws as {@link tunnelTo}. */
export async function lastingTunnel(client: Client, io: PersonIo, target: TunnelTarget): Promise<LastingTunnel> {
  const id = new Secret(randomBytes(32).toString('base64url'))
  const tunnel = await tunnelTo(client, io, { ...target, stream: { aim: 'open', id, age: 0 } })
  const began = steadyOf(io.clock)
  return {
    tunnel,
    async comeBack(signal) {
      // With the login as it is then: it may have been renewed, or need to be.
      const now = await openClient(io, client.deployment.name)
      const stream = { aim: 'resume', id, age: steadyOf(io.clock) - began } as const
      return tunnelTo(now, { clock: io.clock, signal }, { ...target, instance: tunnel.instance, stream })
    },
  }
}

export interface Joining extends LastingTunnel, Pick<PersonIo, 'clock' | 'signal' | 'stderr'> {
  readonly stream: ByteStream
}

/** A connection that is gone and does not say so is found out after two or three: coming back costs nothing. */
const pingEvery: Milliseconds = 10_000
const delay = { first: 200, longest: 10_000 }

/** Resolves when both sides have said all they had to say; throws `tunnel_closed` or `tunnel_gone`, with the reason, when something else has ended it. */
export async function joinLasting(joining: Joining): Promise<void> {
  if (joining.tunnel.dialect === 'tunnel') return await join(joining)
  const { stream, signal, clock } = joining
  const ends = { readable: stream.readable, writable: stream.writable }
  const over = new AbortController()
  const resumed = new ResumedStream({
    ...{ ...ends, clock, window: resumeWindow, isFirstToLeave: true },
    ...{ onAway: () => undefined, onOver: () => over.abort() },
  })
  const leave = () => resumed.leave()
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    await carryOn(joining, resumed, over.signal)
    await closed(stream)
  } catch (error) {
    resumed.cut()
    throw error
  } finally {
    signal.removeEventListener('abort', leave)
  }
  if (resumed.over === 'reset' && !resumed.hasLeft && !resumed.hasHeardEnd)
    throw closedFault({ code: closeCodes.gone, reason: 'its connection within the workspace broke' })
}

/** By one connection after the other, until it is over. */
async function carryOn(joining: Joining, resumed: ResumedStream, over: AbortSignal): Promise<void> {
  const patience = new Patience(joining.clock)
  let { tunnel } = joining
  for (let isFirst = true; !over.aborted; isFirst = false) {
    const carried = await carry(joining, tunnel, resumed.attach(isFirst))
    if (over.aborted) return
    if (finals.has(carried.closedBy.code)) throw closedFault(carried.closedBy)
    patience.judge(carried)
    if (patience.isOver) throw goneFault(new CliFault('unreachable', 'no connection to the gateway lasted'))
    const next = await again(joining, patience, carried.closedBy, over)
    if (!next) return
    tunnel = next
  }
  // Nobody has used it, and nobody else would close it.
  tunnel.socket.terminate()
}

/** After these nobody comes back. */
const finals: ReadonlySet<number> = new Set([
  closeCodes.stopping,
  closeCodes.notTaken,
  closeCodes.revoked,
  closeCodes.expired,
])

interface Carried {
  readonly closedBy: Closed
  /** Bytes that came by it from the other side. */
  readonly came: number
  readonly stood: Milliseconds
}

/** Up to the end of that connection. */
function carry({ clock, stderr }: Joining, { socket }: GatewayTunnel, carrier: Carrier): Promise<Carried> {
  const began = clock.now()
  return new Promise((resolve) => {
    const beat = () => {
      bridge.beat()
      timer = clock.after(pingEvery, beat)
    }
    const bridge = new Bridge({
      ...{ socket, clock, stream: { readable: carrier, writable: carrier }, dialect: 'resume' },
      onBreak: { code: closeCodes.done, reason: 'left' },
      onText: noticesTo(stderr),
      onClosed: ({ closedBy, bytesFromSocket }) => {
        timer[Symbol.dispose]()
        resolve({ closedBy, came: bytesFromSocket, stood: clock.now() - began })
      },
    })
    let timer = clock.after(pingEvery, beat)
  })
}

/** What comes even if nothing has moved; behind it come new bytes, or word that some have arrived. */
const helloLength = writeHello({ sent: 0, received: 0, limit: 0 }).length
/** A connection that stood for so long was a good one, also if nobody had anything to say. */
const longEnough: Milliseconds = 10_000

/** How soon to come back, and up to when, over all connections: one that is let through and cut at once would be made for ever, several times a second. */
class Patience {
  readonly #clock: Clock
  readonly #delays = backoff(delay)
  #until: Timestamp

  constructor(clock: Clock) {
    this.#clock = clock
    this.#until = clock.now() + longestAway
  }

  get isOver(): boolean {
    return this.#clock.now() >= this.#until
  }

  next(): Milliseconds {
    return this.#delays.next()
  }

  judge({ came, stood }: Carried): void {
    if (came === 0) return
    // The other side was there, and waits as long from now on.
    this.#until = this.#clock.now() + longestAway
    if (came > helloLength || stood >= longEnough) this.#delays.reset()
  }
}

/** `undefined`: nobody waits for it any more. Throws why there is no coming back, or the last reason of ten minutes. */
async function again(
  { comeBack, clock, signal, stderr }: Joining,
  patience: Patience,
  { reason }: Closed,
  over: AbortSignal,
): Promise<GatewayTunnel | undefined> {
  const said = reason === '' ? '' : ` (${printable(reason)})`
  stderr.write(`gatehouse: the connection to the gateway broke${said}; nothing is lost yet, connecting again\n`)
  const left = AbortSignal.any([signal, over])
  for (;;) {
    await sleep(clock, patience.next(), left).catch(() => undefined)
    if (left.aborted) return undefined
    const coming = await comeBack(left).catch((error: unknown) => ({ error }))
    if (!('error' in coming)) {
      stderr.write('gatehouse: connected again; it goes on where it was\n')
      return coming
    }
    if (!left.aborted && (!isPassing(coming.error) || patience.isOver)) throw goneFault(coming.error)
  }
}

const unreached = ['unreachable', 'proxy_failed', 'certificate_refused', 'timed_out', 'no_gateway']
/** RFC 9110 section 15.5.9, RFC 6585 section 4; and 400 of a gateway that is older than streams that outlive their tunnels: a newer one may answer next. */
const passing: ReadonlySet<number> = new Set([400, 408, 429])

function isPassing(error: unknown): boolean {
  if (!isCliFault(error)) return false
  const { status } = error
  return status === undefined ? isCliFault(error, ...unreached) : status >= 500 || passing.has(status)
}

function goneFault(cause: unknown): unknown {
  if (!isCliFault(cause)) return cause
  const { message, hint = 'Connect again.', requestId, status } = cause
  const details = { cause, hint, requestId, ...(status === undefined ? {} : { status }) }
  const why = cause.code === 'tunnel_gone' ? '' : `: ${message}`
  return new CliFault(
    'tunnel_gone',
    `the connection could not be taken up again, and what was under way is gone${why}`,
    details,
  )
}

/** What was said to its end is written by then. */
function closed({ writable }: ByteStream): Promise<void> {
  return new Promise((resolve) => {
    if (writable.closed) resolve()
    else writable.once('close', () => resolve())
  })
}

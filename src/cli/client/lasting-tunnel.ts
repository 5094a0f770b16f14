/**
 * A tunnel that goes on when its connection breaks: by another network, another replica, after a while without any. What was not known to have arrived is sent
 * again, and nothing is lost, for as long as the agent in the pod holds the other end. Where there is no agent it ends with its connection, and says so.
 */
import { randomBytes } from 'node:crypto'
import { backoff } from '#lib/backoff.ts'
import { type Milliseconds, sleep } from '#lib/clock.ts'
import { printable } from '#observe/printable.ts'
import type { Carrier } from '#resume/carrier.ts'
import { resumeWindow } from '#resume/frames.ts'
import { longestAway } from '#resume/held-streams.ts'
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
  readonly comeBack: () => Promise<GatewayTunnel>
}

/** Throws as {@link tunnelTo}. */
export async function lastingTunnel(client: Client, io: PersonIo, target: TunnelTarget): Promise<LastingTunnel> {
  const id = new Secret(randomBytes(32).toString('base64url'))
  const tunnel = await tunnelTo(client, io, { ...target, stream: { aim: 'open', id } })
  const same = { ...target, instance: tunnel.instance, stream: { aim: 'resume' as const, id } }
  return {
    tunnel,
    // With the login as it is then: it may have been renewed, or need to be.
    comeBack: async () => tunnelTo(await openClient(io, client.deployment.name), io, same),
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
  const resumed = new ResumedStream({
    ...{ ...ends, clock, window: resumeWindow, isFirstToLeave: true, onAway: () => undefined, onOver: () => undefined },
  })
  const leave = () => resumed.leave()
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    await carryOn(joining, resumed)
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
async function carryOn(joining: Joining, resumed: ResumedStream): Promise<void> {
  let { tunnel } = joining
  for (let isFirst = true; resumed.over === undefined; isFirst = false) {
    const closedBy = await carry(joining, tunnel, resumed.attach(isFirst))
    if (resumed.over !== undefined) return
    if (finals.has(closedBy.code)) throw closedFault(closedBy)
    const next = await again(joining, resumed, closedBy)
    if (!next) return
    tunnel = next
  }
}

/** After these nobody comes back. */
const finals: ReadonlySet<number> = new Set([
  closeCodes.stopping,
  closeCodes.notTaken,
  closeCodes.revoked,
  closeCodes.expired,
])

/** Up to the end of that connection. */
function carry({ clock, stderr }: Joining, { socket }: GatewayTunnel, carrier: Carrier): Promise<Closed> {
  return new Promise((resolve) => {
    const beat = () => {
      bridge.beat()
      timer = clock.after(pingEvery, beat)
    }
    const bridge = new Bridge({
      ...{ socket, clock, stream: { readable: carrier, writable: carrier }, dialect: 'resume' },
      onBreak: { code: closeCodes.done, reason: 'left' },
      onText: noticesTo(stderr),
      onClosed: ({ closedBy }) => {
        timer[Symbol.dispose]()
        resolve(closedBy)
      },
    })
    let timer = clock.after(pingEvery, beat)
  })
}

/** `undefined`: nobody waits for it any more. Throws why there is no coming back, or the last reason of ten minutes. */
async function again(joining: Joining, resumed: ResumedStream, { reason }: Closed): Promise<GatewayTunnel | undefined> {
  const { comeBack, clock, signal, stderr } = joining
  const delays = backoff(delay)
  const until = clock.now() + longestAway
  const said = reason === '' ? '' : ` (${printable(reason)})`
  stderr.write(`gatehouse: the connection to the gateway broke${said}; nothing is lost yet, connecting again\n`)
  for (;;) {
    await sleep(clock, delays.next(), signal).catch(() => undefined)
    if (signal.aborted || resumed.over !== undefined) return undefined
    const coming = await comeBack().catch((error: unknown) => ({ error }))
    if (!('error' in coming)) {
      stderr.write('gatehouse: connected again; it goes on where it was\n')
      return coming
    }
    if (!signal.aborted && (!isPassing(coming.error) || clock.now() >= until)) throw goneFault(coming.error)
  }
}

const unreached = ['unreachable', 'proxy_failed', 'certificate_refused', 'timed_out', 'no_gateway']
/** RFC 9110 section 15.5.9, RFC 6585 section 4. */
const passing: ReadonlySet<number> = new Set([408, 429])

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

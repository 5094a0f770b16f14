/**
 * What the two ends of a tunnel agree on: an opaque byte stream in a WebSocket (RFC 6455), `gatehouse.tunnel.v1`.
 *
 * - A binary message is bytes of the stream, at most {@link longestMessage} of them, never compressed.
 * - An empty binary message ends its direction; the other one goes on. When both have ended, the gateway closes with 1000.
 * - Text comes from the gateway alone, and is a {@link Notice}. Text of a client is answered with 1003, as is anything else with what RFC 6455 says.
 * - Each side sends a ping every {@link pingEvery}; one that hears nothing at all after two of them is alone. Where something is on the way, a ping
 *   is behind it: then it is alone after six in which nothing was heard and nothing got away.
 *
 * `gatehouse.tunnel.resume.v1` is the same, but that an empty message means nothing: what its bytes say is between the client and an agent (`src/resume`), who
 * go on by another tunnel when this one breaks. The client names the stream in {@link streamHeader}; whoever offers both gets it where there is such an agent.
 *
 * The plain dialect, of clients that know no subprotocol of ours (`websocat --binary`), is binary messages alone: whoever has ended has closed.
 */
import type { Milliseconds } from '#lib/clock.ts'

export const tunnelProtocol = 'gatehouse.tunnel.v1'

export type Dialect = 'tunnel' | 'resume' | 'plain'

/** Bytes; between two of them a ping has its turn. */
export const longestMessage = 65_536

/** Less than half of what balancers wait for by default, which is a minute. */
export const pingEvery: Milliseconds = 20_000
/** Pings in a row. */
export const mostUnanswered = 2
/** The same, of those that could not be sent because nothing got away. */
export const mostStuck = 6

/** Bytes that wait to be sent: no more is read from the other side from the one on, and again from the other on. */
export const highMark = 262_144
export const lowMark = 65_536
/** Bytes that each thing that waits counts for beside its own: whoever sends them one by one is to have no more wait than whoever sends them at once. */
export const queuedCost = 512

/** Why a tunnel was closed (RFC 6455 section 7.4.1, and its registry of codes; 4000 and more are each protocol's own). */
export const closeCodes = {
  /** Both sides have said all they had to say, or one of them left. */
  done: 1000,
  /** The workspace stops, or was deleted. */
  stopping: 1001,
  /** Text, or another thing that this side does not take. */
  notTaken: 1003,
  /** The right to it was taken back, or the session ended. Coming back does not help. */
  revoked: 1008,
  /** What it led to is gone: the pod, or its end of the connection. */
  gone: 1011,
  /** The gateway ends or restarts: come back. */
  restarting: 1012,
  /** It had no place among the tunnels that may be open: come back later. */
  busy: 1013,
  /** The time of its session, or its own, was up: log in, or come back. */
  expired: 4001,
} as const

export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes]

/** RFC 6455 section 5.5: a code and, in at most 123 bytes, a reason for people. */
export interface Closing {
  readonly code: CloseCode
  readonly reason: string
}

/**
 * Why a tunnel will be closed: unless bytes pass (`idle`), or whatever happens (`limit`); since its workspace will be stopped, unless somebody works in
 * it (`inactivity`), or whatever happens (`lifetime`).
 */
const foreseen = ['idle', 'limit', 'inactivity', 'lifetime'] as const

/** Said by the gateway while the tunnel is open. */
export interface Notice {
  readonly notice: 'closing-soon'
  readonly why: (typeof foreseen)[number]
  /** Milliseconds from now. */
  readonly in: Milliseconds
}

/** `undefined` for anything that is none: a newer gateway may say more. */
export function readNotice(text: string): Notice | undefined {
  const value = parsed(text)
  if (typeof value !== 'object' || value === null || !('notice' in value) || value.notice !== 'closing-soon')
    return undefined
  const why = 'why' in value ? foreseen.find((one) => one === value.why) : undefined
  const rest = 'in' in value && typeof value.in === 'number' ? value.in : undefined
  return why === undefined || rest === undefined ? undefined : { notice: value.notice, why, in: rest }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Of the 101: which run of the workspace it leads to. */
export const instanceHeader = 'Gatehouse-Instance'

/** Of a request: `open` or `resume`, and the stream's name, 32 random bytes in base64url. Who has it can take the stream up, if it is his. */
export const streamHeader = 'Gatehouse-Stream'
export const streamPattern = /^(open|resume) ([A-Za-z0-9_-]{43})$/
/** Beside it: for how long the client has had the stream, in milliseconds. What holds it says so too, and may be somebody else's: the longer time counts. */
export const streamAgeHeader = 'Gatehouse-Stream-Age'
export const streamAgePattern = /^[0-9]{1,12}$/

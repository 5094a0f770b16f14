/**
 * The audit trail: one JSON line for each decision that somebody may have to account for, apart from the log and never once per request.
 * Allowed forwards are recorded at the first of a session on a workspace, streams when they open and close. Refusals of nobody in particular,
 * which anybody can cause without end, are bounded for each reason; what is about somebody never is.
 */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { FloodGate } from '#lib/flood-gate.ts'
import type { LineSink } from './log.ts'
import { printable } from './printable.ts'

/** Who did it, from where, in which request. `undefined`: nobody was logged in, or no request was involved (a timer, a watch). */
export interface AuditActor {
  /** The mapped username. */
  readonly user: string | undefined
  /** The name of the session's record, never its id. */
  readonly session: string | undefined
  readonly requestId: string | undefined
  /** Address of the client, after trusted hops. */
  readonly client: string | undefined
}

export type AuditEvent = AuditActor &
  (
    | { readonly event: 'login'; readonly issuer: string; readonly kind: 'browser' | 'cli' }
    | { readonly event: 'logout' }
    /** Ended by somebody or something else than its own logout: expiry, an administrator, the issuer, a lock. */
    | { readonly event: 'session-ended'; readonly reason: string }
    /** The first of this session on this workspace. */
    | ({ readonly event: 'allow'; readonly grant: string } & AuditTarget)
    /** Also a refused login or an unreadable target, with `workspace: undefined`. */
    | {
        readonly event: 'deny'
        readonly reason: string
        readonly workspace: string | undefined
        readonly port: number | undefined
      }
    /** So many further lines `deny` of nobody in particular were left out. Written by the trail itself. */
    | { readonly event: 'deny-more'; readonly reason: string; readonly count: number }
    | {
        readonly event: 'share-created'
        readonly workspace: string
        readonly share: string
        /** `User:bob`, `Group:ds`. */
        readonly grantees: readonly string[]
        readonly access: string
        /** `undefined`: all. */
        readonly ports: readonly string[] | undefined
        /** `undefined`: all but `port-forward`. */
        readonly connectionTypes: readonly string[] | undefined
        readonly expiresAt: Timestamp | undefined
      }
    | {
        readonly event: 'share-revoked'
        readonly workspace: string
        readonly share: string
        readonly reason: string
      }
    /** `user`: somebody may enter these workspaces by SSH, as far as sshd is concerned. `host`: a pod is known to be this one's. */
    | {
        readonly event: 'ssh-certificate'
        readonly role: 'user' | 'host'
        readonly workspaces: readonly string[]
        /** UID of the pod, of a host. */
        readonly pod?: string
        /** Decimal. */
        readonly serial: string
        /** `SHA256:…` of the key that was signed. */
        readonly fingerprint: string
        readonly expiresAt: Timestamp
      }
    | {
        readonly event: 'start' | 'stop'
        readonly workspace: string
        readonly reason: string
        /** Of one that was stopped because nobody used it. */
        readonly evidence?: {
          readonly source: string
          /** Who was the last to do something, where it is known. */
          readonly by?: string
          /** RFC 3339. */
          readonly at: string
          readonly idleFor: Milliseconds
        }
      }
    /** Somebody asked that it is not stopped for want of activity until then, RFC 3339. */
    | { readonly event: 'keep'; readonly workspace: string; readonly until: string }
    | ({ readonly event: 'stream-opened'; readonly grant: string; readonly kind: StreamKind } & AuditTarget)
    | ({
        readonly event: 'stream-closed'
        readonly grant: string
        readonly kind: StreamKind
        readonly reason: string
        readonly duration: Milliseconds
        /** Bytes from the client to the workspace. */
        readonly bytesIn: number
        /** Bytes from the workspace to the client. */
        readonly bytesOut: number
      } & AuditTarget)
  )

export const streamKinds = ['http', 'event-stream', 'websocket', 'tunnel'] as const

export type StreamKind = (typeof streamKinds)[number]

export interface AuditTarget {
  /** `namespace/name`. */
  readonly workspace: string
  readonly port: number | undefined
}

export interface Audit {
  record(event: AuditEvent): void
}

/**
 * Each line is `{"time": …, "event": …, …}`, in the order of the recording. Disposing writes what was left out until then;
 * the sink is somebody else's.
 */
export function createAudit(options: { sink: LineSink; clock: Clock }): Audit & Disposable {
  const { sink, clock } = options
  const write = (event: AuditEvent) => {
    const line = { time: new Date(clock.now()).toISOString(), ...event }
    sink.write(`${JSON.stringify(line, fitToPrint)}\n`)
  }
  const strangers = new FloodGate({
    clock,
    tell: (reason, count) => write({ event: 'deny-more', ...nobody, reason, count }),
  })
  return {
    record(event) {
      const isStrangers = event.event === 'deny' && event.user === undefined
      if (!isStrangers || strangers.admits(event.reason)) write(event)
    },
    [Symbol.dispose]: () => strangers[Symbol.dispose](),
  }
}

const nobody: AuditActor = { user: undefined, session: undefined, requestId: undefined, client: undefined }

function fitToPrint(key: string, value: unknown): unknown {
  if (key === 'expiresAt' && typeof value === 'number') return new Date(value).toISOString()
  return typeof value === 'string' ? printable(value) : value
}

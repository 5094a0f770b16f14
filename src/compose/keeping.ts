/** Wires what is kept of identities, whatever the settings in force: keys, sessions and their renewal, what may happen once. */
import { randomUUID } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import { FinishedAttempts } from '#identity/finished-attempts.ts'
import { IssuerPool } from '#identity/issuer-pool.ts'
import type { Issuers } from '#identity/issuers.ts'
import { type KeyRing, openKeyRing } from '#identity/key-ring.ts'
import { createOnce, type Once } from '#identity/once.ts'
import { createRenewals, type Renewals } from '#identity/renewals.ts'
import { createSealer, type Sealer } from '#identity/seal.ts'
import { openSessions, type SessionStore } from '#identity/session-store.ts'
import { type UsernameClaims, usernameClaims } from '#identity/username-claim.ts'
import type { Clock } from '#lib/clock.ts'
import type { StreamIndex } from '#live/streams.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Resources } from '#resources/contract.ts'
import type { Settings } from '#settings/settings.ts'

export interface KeepingParts {
  readonly settings: Settings
  /** The issuers of the settings in force. */
  readonly present: Pick<Issuers, 'byUrl'>
  readonly resources: Resources
  /** What is open for a session keeps it renewed. */
  readonly streams: StreamIndex
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'renewals' | 'watchInterruptions'>
  readonly signal: AbortSignal
}

export interface Keeping {
  readonly keyRing: KeyRing
  readonly sessions: SessionStore
  readonly once: Once
  readonly sealer: Sealer
  readonly usernames: UsernameClaims
  readonly renewals: Renewals
  readonly issuerPool: IssuerPool
  readonly finishedAttempts: FinishedAttempts
  /** Names this process among those that share the store. */
  readonly replica: string
}

export function openKeeping(parts: KeepingParts): Keeping {
  const { settings, present, resources, streams, clock, metrics } = parts
  const { stateNamespace: namespace, renewEvery: lifetime, horizon } = settings.sessions
  const onInterruption = (kind: string) => metrics.watchInterruptions(kind).add()
  const keyRing = openKeyRing({ ...parts, namespace, onInterruption })
  const sessions = openSessions({ ...parts, onInterruption, keyRing, namespace, lifetime, horizon })
  const sealer = createSealer({ keyRing, clock })
  const isLive = (name: string) => streams.isInUse(name)
  return {
    ...{ keyRing, sessions, sealer },
    replica: randomUUID(),
    once: createOnce({ resources, namespace, clock }),
    usernames: usernameClaims({ resources, namespace, machines: namesOfMachines(settings) }),
    renewals: createRenewals({ ...parts, sessions, issuers: present, sealer, lifetime, isLive }),
    issuerPool: new IssuerPool(parts),
    finishedAttempts: new FinishedAttempts(clock),
  }
}

/** Those of the cluster's own begin as no person's name can. */
function namesOfMachines({ machines }: Settings): ReadonlySet<string> {
  const names = machines.map((machine) =>
    machine.kind === 'issuer' ? machine.subjects.map((subject) => machine.usernamePrefix + subject) : [],
  )
  return new Set(names.flat())
}

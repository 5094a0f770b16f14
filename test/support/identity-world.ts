/** An embedded store in memory, a fake clock, and as many replicas of the identity layer on it as a test asks for. */
import { randomUUID } from 'node:crypto'
import { type AuthenticatorOptions, createAuthenticator, type SessionAuthenticator } from '#identity/authenticate.ts'
import type { CookieScope } from '#identity/authentication.ts'
import type { CookiePolicy } from '#identity/cookie-names.ts'
import { type KeyRing, openKeyRing } from '#identity/key-ring.ts'
import { keyRingKind } from '#identity/key-ring-record.ts'
import { createOnce, type Once } from '#identity/once.ts'
import { oneTimeKind } from '#identity/one-time-record.ts'
import { createSealer, type Sealer } from '#identity/seal.ts'
import { sessionKind } from '#identity/session-record.ts'
import type { NewLogin } from '#identity/session-spec.ts'
import { openSessions, type SessionStore, type SessionStoreOptions } from '#identity/session-store.ts'
import { createHandovers, type Handovers } from '#identity/ticket.ts'
import { createLog, type Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { type FakeClock, fakeClock } from './fake-clock.ts'
import { type FaultyResources, faultyResources } from './faulty-resources.ts'

export const namespace = 'gatehouse-system'
export const https: CookiePolicy = { externalScheme: 'https', externalPort: 443 }
export const consoleScope: CookieScope = { kind: 'console', authority: 'ws.example.com', path: '/' }
export const hostScope: CookieScope = { kind: 'workspace', authority: 'nb-orsxg5a.ws.example.com', path: '/' }

export interface Replica {
  readonly resources: FaultyResources
  readonly keyRing: KeyRing
  readonly sessions: SessionStore
  readonly authenticator: SessionAuthenticator
  readonly sealer: Sealer
  readonly once: Once
  readonly handovers: Handovers
}

export interface IdentityWorld extends AsyncDisposable {
  readonly clock: FakeClock
  readonly resources: Resources
  readonly log: Log
  /** The lines of all logs so far. */
  readonly lines: readonly string[]
  /** A gateway's identity layer, ready. */
  replica(options?: ReplicaOptions): Promise<Replica>
  /** Lets watches and promises settle. */
  settle(): Promise<void>
}

export interface ReplicaOptions {
  readonly cookies?: CookiePolicy
  readonly sessions?: Partial<Pick<SessionStoreOptions, 'lifetime' | 'horizon'>>
  readonly authenticator?: Partial<AuthenticatorOptions>
}

export function identityWorld(): IdentityWorld {
  const clock = fakeClock()
  const ending = new AbortController()
  const lines: string[] = []
  const log = createLog({ level: 'debug', clock, sink: { write: (line) => void lines.push(line) } })
  const store = openEmbeddedStore({
    file: ':memory:',
    kinds: [keyRingKind, sessionKind, oneTimeKind],
    clock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    signal: ending.signal,
  })
  const settle = () => clock.advance(0)
  return {
    clock,
    resources: store.resources,
    log,
    lines,
    settle,
    async replica(options = {}) {
      const resources = faultyResources(store.resources)
      const common = { resources, namespace, clock, log, signal: ending.signal }
      const cookies = options.cookies ?? https
      const keyRing = openKeyRing(common)
      const sessions = openSessions({ ...common, keyRing, ...options.sessions })
      const once = createOnce(common)
      await Promise.all([keyRing.ready, sessions.ready])
      return {
        ...{ resources, keyRing, sessions, once },
        authenticator: createAuthenticator({
          ...{ keyRing, sessions, cookies, consoleAuthority: consoleScope.authority },
          ...options.authenticator,
        }),
        sealer: createSealer({ keyRing, clock }),
        handovers: createHandovers({ keyRing, sessions, once, cookies, clock, replica: randomUUID() }),
      }
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await settle()
    },
  }
}

export function loginOf(username: string, more: Partial<NewLogin> = {}): NewLogin {
  return {
    kind: 'browser',
    issuer: 'https://idp.example.com',
    subject: `sub-${username}`,
    identity: { kind: 'person', username, uid: `uid-${username}`, groups: ['ds'] },
    userAgent: 'Firefox',
    ...more,
  }
}

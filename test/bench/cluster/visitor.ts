/** People who are logged in: sessions as the gateway keeps them, and for each workspace the cookie that its hand-over would have given. */
import type { CookiePolicy } from '#identity/cookie-names.ts'
import { type KeyRing, openKeyRing } from '#identity/key-ring.ts'
import { newSessionCookie } from '#identity/session-cookie.ts'
import { openSessions, type SessionStore } from '#identity/session-store.ts'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { authorityOf, makeSite, placeOf } from '#workspace/address.ts'
import { type BenchSite, domain, issuer } from './site.ts'

/** What a request needs to be let through. */
export interface Headers extends Readonly<Record<string, string>> {
  readonly host: string
  readonly cookie: string
}

export interface Visitor {
  headersFor(ref: WorkspaceRef): Headers
}

export interface Reception extends Disposable {
  /** Logs somebody in. */
  welcome(username: string): Promise<Visitor>
}

const cookies: CookiePolicy = { externalScheme: 'https', externalPort: 443 }
const urls = makeSite({ scheme: 'https', port: 443, domain, mode: 'host' })

/** Once a gateway has made the keys, which the first one does by itself. */
export async function openReception({ resources, stateNamespace: namespace }: BenchSite): Promise<Reception> {
  const ending = new AbortController()
  const clock = systemClock
  const log = createLog({ level: 'error', clock, sink: { write: (line) => void process.stderr.write(line) } })
  const parts = { resources, namespace, clock, log, signal: ending.signal }
  const keyRing = openKeyRing(parts)
  const sessions = openSessions({ ...parts, keyRing })
  await Promise.all([keyRing.ready, sessions.ready])
  return {
    welcome: (username) => welcome({ keyRing, sessions }, username),
    [Symbol.dispose]: () => ending.abort(),
  }
}

interface Kept {
  readonly keyRing: KeyRing
  readonly sessions: SessionStore
}

async function welcome({ keyRing, sessions }: Kept, username: string): Promise<Visitor> {
  const { session, id } = await sessions.create({
    ...{ kind: 'browser', issuer, subject: username, userAgent: 'benchmark' },
    identity: { kind: 'person', username, uid: username, groups: ['ds'] },
  })
  return {
    headersFor(ref) {
      const authority = authorityOf(urls, placeOf(urls, ref, undefined).host)
      const scope = { kind: 'workspace', authority, path: '/' } as const
      const setCookie = newSessionCookie({ keyRing, cookies, clock: systemClock }, session, id, scope)
      return { host: authority, cookie: setCookie.split(';', 1)[0] ?? '' }
    },
  }
}

/** Who comes, as far as memory tells before anything is decided: what the limits are counted by. */
import type { Connection } from '#http/connection.ts'
import type { Authentication, Authenticator, CookieScope } from '#identity/authentication.ts'
import { paths } from '#surface/urls.ts'
import { authorityOf, type Site } from '#workspace/address.ts'
import { credentialsOf } from './credentials.ts'
import type { Received } from './receive.ts'
import type { Target } from './target.ts'
import type { Comer } from './turnstile.ts'

/** `undefined`: the store would have to be asked. */
export function peekAt(
  { site, authenticator }: { readonly site: Site; readonly authenticator: Pick<Authenticator, 'peek' | 'isOwnBearer'> },
  { head, target }: Received,
): Authentication | undefined {
  const scope = scopeOf(target, site)
  return scope && authenticator.peek(credentialsOf(head, authenticator), scope)
}

function scopeOf(target: Received['target'], site: Site): CookieScope | undefined {
  switch (target.kind) {
    case 'workspace':
      return target.place.scope
    case 'workspace-own':
      return target.scope
    case 'own':
      return { kind: 'console', authority: authorityOf(site, site.domain), path: '/' }
    case 'moved':
      return undefined
  }
}

/** Where somebody who is nobody yet makes us work, and an issuer as well. */
const loginPaths: ReadonlySet<string> = new Set([paths.login, paths.callback, paths.cliAuthorize, paths.cliToken])

function isLogin(target: Target): boolean {
  return target.kind === 'own' && loginPaths.has(target.path)
}

export function comerOf(
  client: string,
  known: Authentication | undefined,
  connection: Connection,
  { target }: Received,
): Comer {
  const username = known?.kind === 'session' ? known.session.identity.username : undefined
  return { client, username, isCrowded: connection.isCrowded === true, isLogin: isLogin(target) }
}

/**
 * Sessions whose names nobody vouches for any more: their issuer is not among the issuers now, or its names are other ones now, so that theirs could be
 * somebody else's. A session without its issuer would live to its next renewal, under names that a new issuer may give away.
 */
import type { Log } from '#observe/log.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import { parseSessionName } from './session-id.ts'
import type { SessionSpec } from './session-record.ts'
import type { SessionStore } from './session-store.ts'

type Named = Pick<SessionSpec, 'issuer' | 'username' | 'groups'>
type Namer = Pick<IssuerSettings, 'issuer' | 'usernamePrefix' | 'groupsPrefix'>

/** Another claim under the same prefix is seen at the next renewal. */
export function isVouchedFor({ issuer, username, groups }: Named, issuers: readonly Namer[]): boolean {
  return issuers.some(
    (one) =>
      one.issuer === issuer &&
      username.startsWith(one.usernamePrefix) &&
      groups.every((group) => group.startsWith(one.groupsPrefix)),
  )
}

export interface TrustParts {
  readonly sessions: Pick<SessionStore, 'find' | 'end'>
  readonly log: Log
}

/** Here at once; resolves when they have ended everywhere, or it is logged why not. */
export async function endUntrusted({ sessions, log }: TrustParts, issuers: readonly Namer[]): Promise<void> {
  const names = sessions
    .find(({ spec }) => !isVouchedFor(spec, issuers))
    .flatMap(({ metadata }) => parseSessionName(metadata.name) ?? [])
  const endings = await Promise.allSettled(names.map((name) => sessions.end(name, 'untrusted')))
  for (const ending of endings) {
    if (ending.status === 'fulfilled') continue
    log.warn(
      { component: 'sessions', error: ending.reason },
      'a session that nobody vouches for keeps a record until the next collection',
    )
  }
}

/**
 * How a browser gets from `<domain>`, where it is logged in, to a cookie of a workspace's host: both ends of the hand-over,
 * and what a host does about a workspace that was created again under its name.
 */
import { createHash } from 'node:crypto'
import { parseAuthority } from '#http/authority.ts'
import { cookieValues } from '#http/cookies.ts'
import { isNavigation } from '#http/fetch-metadata.ts'
import { parseRequestTarget } from '#http/request-target.ts'
import type { SessionAuthenticator } from '#identity/authenticate.ts'
import type { CookieScope } from '#identity/authentication.ts'
import { type CookiePolicy, ownCookiePlace, setCookie } from '#identity/cookie-names.ts'
import { parseNonceHash } from '#identity/handover-cookies.ts'
import type { SessionId } from '#identity/session-id.ts'
import type { Handovers, TicketOutcome } from '#identity/ticket.ts'
import type { Problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { consoleOrigin, type Site } from '#workspace/address.ts'
import { loginLoop } from './denial.ts'
import { type Reply, redirect } from './reply.ts'
import { type Place, parseTarget } from './target.ts'
import type { Visit } from './visit.ts'

type CookieOwner = Pick<SessionAuthenticator, 'isOwnCookie'>

export interface HandoverParts {
  readonly site: Site
  readonly handovers: Handovers
  readonly cookies: CookiePolicy
}

/** On the workspace's host: off to `<domain>`, with a nonce that only this browser has. */
export function leaveForLogin(parts: HandoverParts, place: Place, cookieHeader: string | undefined): Reply | Problem {
  const start = parts.handovers.startHandover(place.scope, cookieHeader)
  if (start.kind === 'loop') return loginLoop
  const to = `${parts.site.scheme}://${place.scope.authority}${place.scope.path}${place.rest}${place.query}`
  const query = new URLSearchParams({ nonce: start.nonceHash, to })
  return redirect(302, `${consoleOrigin(parts.site)}${paths.handover}?${query}`, ['Set-Cookie', start.setCookie])
}

/** On `<domain>`: a ticket for the host that asked. `undefined`: the parameters are not of our making. */
export function ticketLocation(
  parts: HandoverParts,
  id: SessionId,
  params: { readonly to: string; readonly nonce: string },
): string | undefined {
  const place = placeOfUrl(parts.site, params.to)
  const nonceHash = parseNonceHash(params.nonce)
  if (!place || nonceHash === undefined) return undefined
  const to = place.scope.path + place.rest + place.query
  const ticket = parts.handovers.issueTicket({ id, scope: place.scope, nonceHash, to })
  const query = new URLSearchParams({ ticket, at: place.scope.path })
  return `${parts.site.scheme}://${place.scope.authority}${paths.accept}?${query}`
}

/** A URL of a workspace here, spelled as we spell it; everything else is `undefined`. */
export function placeOfUrl(site: Site, url: string): Place | undefined {
  const start = `${site.scheme}://`
  if (!url.startsWith(start)) return undefined
  const slash = url.indexOf('/', start.length)
  const authority = parseAuthority(slash < 0 ? url.slice(start.length) : url.slice(start.length, slash))
  const target = parseRequestTarget(slash < 0 ? '/' : url.slice(slash))
  if (!authority || target.kind !== 'origin') return undefined
  const aim = parseTarget(site, authority, target)
  return aim.kind === 'workspace' ? aim.place : undefined
}

/** Back on the workspace's host: the ticket becomes its cookie, if it is this browser's, and the deep link goes on without it. */
export async function acceptTicket(
  parts: HandoverParts,
  at: { readonly authority: string; readonly query: string; readonly cookieHeader: string | undefined },
): Promise<TicketOutcome> {
  const params = new URLSearchParams(at.query)
  const scope: CookieScope = { kind: 'workspace', authority: at.authority, path: params.get('at') ?? '/' }
  return parts.handovers.acceptTicket(params.get('ticket') ?? '', { scope, cookieHeader: at.cookieHeader })
}

/**
 * Where an earlier workspace of this name may have left something in a browser, that is taken away before the present one is shown there: the
 * answer to a navigation that does so. `undefined`: there is nothing to do.
 */
export function clearedFirst(
  parts: HandoverParts & { readonly tenants: TenantCookies; readonly authenticator: CookieOwner },
  { head, place, request, isBearer }: Visit,
  workspaceUid: string,
): Reply | Problem | undefined {
  const { tenants, authenticator } = parts
  if (head.secFetchMode !== 'navigate' || head.cookie === undefined || place.scope.path !== '/') return undefined
  switch (tenants.seenAs(head.cookie, workspaceUid)) {
    case 'this':
      return undefined
    case 'another': {
      const clearing = tenants.clearing(head.cookie, (name) => authenticator.isOwnCookie(name), workspaceUid)
      return redirect(307, place.scope.path + place.rest + place.query, clearing)
    }
    case 'unknown':
      // The hand-over clears as well, and finds out whether this browser keeps what it is given.
      if (isBearer || !isNavigation(request.method ?? '', head)) return undefined
      return leaveForLogin(parts, place, head.cookie)
  }
}

/** Remembers in the browser which workspace this host was, because a name can come to mean another one. */
export class TenantCookies {
  readonly #policy: CookiePolicy
  readonly #name: string

  constructor(policy: CookiePolicy) {
    this.#policy = policy
    this.#name = ownCookiePlace(policy, 'tenant').name
  }

  /**
   * Which workspace this host was when this browser was here last. `unknown`: it was never here, or its cookie is gone, as any page of the
   * domain can bring about by setting more cookies than a browser keeps (RFC 6265 section 5.3).
   */
  seenAs(cookieHeader: string | undefined, workspaceUid: string): 'this' | 'another' | 'unknown' {
    if (cookieHeader === undefined || !cookieHeader.includes(this.#name)) return 'unknown'
    const seen = cookieValues(cookieHeader, this.#name)
    if (seen.length === 0) return 'unknown'
    return seen.includes(tenantOf(workspaceUid)) ? 'this' : 'another'
  }

  remember(workspaceUid: string): string {
    return setCookie(this.#policy, ownCookiePlace(this.#policy, 'tenant'), tenantOf(workspaceUid), 365 * 24 * 3600)
  }

  /**
   * Takes away what the former workspace left: storage and cache by Clear-Site-Data, cookies one by one, because its directive "cookies"
   * clears those of the whole registrable domain, logins included (W3C Clear Site Data, section 4.2.2).
   */
  clearing(cookieHeader: string, isOwn: (name: string) => boolean, workspaceUid: string): readonly string[] {
    const names = cookieHeader.split(';').map((pair) => (pair.split('=', 1)[0] ?? '').trim())
    const expired = [...new Set(names)].filter((name) => name !== '' && !isOwn(name)).slice(0, 50)
    return [
      'Clear-Site-Data',
      '"cache", "storage"',
      'Set-Cookie',
      this.remember(workspaceUid),
      ...expired.flatMap((name) => ['Set-Cookie', `${name}=; Path=/; Max-Age=0`]),
    ]
  }
}

function tenantOf(workspaceUid: string): string {
  return createHash('sha256').update(workspaceUid).digest('base64url').slice(0, 16)
}

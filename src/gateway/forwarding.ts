/**
 * What an upstream is told about a request beyond the request itself, and under which path it sees it.
 * Whatever does not change between two requests of a pass is made once.
 */

import type { ResponsePolicy } from '#http/response-fields.ts'
import type { Session } from '#identity/session.ts'
import { authorityOf, placeOf, type Site } from '#workspace/address.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import type { WorkspacePort } from '#workspace/workspace.ts'
import type { Place } from './target.ts'

/** Flat: name, value, name, value. */
export type HeaderList = readonly string[]

/** The same for every request of one session to one port: who speaks, and how the outside reaches it. */
export function fixedHeadersOf(site: Site, session: Session, entry: WorkspaceEntry, port: WorkspacePort): HeaderList {
  const place = placeOf(site, entry.ref, port === entry.ports[0] ? undefined : port.port)
  const prefix = place.prefix.slice(0, -1)
  const headers = [
    'X-Forwarded-Proto',
    site.scheme,
    'X-Forwarded-Host',
    authorityOf(site, place.host),
    'X-Forwarded-Port',
    String(site.port ?? (site.scheme === 'https' ? 443 : 80)),
    'X-Forwarded-User',
    fieldText(session.identity.username),
  ]
  // jupyter-server-proxy and its apps know the prefix by the second name.
  return prefix === '' ? headers : [...headers, 'X-Forwarded-Prefix', prefix, 'X-Forwarded-Context', prefix]
}

/** The bytes of the text as UTF-8, each as one character, which is how Node writes header values. */
function fieldText(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** The request target that the app sees: all of it where it serves below its prefix, else the rest below `/` or its fixed subpath. */
export function upstreamTarget(port: WorkspacePort, place: Place): string {
  const base = port.path === 'preserve' ? place.scope.path : (port.subpath ?? '/')
  return base + place.rest + place.query
}

/** Within what an app's answers stay: its own host and prefix. */
export function policyOf(
  site: Site,
  entry: WorkspaceEntry,
  port: WorkspacePort,
  isOwnCookie: (name: string) => boolean,
): ResponsePolicy {
  const place = placeOf(site, entry.ref, port === entry.ports[0] ? undefined : port.port)
  return {
    publicAuthority: authorityOf(site, place.host),
    hostname: place.host,
    publicPrefix: place.prefix,
    upstreamPrefix: port.path === 'preserve' ? place.prefix : (port.subpath ?? '/'),
    isOwnCookie,
  }
}

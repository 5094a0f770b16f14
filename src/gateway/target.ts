/**
 * What a request is aimed at: Gatehouse's own surface, or a workspace's port with the rest of the path, byte for byte.
 * Looks at the raw target and the Host field only, and only at the routing prefix of the target.
 */

import type { Authority } from '#http/authority.ts'
import { climbsAbove, type RequestTarget } from '#http/request-target.ts'
import type { CookieScope } from '#identity/authentication.ts'
import type { Milliseconds } from '#lib/clock.ts'
import type { Secret } from '#settings/secret.ts'
import { ownPrefix, paths } from '#surface/urls.ts'
import type { Dialect } from '#tunnel/protocol.ts'
import { authorityOf, parseHostLabel, parsePathSegments, type Site, type WorkspaceAddress } from '#workspace/address.ts'

/** What of a tunnel is said beside its place. */
export interface TunnelAim {
  readonly dialect: Dialect
  readonly connectionType: string
  /** The run of the workspace that another tunnel of the client leads to; it wants no other one. */
  readonly instance: string | undefined
  /** One that is to outlive its connection, where there is an agent that holds it. */
  readonly stream?: AimedStream | undefined
}

export interface AimedStream {
  readonly aim: 'open' | 'resume'
  /** Only its client knows it. */
  readonly id: Secret
  /** For how long he has had it, by his own word; 0 where he says nothing. */
  readonly age: Milliseconds
}

/** A port of a workspace as named by a URL; whether it exists is not known here. */
export interface Place {
  readonly address: WorkspaceAddress
  /** What a cookie for it is bound to. `scope.path` is the public prefix: `/` in host mode. */
  readonly scope: CookieScope
  /** The raw path below the prefix, without its leading slash. */
  readonly rest: string
  /** Raw, with its `?`; or `''`. */
  readonly query: string
  /** Set by `tunnel-aim.ts` alone: it is a tunnel that is asked for, and the address names its port. */
  readonly tunnel?: TunnelAim
}

export type Target =
  | { readonly kind: 'own'; readonly path: string; readonly query: string }
  | { readonly kind: 'workspace'; readonly place: Place }
  /** Gatehouse's own few paths on a workspace host. In path mode the host is shared, and names no workspace. */
  | {
      readonly kind: 'workspace-own'
      readonly scope: CookieScope
      readonly address: WorkspaceAddress | undefined
      readonly path: string
      readonly query: string
    }
  | { readonly kind: 'moved'; readonly location: string }
  | { readonly kind: 'refused'; readonly status: 400 | 404 | 421; readonly code: string }

const notCanonical: Target = { kind: 'refused', status: 400, code: 'target_not_canonical' }
const notFound: Target = { kind: 'refused', status: 404, code: 'not_found' }
const foreignHost: Target = { kind: 'refused', status: 421, code: 'foreign_host' }

/** Where a workspace's host leads. */
export interface HostPlace {
  readonly scope: CookieScope
  readonly address: WorkspaceAddress
}

/** `host` is below the domain. `undefined`: it names no workspace. */
export function placeOfHost(site: Site, host: string): HostPlace | undefined {
  const address = parseHostLabel(host.slice(0, -site.domain.length - 1))
  return address && { scope: { kind: 'workspace', authority: authorityOf(site, host), path: '/' }, address }
}

/** `placeOf` is {@link placeOfHost}, or what remembers its answers. */
export function parseTarget(
  site: Site,
  authority: Authority,
  target: RequestTarget,
  placeOf: (host: string) => HostPlace | undefined = (host) => placeOfHost(site, host),
): Target {
  if (authority.port !== undefined && authority.port !== (site.port ?? defaultPort(site))) return foreignHost
  if (site.mode === 'path' && isForWorkspaces(site, authority.host, target.path)) return pathTarget(site, target)
  if (authority.host === site.domain) return { kind: 'own', path: target.path, query: target.query }
  if (site.mode === 'path') return foreignHost
  if (!authority.host.endsWith(`.${site.domain}`)) return foreignHost
  return hostTarget(placeOf(authority.host), target)
}

function defaultPort(site: Site): number {
  return site.scheme === 'https' ? 443 : 80
}

function hostTarget(place: HostPlace | undefined, target: RequestTarget): Target {
  if (!place) return notFound
  const { scope, address } = place
  if (target.path.startsWith(ownPrefix))
    return { kind: 'workspace-own', scope, address, path: target.path, query: target.query }
  if (climbsAbove(target.path, 1)) return notCanonical
  return { kind: 'workspace', place: { address, scope, rest: target.path.slice(1), query: target.query } }
}

const workspacesPrefix = '/workspaces/'

/** Workspaces have a host of their own, unless somebody chose to share the console's (`insecureSharedOrigin`). */
function isForWorkspaces(site: Site, host: string, path: string): boolean {
  if (host !== site.workspacesHost) return false
  return host !== site.domain || path.startsWith(workspacesPrefix) || path === paths.accept
}

function pathTarget(site: Site, target: RequestTarget): Target {
  const authority = authorityOf(site, site.workspacesHost)
  if (target.path.startsWith(ownPrefix)) {
    const scope: CookieScope = { kind: 'workspace', authority, path: '/' }
    return { kind: 'workspace-own', scope, address: undefined, path: target.path, query: target.query }
  }
  const { path } = target
  const [, , namespace = '', name = '', ...others] = path.split('/', 5)
  // What needs decoding, or a second look, has no place in a name that decides where a request goes.
  if (/[^A-Za-z0-9.:-]/.test(namespace + name) || isDots(namespace) || isDots(name)) return notCanonical
  if (!path.startsWith(workspacesPrefix)) return isPlain(path) ? notFound : notCanonical
  const address = parsePathSegments(namespace, name)
  if (!address) return notFound
  const prefix = `${workspacesPrefix}${namespace}/${name}/`
  if (others.length === 0) return { kind: 'moved', location: prefix + target.query }
  if (climbsAbove(path, prefix.length)) return notCanonical
  const scope: CookieScope = { kind: 'workspace', authority, path: prefix }
  const rest = path.slice(prefix.length)
  // As on a host of its own, nothing of the app is there; the host's other paths are not here.
  if (`/${rest}`.startsWith(ownPrefix)) {
    const own = `/${rest}` === paths.status ? paths.status : path
    return { kind: 'workspace-own', scope, address, path: own, query: target.query }
  }
  return { kind: 'workspace', place: { address, scope, rest, query: target.query } }
}

function isDots(segment: string): boolean {
  return segment === '.' || segment === '..'
}

/** The first segment may be anything that is surely not another spelling of a path that means something. */
function isPlain(path: string): boolean {
  const first = path.slice(1).split('/', 1)[0] ?? ''
  return !/[%\\]/.test(first) && !isDots(first)
}

/**
 * References in response headers that lead back into the app (`Location`, `Content-Location`, `Refresh`), turned from the app's view of its
 * paths into the public one. What leads elsewhere stays as it is: the visitor's browser follows it, the gateway never does.
 */
import { type PathMapping, toPublicPath } from './path-mapping.ts'

export interface Relocation extends PathMapping {
  /** Lower-case `host` or `host:port` of the public origin: an absolute reference to it is one to the app. */
  readonly publicAuthority: string
}

/**
 * Absolute references to the app become paths, whatever scheme they name: an app that doesn't know of the TLS in front of it
 * writes `http:`. Relative ones need no change.
 */
export function relocate(reference: string, relocation: Relocation): string {
  const path = pathOnOwnHost(reference, relocation.publicAuthority)
  return (path === undefined ? undefined : toPublicPath(path, relocation)) ?? reference
}

/** `Refresh: 5; url=/next`, as browsers read it: a number, and behind `;` or `,` perhaps `url=` and perhaps quotes. */
export function relocateRefresh(value: string, relocation: Relocation): string {
  const match = refresh.exec(value)
  if (!match) return value
  const [, before = '', quote = '', rest = ''] = match
  const end = quote === '' ? -1 : rest.indexOf(quote)
  const reference = end === -1 ? rest : rest.slice(0, end)
  return before + quote + relocate(reference, relocation) + (end === -1 ? '' : rest.slice(end))
}

const refresh = /^([\t ]*[0-9.]*[\t ]*[;,][\t ]*(?:url[\t ]*=[\t ]*)?)(["']?)(.*)$/i
const absolute = /^(?:https?:)?\/\/([^/?#\\]*)(.*)$/i

/** `undefined`: a relative reference, or one to another host. */
function pathOnOwnHost(reference: string, publicAuthority: string): string | undefined {
  const match = absolute.exec(reference)
  if (!match) return reference.startsWith('/') ? reference : undefined
  const [, authority = '', rest = ''] = match
  if (authority.toLowerCase() !== publicAuthority) return undefined
  return rest.startsWith('/') ? rest : `/${rest}`
}

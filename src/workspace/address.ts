/**
 * How a workspace is named in a URL, in both directions. Host mode: `<name>-<base32 of namespace>[--<port>]` below the domain.
 * Path mode: `/workspaces/<namespace>/<name>[:<port>]/` on one host. Re-encoding a parsed name must give the input back,
 * so no second spelling ever means the same or another workspace.
 */
import { createHash } from 'node:crypto'
import { decodeBase32, encodeBase32 } from '#lib/base32.ts'
import { parseWorkspaceRef, type WorkspaceRef } from '#surface/workspace-ref.ts'

/** Whom a URL names. A hashed name says nothing by itself: only the directory can tell whose it is. */
export type WorkspaceName =
  | { readonly by: 'ref'; readonly ref: WorkspaceRef }
  | { readonly by: 'label'; readonly label: string }

export interface WorkspaceAddress {
  readonly name: WorkspaceName
  /** `undefined`: the main port. */
  readonly port: number | undefined
}

const longestLabel = 63
const longestPortSuffix = '--65535'.length
const portPattern = /^[1-9][0-9]{0,4}$/

/** The label of a workspace's host below the domain, without a port: readable, or hashed where DNS would not bear it. */
export function hostLabel(ref: WorkspaceRef): string {
  const plain = `${ref.name}-${encodeBase32(Buffer.from(ref.namespace))}`
  const isPlain =
    !ref.name.includes('.') && !ref.name.startsWith('xn--') && plain.length + longestPortSuffix <= longestLabel
  return isPlain ? plain : hashedLabel(ref)
}

/** `0` is not in the base32 alphabet, so a hashed label can't be mistaken for a namespace. */
function hashedLabel(ref: WorkspaceRef): string {
  const digest = createHash('sha256').update(ref.namespace).update('\0').update(ref.name).digest()
  const readable = ref.name
    .replace(/^(?:xn--)+/, '')
    .replaceAll('.', '-')
    .slice(0, 20)
    .replace(/-+$/, '')
  return `${readable === '' ? 'w' : readable}-0${encodeBase32(digest).slice(0, 26)}`
}

/** The port text of a URL; `undefined` for anything but a canonical number of 1–65535. */
export function parsePort(text: string): number | undefined {
  const port = portPattern.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}

/** The host label (lower case) of a workspace, with its optional `--<port>`. */
export function parseHostLabel(text: string): WorkspaceAddress | undefined {
  const suffix = /--([0-9]+)$/.exec(text)
  const port = suffix?.[1] === undefined ? undefined : parsePort(suffix[1])
  if (suffix && port === undefined) return undefined
  const label = suffix ? text.slice(0, suffix.index) : text
  const name = parseName(label)
  return name && { name, port }
}

function parseName(label: string): WorkspaceName | undefined {
  const dash = label.lastIndexOf('-')
  if (dash <= 0) return undefined
  const tail = label.slice(dash + 1)
  if (/^0[a-z2-7]{26}$/.test(tail)) return { by: 'label', label }
  const bytes = decodeBase32(tail)
  const ref = bytes && parseWorkspaceRef(Buffer.from(bytes).toString(), label.slice(0, dash))
  return ref && hostLabel(ref) === label ? { by: 'ref', ref } : undefined
}

/** The two segments after `/workspaces/`, as they stand in the URL. */
export function parsePathSegments(namespace: string, nameAndPort: string): WorkspaceAddress | undefined {
  const colon = nameAndPort.indexOf(':')
  const name = colon < 0 ? nameAndPort : nameAndPort.slice(0, colon)
  const port = colon < 0 ? undefined : parsePort(nameAndPort.slice(colon + 1))
  if (colon >= 0 && port === undefined) return undefined
  const ref = parseWorkspaceRef(namespace, name)
  return ref && { name: { by: 'ref', ref }, port }
}

/** Where Gatehouse is on the network, as browsers see it. */
export interface Site {
  readonly scheme: 'http' | 'https'
  readonly domain: string
  /** As browsers name it: `undefined` is the scheme's default. */
  readonly port: number | undefined
  readonly mode: 'host' | 'path'
  /** The host of all workspaces in path mode. */
  readonly workspacesHost: string
}

export interface SiteSettings {
  readonly scheme: 'http' | 'https'
  readonly domain: string
  /** As browsers see it, the scheme's default included. */
  readonly port: number
  readonly mode: 'host' | 'path'
  /** In path mode: `workspaces.<domain>` when absent. */
  readonly workspacesHost?: string
}

export function makeSite(settings: SiteSettings): Site {
  const isDefaultPort = settings.port === (settings.scheme === 'https' ? 443 : 80)
  return {
    scheme: settings.scheme,
    domain: settings.domain,
    port: isDefaultPort ? undefined : settings.port,
    mode: settings.mode,
    workspacesHost: settings.workspacesHost ?? `workspaces.${settings.domain}`,
  }
}

export function authorityOf(site: Site, host: string): string {
  return site.port === undefined ? host : `${host}:${site.port}`
}

export function originOf(site: Site, host: string): string {
  return `${site.scheme}://${authorityOf(site, host)}`
}

export function consoleOrigin(site: Site): string {
  return originOf(site, site.domain)
}

/** Where one port of a workspace is: its host, and the prefix of its paths (`/` in host mode). `port` undefined: the main one. */
export interface WorkspacePlace {
  readonly host: string
  readonly prefix: string
}

export function placeOf(site: Site, ref: WorkspaceRef, port: number | undefined): WorkspacePlace {
  if (site.mode === 'path') {
    const suffix = port === undefined ? '' : `:${port}`
    return { host: site.workspacesHost, prefix: `/workspaces/${ref.namespace}/${ref.name}${suffix}/` }
  }
  const suffix = port === undefined ? '' : `--${port}`
  return { host: `${hostLabel(ref)}${suffix}.${site.domain}`, prefix: '/' }
}

/** The URL of a port's front page. */
export function urlOf(site: Site, ref: WorkspaceRef, port: number | undefined): string {
  const place = placeOf(site, ref, port)
  return `${originOf(site, place.host)}${place.prefix}`
}

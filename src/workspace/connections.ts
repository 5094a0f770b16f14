/**
 * Kinds of connection: which of them there may be, which port each leads to, and what bounds it. A share may be for some of them alone. What a client
 * calls its tunnel is its own word, so that no kind leads further than another one of its family: SSH to the one port of SSH, forwarding to
 * declared ports that are not that one.
 */
import type { Milliseconds } from '#lib/clock.ts'
import { parseQuantity } from '#lib/quantity.ts'
import type { ConnectionSettings } from '#settings/settings.ts'
import type { Workspace, WorkspacePort } from './workspace.ts'

/** Browsers and plain clients alike use workspaces by this one; no tunnel is of it. */
export const webUi = 'web-ui'
/** SSH by nobody in particular. */
export const sshRemote = 'ssh-remote'
/** SSH by a client that knows no tunnel of ours; the name is upstream's. */
export const sshOverWebSocket = 'ssh-over-websocket'
/** A port as it is. */
export const portForward = 'port-forward'

/** Those of desktop IDEs are SSH, each by its own name: `vscode-remote`. */
const ofIde = /^[a-z0-9](?:[a-z0-9-]{0,54}[a-z0-9])?-remote$/

/** For people who name one. */
export const kindsOfConnection = `it is ${webUi}, ${sshRemote}, that of an IDE such as vscode-remote, ${sshOverWebSocket} or ${portForward}`

/** A kind that tunnels may be of, or nothing. */
export function readConnectionType(text: string): string | undefined {
  return text === sshOverWebSocket || text === portForward || ofIde.test(text) ? text : undefined
}

export interface Bounds {
  /** Of the settings that it is bounded by; `*` where there are none. Kinds with the same one share their places. */
  readonly pattern: string
  /** Of SSH. */
  readonly port: number
  readonly maxPerWorkspace: number
  readonly maxPerUser: number
  readonly idle: Milliseconds
  readonly max: Milliseconds
  /** Bytes; 0: any. */
  readonly minMemory: number
}

const usual: Bounds = {
  ...{ pattern: '*', port: 2222, maxPerWorkspace: 10, maxPerUser: 10 },
  ...{ idle: 60 * 60_000, max: 12 * 3_600_000, minMemory: 0 },
}
/** An IDE's own server runs beside the work. */
const usualOfIde: Bounds = { ...usual, minMemory: 8 * 2 ** 30 }
/** One page alone opens many connections. */
const usualOfForwarding: Bounds = { ...usual, maxPerWorkspace: 64, maxPerUser: 64 }

/** `undefined`: settings name kinds, and this is none of them. Of several that fit the one that says most. */
export function boundsOf(settings: readonly ConnectionSettings[], connectionType: string): Bounds | undefined {
  const base = usualOf(connectionType)
  if (settings.length === 0) return base
  const [closest] = settings
    .filter(({ pattern }) => matches(pattern, connectionType))
    .toSorted((a, b) => literal(b.pattern) - literal(a.pattern))
  return closest && { ...base, ...defined(closest), pattern: closest.pattern }
}

function usualOf(connectionType: string): Bounds {
  if (connectionType === portForward) return usualOfForwarding
  return ofIde.test(connectionType) && connectionType !== sshRemote ? usualOfIde : usual
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*')
  const [first = '', ...others] = parts
  const last = others.pop()
  if (last === undefined) return name === pattern
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false
  let at = first.length
  for (const part of others) {
    const found = name.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return at <= name.length - last.length
}

/** A name itself says more than any pattern. */
function literal(pattern: string): number {
  return pattern.includes('*') ? pattern.replaceAll('*', '').length : Number.POSITIVE_INFINITY
}

function defined({ pattern: _, ...bounds }: ConnectionSettings): Partial<Bounds> {
  const entries: Partial<{ -readonly [Key in keyof Bounds]: Bounds[Key] }> = {}
  const names = ['port', 'maxPerWorkspace', 'maxPerUser', 'idle', 'max', 'minMemory'] as const
  for (const name of names) {
    const value = bounds[name]
    if (value !== undefined) entries[name] = value
  }
  return entries
}

/** Where SSH is, by whichever of its kinds: a kind that has a port of its own leaves it closed to what is forwarded, as all others do. */
export function sshPortsOf(settings: readonly ConnectionSettings[]): ReadonlySet<number> {
  const ofSsh = settings.filter(({ pattern }) => pattern !== portForward && pattern !== webUi)
  return new Set(ofSsh.length === 0 ? [usual.port] : ofSsh.map(({ port }) => port ?? usual.port))
}

export interface TunnelWish {
  readonly connectionType: string
  /** Looked at by forwarding alone, or has to be the port of SSH. */
  readonly wanted: number | undefined
}

/**
 * Where a tunnel of this kind leads: to the port of SSH, whether the workspace declares it or not, or to the declared port that was asked for, which
 * is none of SSH's. `undefined`: there is no such port.
 */
export function tunnelPort(
  ports: readonly WorkspacePort[],
  { connectionType, wanted }: TunnelWish,
  bounds: Bounds,
  sshPorts: ReadonlySet<number>,
): WorkspacePort | undefined {
  const declared = (number: number) => ports.find(({ port }) => port === number)
  if (connectionType !== portForward) {
    if (wanted !== undefined && wanted !== bounds.port) return undefined
    return declared(bounds.port) ?? { name: 'ssh', port: bounds.port, expose: false, path: 'preserve' }
  }
  return wanted === undefined || sshPorts.has(wanted) ? undefined : declared(wanted)
}

/** Bytes that its container is given, as far as it says; a limit before a request. */
export function memoryOf(workspace: Workspace): number | undefined {
  return memoryIn(workspace.spec.resources)
}

/** Of a field that others write and that thousands of workspaces have: what {@link memoryOf} reads, and nothing besides. */
export function leanResources(resources: unknown): unknown {
  const memory = memoryIn(resources)
  return memory === undefined ? undefined : { limits: { memory } }
}

function memoryIn(resources: unknown): number | undefined {
  return parseQuantity(field(field(resources, 'limits'), 'memory') ?? field(field(resources, 'requests'), 'memory'))
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
}

/**
 * What a request for a tunnel is aimed at: `/.gatehouse/tunnel?workspace=team/nb&…` on `<domain>`, or upstream's `…/ssh-ws` below a workspace's own
 * URL. It is a program's, and says so: a bearer, which no page can send along, and no Origin, which every page sends.
 */

import { valuesOf } from '#http/accept-key.ts'
import type { RequestHead } from '#http/request-head.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { resumeProtocol } from '#resume/frames.ts'
import { Secret } from '#settings/secret.ts'
import type { Problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { parseWorkspaceRef, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { streamAgeHeader, streamAgePattern, streamHeader, streamPattern, tunnelProtocol } from '#tunnel/protocol.ts'
import { authorityOf, type Site } from '#workspace/address.ts'
import { portForward, readConnectionType, sshOverWebSocket, sshRemote } from '#workspace/connections.ts'
import type { Received } from './receive.ts'
import type { AimedStream, Place, Target } from './target.ts'

export type AimedTunnel =
  | { readonly kind: 'aimed'; readonly place: Place; readonly head: RequestHead }
  | { readonly kind: 'refused'; readonly problem: Problem; readonly headers: readonly string[] }

/** `undefined`: it is about no tunnel. */
export function aimTunnel(
  site: Site,
  { target, head }: Pick<Received, 'target' | 'head'>,
  rawHeaders: readonly string[],
  isUpgrade: boolean,
): AimedTunnel | undefined {
  const asked = askedPlace(site, target, rawHeaders, isUpgrade)
  if (asked === undefined) return undefined
  if (!isUpgrade) return refused(426, 'tunnel_upgrade', 'This is opened as a WebSocket.', upgradeFields)
  if (head.origin !== undefined) return refused(403, 'cross_origin', 'Tunnels are opened by no page.')
  const place = asked()
  if (typeof place === 'string') return refused(400, 'bad_request', 'The request could not be understood.', [], place)
  // A browser sends its cookies by itself: they speak for nobody here.
  return { kind: 'aimed', place, head: { ...head, cookie: undefined } }
}

/** How to find out its place, or what is wrong with it. */
function askedPlace(site: Site, target: Target, rawHeaders: readonly string[], isUpgrade: boolean) {
  if (target.kind === 'own' && target.path === paths.tunnel)
    return () => placeIn(rawHeaders, target.query, authorityOf(site, site.domain))
  if (target.kind === 'workspace' && isUpgrade && isSshPath(target.place)) return () => upstreamsPlace(target.place)
  return undefined
}

const upgradeFields = ['Upgrade', 'websocket', 'Sec-WebSocket-Version', '13']

/** Below the main port alone, with nothing behind it. */
function isSshPath({ address, rest }: Place): boolean {
  return rest === 'ssh-ws' && address.port === undefined
}

function upstreamsPlace(place: Place): Place | string {
  // A token in a URL is in logs of everybody it comes by.
  if (place.query !== '') return 'the token belongs into the Authorization field, and nothing into the query'
  return { ...place, tunnel: { dialect: 'plain', connectionType: sshOverWebSocket, instance: undefined } }
}

const known: ReadonlySet<string> = new Set(['workspace', 'port', 'type', 'instance'])
const portPattern = /^[1-9][0-9]{0,4}$/
const instancePattern = /^[\w.-]{1,128}$/

/** A sentence for what it is not. */
function placeIn(rawHeaders: readonly string[], query: string, authority: string): Place | string {
  const stream = streamIn(rawHeaders)
  if (typeof stream === 'string') return stream
  const asked = new URLSearchParams(query)
  const fault = faultIn(asked)
  if (fault !== undefined) return fault
  const ref = refIn(asked)
  if (!ref) return 'workspace: a namespace and a name, with a slash between them'
  const port = asked.get('port') ?? undefined
  const connectionType = readConnectionType(asked.get('type') ?? sshRemote)
  if (connectionType === undefined) return 'type: no kind of connection that tunnels are of'
  if (connectionType === portForward && port === undefined) return 'port: which port is to be forwarded'
  const instance = asked.get('instance') ?? undefined
  return {
    address: { name: { by: 'ref', ref }, port: port === undefined ? undefined : Number(port) },
    scope: { kind: 'console', authority, path: '/' },
    ...{ rest: '', query: '' },
    tunnel: { dialect: 'tunnel', connectionType, instance, stream },
  }
}

/** `undefined`: it lives no longer than its connection. Who would take one up needs no other subprotocol than that. */
function streamIn(rawHeaders: readonly string[]): AimedStream | undefined | string {
  const offered = valuesOf(rawHeaders, 'sec-websocket-protocol').flatMap((value) => value.split(','))
  const isOffered = (protocol: string) => offered.some((name) => name.trim() === protocol)
  const [named, ...more] = valuesOf(rawHeaders, streamHeader.toLowerCase())
  const [, aim, id] = streamPattern.exec(named ?? '') ?? []
  const age = ageIn(rawHeaders)
  if (age === undefined) return `${streamAgeHeader}: milliseconds`
  const isStream = id !== undefined && isOffered(resumeProtocol)
  const stream = isStream ? { aim: aimOf(aim), id: new Secret(id), age } : undefined
  if (more.length > 0 || (named !== undefined && !stream)) return `${streamHeader}: a stream, with ${resumeProtocol}`
  return stream?.aim === 'resume' || isOffered(tunnelProtocol) ? stream : `offer the subprotocol ${tunnelProtocol}`
}

/** `undefined`: it is none. */
function ageIn(rawHeaders: readonly string[]): Milliseconds | undefined {
  const [age = '0', ...more] = valuesOf(rawHeaders, streamAgeHeader.toLowerCase())
  return more.length === 0 && streamAgePattern.test(age) ? Number(age) : undefined
}

function aimOf(word: string | undefined): AimedStream['aim'] {
  return word === 'resume' ? word : 'open'
}

/** Each by itself, and whether there is more than that. */
function faultIn(asked: URLSearchParams): string | undefined {
  for (const name of asked.keys()) {
    if (!known.has(name)) return 'the query has a name in it that means nothing'
    if (asked.getAll(name).length > 1) return 'the query says something twice'
  }
  const { port, instance } = { port: asked.get('port'), instance: asked.get('instance') }
  if (port !== null && !(portPattern.test(port) && Number(port) <= 65_535)) return 'port: the number of a port'
  return instance === null || instancePattern.test(instance) ? undefined : 'instance: as it was told before'
}

function refIn(asked: URLSearchParams): WorkspaceRef | undefined {
  const [namespace = '', name = '', ...more] = (asked.get('workspace') ?? '').split('/')
  return more.length === 0 ? parseWorkspaceRef(namespace, name) : undefined
}

function refused(
  status: number,
  code: string,
  title: string,
  headers: readonly string[] = [],
  detail?: string,
): AimedTunnel {
  return { kind: 'refused', problem: { code, status, title, ...(detail === undefined ? {} : { detail }) }, headers }
}

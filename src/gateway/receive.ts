/** Reads one request as far as routing goes: its head, its host and its target. Whatever is doubtful is refused here, before anybody is asked. */
import { type Authority, parseAuthority } from '#http/authority.ts'
import type { Connection } from '#http/connection.ts'
import { isNavigation } from '#http/fetch-metadata.ts'
import { clientAddress, type TrustedNetworks } from '#http/forwarded.ts'
import type { ClientRequest } from '#http/messages.ts'
import { type RequestHead, readRequestHead } from '#http/request-head.ts'
import { parseRequestTarget } from '#http/request-target.ts'
import { Remembered } from '#lib/remembered.ts'
import type { Site } from '#workspace/address.ts'
import { type HostPlace, parseTarget, placeOfHost, type Target } from './target.ts'

export interface Received {
  readonly kind: 'received'
  readonly head: RequestHead
  readonly target: Exclude<Target, { kind: 'refused' }>
}

export interface Unreadable {
  readonly kind: 'unreadable'
  readonly status: 400 | 404 | 405 | 414 | 421 | 431 | 505
  readonly code: string
  /** A person will see the answer as a page; `false` where the head itself can't be read. */
  readonly navigation: boolean
}

export interface ReceiveLimits {
  readonly headerFields: number
  /** Characters. */
  readonly targetLength: number
}

/** RFC 2326: Node's parser lets request lines of RTSP through, and does not tell that they are. */
const methodsOfRtsp =
  'DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH'.split(' ')

/** RFC 9110 section 9.3.8: TRACE shows a script what the browser hides from it. CONNECT never comes here. */
const refusedMethods: ReadonlySet<string> = new Set(['TRACE', 'TRACK', 'CONNECT', ...methodsOfRtsp])

/** Hosts as requests name them: the same few again and again. */
export class KnownHosts {
  readonly #authorities = new Remembered(parseAuthority, hostRoom)
  readonly #places: Remembered<HostPlace | undefined>

  constructor(site: Site) {
    this.#places = new Remembered((host) => placeOfHost(site, host), hostRoom)
  }

  authorityOf(field: string): Authority | undefined {
    return this.#authorities.of(field)
  }

  /** As {@link placeOfHost}. */
  readonly placeOf = (host: string): HostPlace | undefined => this.#places.of(host)
}

/** A name has 253 characters at most, a port six more with its colon. */
const hostRoom = { most: 10_000, longest: 260 }

export interface ReceiveParts {
  readonly site: Site
  readonly limits: ReceiveLimits
  readonly hosts: KnownHosts
}

export function receive(
  { site, limits, hosts }: ReceiveParts,
  request: ClientRequest,
  { memory }: Pick<Connection, 'memory'>,
): Received | Unreadable {
  const { rawHeaders, httpVersion } = request
  const headLimits = { httpVersion, mostFields: limits.headerFields }
  const head = memory?.read(rawHeaders, headLimits) ?? readRequestHead(rawHeaders, headLimits)
  if (head.kind === 'problem') return { kind: 'unreadable', status: head.status, code: head.fault, navigation: false }
  const method = request.method ?? ''
  const unreadable = (status: Unreadable['status'], code: string): Unreadable => {
    return { kind: 'unreadable', status, code, navigation: isNavigation(method, head) }
  }
  if (refusedMethods.has(method)) return unreadable(405, 'method_not_allowed')
  const authority = hosts.authorityOf(head.host)
  if (!authority) return unreadable(400, 'host_malformed')
  const target = parseRequestTarget(request.url ?? '', limits.targetLength)
  if (target.kind === 'problem') return unreadable(target.status, `target_${target.fault}`)
  if (target.kind === 'absolute' && (target.authority !== authority.text || target.scheme !== site.scheme)) {
    return unreadable(400, 'host_mismatch')
  }
  const aim = parseTarget(site, authority, target, hosts.placeOf)
  return aim.kind === 'refused' ? unreadable(aim.status, aim.code) : { kind: 'received', head, target: aim }
}

/** The client's address, through trusted hops only. */
export function addressOf(peer: string, head: RequestHead, trusted: TrustedNetworks): string {
  return clientAddress(peer, head.xForwardedFor, trusted)
}

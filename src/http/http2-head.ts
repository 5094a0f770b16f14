/**
 * The head of a request as it came by HTTP/2 (RFC 9113 section 8.3), read into what the same request is in HTTP/1.1: one Host, one list of cookies,
 * a target, and a length or chunks where a body follows. From here on nothing asks by which of the two it came, so that there is one decision.
 * Whatever HTTP/1.1 could not say in one way alone is refused here; nghttp2 refuses most of it before.
 */
import { parseAuthority } from './authority.ts'
import { connectionFields } from './field-syntax.ts'

export interface Http2Head {
  readonly kind: 'head'
  readonly method: string
  /** Raw. */
  readonly target: string
  /** Flat, as of HTTP/1.1. */
  readonly rawHeaders: string[]
}

/** The stream is malformed (RFC 9113 section 8.1.1). `too_large`: it is not, but has more bytes than a head may have. */
export type Http2Fault =
  | 'pseudo_field'
  | 'field'
  | 'connection_field'
  | 'scheme'
  | 'path'
  | 'method'
  | 'body'
  | 'too_large'

export interface Http2Problem {
  readonly kind: 'problem'
  readonly fault: Http2Fault
}

export interface Http2HeadContext {
  /** Is the connection TLS up to here? Else somebody in front may have ended TLS, and name either scheme. */
  readonly isEncrypted: boolean
  /** No body follows. */
  readonly isWhole: boolean
  /** Bytes of all fields but the target. */
  readonly mostBytes: number
  readonly isMethod: (name: string) => boolean
}

type Pseudo = ':method' | ':scheme' | ':authority' | ':path'

interface Draft {
  readonly pseudo: Partial<Record<Pseudo, string>>
  readonly fields: string[]
  cookies: string | undefined
  readonly hosts: string[]
  length: string | undefined
  bytes: number
}

/** `rawHeaders`: flat, in their order. Never throws. */
export function readHttp2Head(rawHeaders: readonly string[], context: Http2HeadContext): Http2Head | Http2Problem {
  const draft: Draft = { pseudo: {}, fields: [], cookies: undefined, hosts: [], length: undefined, bytes: 0 }
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = [rawHeaders[index], rawHeaders[index + 1]]
    const fault = name.startsWith(':') ? takePseudo(draft, name, value) : takeField(draft, name, value)
    if (fault) return { kind: 'problem', fault }
  }
  const fault = findFault(draft, context)
  return fault ? { kind: 'problem', fault } : finish(draft, context)
}

/** Each once, and before all others (RFC 9113 section 8.3). `:protocol` is for extended CONNECT, which is not spoken. */
function takePseudo(draft: Draft, name: string, value: string): Http2Fault | undefined {
  if (!isPseudo(name) || draft.pseudo[name] !== undefined || draft.bytes > 0 || !fieldValue.test(value)) {
    return 'pseudo_field'
  }
  draft.pseudo[name] = value
  return undefined
}

function isPseudo(name: string): name is Pseudo {
  return name === ':method' || name === ':scheme' || name === ':authority' || name === ':path'
}

/** RFC 9113 section 8.2.1: lower case; and what no field of HTTP/1.1 could hold. */
const fieldName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const fieldValue = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/

function takeField(draft: Draft, name: string, value: string): Http2Fault | undefined {
  if (!fieldName.test(name) || !fieldValue.test(value)) return 'field'
  if (connectionFields.has(name) || (name === 'te' && value !== 'trailers')) return 'connection_field'
  draft.bytes += name.length + value.length + lineBytes
  if (name === 'content-length') draft.length = value
  if (name === 'cookie') draft.cookies = draft.cookies === undefined ? value : `${draft.cookies}; ${value}`
  else if (name === 'host') draft.hosts.push(value)
  else draft.fields.push(name, value)
  return undefined
}

/** Of a line of HTTP/1.1, beside its name and value. */
const lineBytes = 4

function findFault({ pseudo, length, bytes }: Draft, context: Http2HeadContext): Http2Fault | undefined {
  const { ':method': method = '' } = pseudo
  if (!context.isMethod(method)) return 'method'
  const fault = method === 'CONNECT' ? faultOfConnect(pseudo) : faultOfTarget(pseudo, context.isEncrypted)
  if (fault) return fault
  if (context.isWhole && length !== undefined && !/^0+$/.test(length)) return 'body'
  return bytes > context.mostBytes ? 'too_large' : undefined
}

/** RFC 9113 section 8.5. */
function faultOfConnect({ ':scheme': scheme, ':path': path, ':authority': authority = '' }: Draft['pseudo']) {
  return scheme !== undefined || path !== undefined || authority === '' ? 'pseudo_field' : undefined
}

function faultOfTarget({ ':scheme': scheme, ':path': path }: Draft['pseudo'], isEncrypted: boolean) {
  if (scheme !== 'https' && (isEncrypted || scheme !== 'http')) return 'scheme'
  // `*` is a form that OPTIONS may have, and no resource's: whoever reads targets refuses it.
  return path?.startsWith('/') || path === '*' ? undefined : 'path'
}

function finish({ pseudo, fields, cookies, hosts, length }: Draft, { isWhole }: Http2HeadContext): Http2Head {
  const { ':method': method = '', ':authority': authority, ':path': path } = pseudo
  const rawHeaders = [...hostsOf(authority, hosts), ...fields]
  if (cookies !== undefined) rawHeaders.push('cookie', cookies)
  // Its length will be known at its end, as of one in chunks.
  if (!isWhole && length === undefined) rawHeaders.push('transfer-encoding', 'chunked')
  return { kind: 'head', method, target: path ?? authority ?? '', rawHeaders }
}

/** A Host field that names somebody else stands beside the authority, and they are refused as two Host fields are. */
function hostsOf(authority: string | undefined, hosts: readonly string[]): readonly string[] {
  const named = authority === undefined ? hosts : [authority, ...hosts.filter((host) => !isSame(host, authority))]
  return named.flatMap((host) => ['host', host])
}

function isSame(host: string, authority: string): boolean {
  return host === authority || parseAuthority(host)?.text === (parseAuthority(authority)?.text ?? '')
}

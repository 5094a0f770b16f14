/**
 * The header fields that decisions are made on, read once from what stood on the wire. Node's `headers` joins, drops and overwrites
 * duplicates by rules of its own, and its parser lets through what readers disagree about (two Host fields, `gzip, chunked`, chunked
 * HTTP/1.0, HTTP/2.0 and 0.9 request lines): here each of these is a problem. Everything else in the header is the proxy's business.
 *
 * Every request passes through here, so there is no regular expression and no lower-casing per field, and only what is kept is looked at
 * character by character: Node's strict parser refuses control characters in every field (a test of the listener holds it to that).
 */

/** Made by {@link readRequestHead} alone. A field that did not occur is `undefined`. */
export interface RequestHead {
  readonly kind: 'head'
  readonly httpVersion: '1.0' | '1.1'
  /** Raw; `parseAuthority` reads it. */
  readonly host: string
  /** All Cookie fields, joined by `; ` (RFC 9113 section 8.2.3). */
  readonly cookie: string | undefined
  readonly origin: string | undefined
  readonly authorization: string | undefined
  readonly secFetchSite: string | undefined
  readonly secFetchMode: string | undefined
  readonly secFetchDest: string | undefined
  readonly secFetchUser: string | undefined
  readonly accept: string | undefined
  readonly xRequestedWith: string | undefined
  readonly userAgent: string | undefined
  readonly xForwardedFor: string | undefined
  /** Members of all Connection fields, lower case, in their order. */
  readonly connection: readonly string[]
  readonly upgrade: string | undefined
  readonly secWebSocketKey: string | undefined
  readonly secWebSocketVersion: string | undefined
  readonly expect: string | undefined
  /** Bytes. */
  readonly contentLength: number | undefined
  /** `Transfer-Encoding: chunked`, the only one there is. Never together with a Content-Length. */
  readonly isChunked: boolean
}

export type HeadFault =
  | 'http_version'
  | 'too_many_fields'
  /** In the value of a field read here: anything below a space but a tab, or DEL. */
  | 'control_character'
  | 'host_missing'
  /** A field that may occur once came twice, equal or not. */
  | 'duplicate_field'
  | 'content_length'
  | 'transfer_encoding'

export interface HeadProblem {
  readonly kind: 'problem'
  readonly fault: HeadFault
  readonly status: 400 | 431 | 505
}

export interface HeadLimits {
  /** As Node gives it: the version of the request line. */
  readonly httpVersion: string
  /** Header fields, {@link mostFields} where none is given. */
  readonly mostFields?: number
}

/** Header fields of a request that is answered at all. */
export const mostFields = 1000

/** Where the value of a field goes, and what a second one means. */
type Rule =
  | { readonly kind: 'once'; readonly key: SingleKey }
  | { readonly kind: 'joined'; readonly key: JoinedKey; readonly separator: ', ' | '; ' }
  | { readonly kind: 'connection' | 'length' | 'encoding' }

type SingleKey =
  | 'host'
  | 'origin'
  | 'authorization'
  | 'secFetchSite'
  | 'secFetchMode'
  | 'secFetchDest'
  | 'secFetchUser'
  | 'xRequestedWith'
  | 'secWebSocketKey'
  | 'secWebSocketVersion'

type JoinedKey = 'cookie' | 'accept' | 'userAgent' | 'xForwardedFor' | 'upgrade' | 'expect'

const once = (key: SingleKey): Rule => ({ kind: 'once', key })
const joined = (key: JoinedKey, separator: ', ' | '; ' = ', '): Rule => ({ kind: 'joined', key, separator })

const rules: ReadonlyArray<readonly [name: string, rule: Rule]> = [
  ['host', once('host')],
  ['cookie', joined('cookie', '; ')],
  ['origin', once('origin')],
  ['authorization', once('authorization')],
  ['sec-fetch-site', once('secFetchSite')],
  ['sec-fetch-mode', once('secFetchMode')],
  ['sec-fetch-dest', once('secFetchDest')],
  ['sec-fetch-user', once('secFetchUser')],
  ['accept', joined('accept')],
  ['x-requested-with', once('xRequestedWith')],
  ['user-agent', joined('userAgent')],
  ['x-forwarded-for', joined('xForwardedFor')],
  ['connection', { kind: 'connection' }],
  ['upgrade', joined('upgrade')],
  ['sec-websocket-key', once('secWebSocketKey')],
  ['sec-websocket-version', once('secWebSocketVersion')],
  ['expect', joined('expect')],
  ['content-length', { kind: 'length' }],
  ['transfer-encoding', { kind: 'encoding' }],
]

/** By the length of the name, which leaves at most a few names to compare. An array has no `__proto__` to be asked for. */
const rulesByLength: ReadonlyArray<ReadonlyArray<readonly [string, Rule]>> = Array.from({ length: 32 }, (_, length) =>
  rules.filter(([name]) => name.length === length),
)

function ruleFor(name: string): Rule | undefined {
  const candidates = rulesByLength[name.length]
  if (!candidates) return undefined
  for (const [candidate, rule] of candidates) if (isSameName(name, candidate)) return rule
  return undefined
}

/** Both have the same length; `lowerCase` is what its name says. */
function isSameName(name: string, lowerCase: string): boolean {
  for (let index = 0; index < lowerCase.length; index += 1) {
    const code = name.charCodeAt(index)
    const lower = code >= 0x41 && code <= 0x5a ? code + 0x20 : code
    if (lower !== lowerCase.charCodeAt(index)) return false
  }
  return true
}

/** What has been read so far; the result itself once it has a host, so that nothing is copied. */
type Draft = { -readonly [Key in keyof RequestHead]: Key extends 'host' ? string | undefined : RequestHead[Key] }

/**
 * Reads `rawHeaders` as Node gives them: name, value, name, value. The server must not cut them off (`maxHeadersCount = 0`): a duplicate behind
 * the cut would go unseen. Faults are 400, except too many fields (431) and a version that is neither 1.0 nor 1.1 (505). Never throws.
 */
export function readRequestHead(rawHeaders: readonly string[], limits: HeadLimits): RequestHead | HeadProblem {
  const { httpVersion } = limits
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return { kind: 'problem', fault: 'http_version', status: 505 }
  if (rawHeaders.length > 2 * (limits.mostFields ?? mostFields)) {
    return { kind: 'problem', fault: 'too_many_fields', status: 431 }
  }
  const draft = emptyDraft(httpVersion)
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const rule = ruleFor(rawHeaders[index] ?? '')
    const fault = rule && take(draft, rule, rawHeaders[index + 1] ?? '')
    if (fault) return problem(fault)
  }
  if (!hasHost(draft)) return problem('host_missing')
  return isFramedTwice(draft) ? problem('transfer_encoding') : draft
}

function problem(fault: HeadFault): HeadProblem {
  return { kind: 'problem', fault, status: 400 }
}

function emptyDraft(httpVersion: '1.0' | '1.1'): Draft {
  return {
    kind: 'head',
    httpVersion,
    host: undefined,
    cookie: undefined,
    origin: undefined,
    authorization: undefined,
    secFetchSite: undefined,
    secFetchMode: undefined,
    secFetchDest: undefined,
    secFetchUser: undefined,
    accept: undefined,
    xRequestedWith: undefined,
    userAgent: undefined,
    xForwardedFor: undefined,
    connection: none,
    upgrade: undefined,
    secWebSocketKey: undefined,
    secWebSocketVersion: undefined,
    expect: undefined,
    contentLength: undefined,
    isChunked: false,
  }
}

function take(draft: Draft, rule: Rule, value: string): HeadFault | undefined {
  if (hasControlCharacter(value)) return 'control_character'
  switch (rule.kind) {
    case 'once':
      if (draft[rule.key] !== undefined) return 'duplicate_field'
      draft[rule.key] = value
      return undefined
    case 'joined': {
      const before = draft[rule.key]
      draft[rule.key] = before === undefined ? value : before + rule.separator + value
      return undefined
    }
    case 'connection':
      draft.connection = withMembers(draft.connection, value)
      return undefined
    case 'length':
      return takeLength(draft, value)
    case 'encoding':
      return takeEncoding(draft, value)
  }
}

function takeLength(draft: Draft, value: string): HeadFault | undefined {
  if (draft.contentLength !== undefined) return 'duplicate_field'
  const length = Number(value)
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(length)) return 'content_length'
  draft.contentLength = length
  return undefined
}

function takeEncoding(draft: Draft, value: string): HeadFault | undefined {
  if (draft.isChunked) return 'duplicate_field'
  if (value.toLowerCase() !== 'chunked') return 'transfer_encoding'
  draft.isChunked = true
  return undefined
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true
  }
  return false
}

const none: readonly string[] = []
const keepAlive: readonly string[] = ['keep-alive']
const close: readonly string[] = ['close']

function withMembers(before: readonly string[], value: string): readonly string[] {
  if (before.length === 0) {
    if (value === 'keep-alive') return keepAlive
    if (value === 'close') return close
  }
  const members = value.split(',').map((member) => member.trim().toLowerCase())
  return [...before, ...members.filter((member) => member !== '')]
}

function hasHost(draft: Draft): draft is Draft & { host: string } {
  return draft.host !== undefined
}

/** RFC 9112 section 6.1: HTTP/1.0 has no chunks, and a request with both fields is an attempt at smuggling. */
function isFramedTwice(draft: Draft): boolean {
  return draft.isChunked && (draft.contentLength !== undefined || draft.httpVersion === '1.0')
}

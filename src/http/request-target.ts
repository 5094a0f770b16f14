/**
 * The request target as it stood on the wire (RFC 9112 section 3.2), checked and cut apart, never normalised: what a later decision reads
 * is byte for byte what an upstream will get. `new URL` must not be used for this: it turns `//evil/x` into another host and resolves
 * dot segments, so that two readers of one target see two paths (CVE-2025-32431, CVE-2025-54576, CVE-2026-33494 and many more).
 */
import { parseAuthority } from './authority.ts'

/** Made by {@link parseRequestTarget} alone. */
export interface OriginTarget {
  readonly kind: 'origin'
  /** Raw. Begins with one slash; visible ASCII without `#` and `\`; every percent sign is followed by two hexadecimal digits. */
  readonly path: string
  /** Raw, with its `?`; `''` where there is none. */
  readonly query: string
}

/** What clients send to a proxy, and may send to anybody. Made by {@link parseRequestTarget} alone. */
export interface AbsoluteTarget {
  readonly kind: 'absolute'
  readonly scheme: 'http' | 'https'
  /** Canonical text of the authority. It must equal the Host field's, or the request has two hosts. */
  readonly authority: string
  /** As in {@link OriginTarget}; `/` where the target has no path (RFC 9112 section 3.2.1). */
  readonly path: string
  readonly query: string
}

export type RequestTarget = OriginTarget | AbsoluteTarget

export type TargetFault =
  | 'too_long'
  /** `*`, `host:port`, or nothing a server of resources could answer. */
  | 'form'
  /** Not visible ASCII. */
  | 'character'
  | 'fragment'
  | 'backslash'
  | 'percent'
  /** The path begins with `//`, which other readers take for an authority. */
  | 'double_slash'
  | 'authority'

export interface TargetProblem {
  readonly kind: 'problem'
  readonly fault: TargetFault
  readonly status: 400 | 414
}

/** Characters of a target that is answered at all. */
export const longestTarget = 8192

/** Never throws. Longer than `longest` characters: 414; every other fault: 400. */
export function parseRequestTarget(raw: string, longest: number = longestTarget): RequestTarget | TargetProblem {
  if (raw.length > longest) return { kind: 'problem', fault: 'too_long', status: 414 }
  const fault = findFault(raw)
  if (fault) return problem(fault)
  return raw.startsWith('/') ? originForm(raw) : absoluteForm(raw)
}

function problem(fault: TargetFault): TargetProblem {
  return { kind: 'problem', fault, status: 400 }
}

const hash = 0x23
const percent = 0x25
const slash = 0x2f
const backslash = 0x5c

/** What is wrong with the characters of a target, whatever its form. */
function findFault(raw: string): TargetFault | undefined {
  const mark = raw.indexOf('?')
  const pathEnd = mark < 0 ? raw.length : mark
  return findFaultOfPath(raw, pathEnd) ?? findFaultOfQuery(raw, pathEnd)
}

function findFaultOfPath(raw: string, end: number): TargetFault | undefined {
  for (let index = 0; index < end; index += 1) {
    const code = raw.charCodeAt(index)
    const fault = faultOf(code)
    if (fault) return fault
    if (code === backslash) return 'backslash'
    if (code === percent && !isEncodedByte(raw, index)) return 'percent'
  }
  return undefined
}

/** Browsers send `\` and a lone `%` there, and nothing is decided on it. */
function findFaultOfQuery(raw: string, start: number): TargetFault | undefined {
  for (let index = start; index < raw.length; index += 1) {
    const fault = faultOf(raw.charCodeAt(index))
    if (fault) return fault
  }
  return undefined
}

function faultOf(code: number): 'character' | 'fragment' | undefined {
  if (code <= 0x20 || code >= 0x7f) return 'character'
  return code === hash ? 'fragment' : undefined
}

function isEncodedByte(raw: string, index: number): boolean {
  return isHexDigit(raw.charCodeAt(index + 1)) && isHexDigit(raw.charCodeAt(index + 2))
}

/** False for the NaN that `charCodeAt` gives behind the end. */
function isHexDigit(code: number): boolean {
  const letter = code | 0x20
  return (code >= 0x30 && code <= 0x39) || (letter >= 0x61 && letter <= 0x66)
}

function originForm(raw: string): OriginTarget | TargetProblem {
  if (raw.charCodeAt(1) === slash) return problem('double_slash')
  const mark = raw.indexOf('?')
  return mark < 0
    ? { kind: 'origin', path: raw, query: '' }
    : { kind: 'origin', path: raw.slice(0, mark), query: raw.slice(mark) }
}

const schemePattern = /^(https?):\/\/([^/?]*)/i

function absoluteForm(raw: string): AbsoluteTarget | TargetProblem {
  const match = schemePattern.exec(raw)
  if (!match) return problem('form')
  const [start, scheme = '', authorityText = ''] = match
  const authority = parseAuthority(authorityText)
  if (!authority) return problem('authority')
  const rest = raw.slice(start.length)
  const origin = originForm(rest.startsWith('/') ? rest : `/${rest}`)
  if (origin.kind === 'problem') return origin
  return {
    kind: 'absolute',
    scheme: scheme.length === 4 ? 'http' : 'https',
    authority: authority.text,
    path: origin.path,
    query: origin.query,
  }
}

/**
 * Is a path segment spelled in the one way that needs no decoding and no second look? Lower-case letters, digits, `-` and `.`; neither empty
 * nor a dot segment. What decides where a request goes must be spelled so (`al%69ce`, `ALICE` and `alice;x` name nobody).
 */
export function isCanonicalSegment(raw: string): boolean {
  return /^[a-z0-9.-]+$/.test(raw) && raw !== '.' && raw !== '..'
}

/**
 * Does the rest of `path`, from `prefixLength` on, at any point of the walk through its segments leave the prefix upwards? Dot segments
 * count in every spelling that servers decode (`..`, `.%2e`, `%2E%2e`); an empty segment is no depth to climb down from, because many servers
 * merge slashes. Whatever else a segment holds, an encoded slash included, is one segment.
 *
 * `prefixLength` is where a segment ends or begins: `'/a/b/'.length` or `'/a/b'.length`.
 */
export function climbsAbove(path: string, prefixLength: number): boolean {
  let depth = 0
  let start = prefixLength
  while (start <= path.length) {
    const next = path.indexOf('/', start)
    const end = next < 0 ? path.length : next
    depth += depthOf(path, start, end)
    if (depth < 0) return true
    start = end + 1
  }
  return false
}

/** How much deeper one segment leads: 1, 0 for an empty one or `.`, -1 for `..`. */
function depthOf(path: string, start: number, end: number): -1 | 0 | 1 {
  let dots = 0
  let index = start
  while (index < end) {
    const width = dotWidth(path, index)
    if (width === 0) return 1
    dots += 1
    index += width
  }
  if (dots > 2) return 1
  return dots === 2 ? -1 : 0
}

/** Characters that a dot takes at this place: 1 for `.`, 3 for `%2e`, 0 where there is none. */
function dotWidth(path: string, index: number): 0 | 1 | 3 {
  const character = path[index]
  if (character === '.') return 1
  const isEncodedDot =
    character === '%' && path[index + 1] === '2' && (path[index + 2] === 'e' || path[index + 2] === 'E')
  return isEncodedDot ? 3 : 0
}

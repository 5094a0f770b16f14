/**
 * The `Cookie` header as bytes: values are found by exact name, and cookies are taken out of it without touching the others.
 * Knows no name of a cookie and no signature.
 */
import { GatewayError } from '#errors.ts'
import { token } from './field-syntax.ts'

/**
 * Every value sent under exactly this name, in the order sent; quotes are part of a value. More than one means that another host or path
 * has set a cookie of the same name ("cookie tossing"), so the caller must not simply take the first.
 */
export function cookieValues(raw: string | undefined, name: string): readonly string[] {
  const found: string[] = []
  if (raw === undefined) return found
  let equals = -1
  for (let start = 0; start <= raw.length; ) {
    const end = indexOrEnd(raw, ';', start)
    if (equals < start) equals = indexOrEnd(raw, '=', start)
    if (equals < end && trimmed(raw, start, equals) === name) found.push(trimmed(raw, equals + 1, end))
    start = end + 1
  }
  return found
}

/**
 * The header without the cookies whose name `isDropped`; all others stay byte for byte. `undefined` when none is left.
 * Pairs end at every `;`, also inside quotes: a parser upstream that honours quotes could otherwise be made to swallow a dropped cookie
 * into the value of its neighbour ("cookie sandwich").
 */
export function withoutCookies(raw: string, isDropped: (name: string) => boolean): string | undefined {
  let kept = ''
  let keptUpTo = 0
  let equals = -1
  for (let start = 0; start <= raw.length; ) {
    const end = indexOrEnd(raw, ';', start)
    if (equals < start) equals = indexOrEnd(raw, '=', start)
    // A pair without `=` is a cookie without a name; servers read its text either way, so it counts as the name.
    if (isDropped(trimmed(raw, start, Math.min(equals, end)))) {
      kept += raw.slice(keptUpTo, start)
      keptUpTo = end + 1
    }
    start = end + 1
  }
  if (keptUpTo === 0) return raw
  kept += raw.slice(keptUpTo)
  return withoutEdges(kept)
}

export interface NewCookie {
  readonly name: string
  readonly value: string
  readonly path: string
  /** Seconds; 0 deletes the cookie. Absent: until the browser closes. */
  readonly maxAge?: number
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: 'Strict' | 'Lax' | 'None'
}

/**
 * A `Set-Cookie` value (RFC 6265 section 4.1). There is no `Domain`: Gatehouse's cookies belong to one host.
 * Throws `internal` for what a browser would refuse or read differently: an illegal name, value or path, and prefixes without their conditions.
 */
export function serializeSetCookie(cookie: NewCookie): string {
  const fault = faultOf(cookie)
  if (fault !== undefined) throw new GatewayError('internal', `Cookie ${JSON.stringify(cookie.name)}: ${fault}`)
  let text = `${cookie.name}=${cookie.value}; Path=${cookie.path}`
  if (cookie.maxAge !== undefined) text += `; Max-Age=${cookie.maxAge}`
  if (cookie.httpOnly) text += '; HttpOnly'
  if (cookie.secure) text += '; Secure'
  return `${text}; SameSite=${cookie.sameSite}`
}

const octets = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/
const pathText = /^\/[\x20-\x3a\x3c-\x7e]*$/
/** Browsers keep at least this much of name and value together, and drop what is longer (RFC 6265bis section 5.5). */
const longestPair = 4096

function faultOf(cookie: NewCookie): string | undefined {
  if (!token.test(cookie.name)) return 'the name is not a token'
  if (!octets.test(cookie.value)) return 'the value holds a character that cookies cannot'
  if (cookie.name.length + cookie.value.length > longestPair) return `name and value are over ${longestPair} bytes`
  if (!pathText.test(cookie.path)) return 'the path is not an absolute path'
  if (cookie.maxAge !== undefined && !(Number.isSafeInteger(cookie.maxAge) && cookie.maxAge >= 0)) {
    return 'Max-Age is not a whole number of seconds'
  }
  return prefixFault(cookie)
}

function prefixFault({ name, path, secure, sameSite }: NewCookie): string | undefined {
  const needsSecure = sameSite === 'None' || /^__(?:host|secure)-/i.test(name)
  if (needsSecure && !secure) return 'it must be Secure'
  if (/^__host-/i.test(name) && path !== '/') return 'a __Host- cookie has the path /'
  return undefined
}

/** Searching on only from where the last search ended keeps a header of nothing but separators linear. */
function indexOrEnd(raw: string, character: string, start: number): number {
  const index = raw.indexOf(character, start)
  return index === -1 ? raw.length : index
}

/** What a removal leaves behind at either end: blanks and separators. */
function withoutEdges(text: string): string | undefined {
  let from = 0
  let to = text.length
  while (from < to && isEdge(text.charCodeAt(from))) from++
  while (to > from && isEdge(text.charCodeAt(to - 1))) to--
  return from === to ? undefined : text.slice(from, to)
}

function isEdge(code: number): boolean {
  return code === 0x3b || isBlank(code)
}

function trimmed(raw: string, start: number, end: number): string {
  let from = start
  let to = end
  while (from < to && isBlank(raw.charCodeAt(from))) from++
  while (to > from && isBlank(raw.charCodeAt(to - 1))) to--
  return raw.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

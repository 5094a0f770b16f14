/**
 * Where a browser goes after a login. The value comes from a URL that anybody can write, so it is read by a small grammar of its own,
 * and never by a URL parser that repairs what it reads: browsers and parsers disagree about `\`, control characters, user information
 * and empty hosts, and every such difference has been an open redirect somewhere.
 */
import { parseAuthority } from '#http/authority.ts'
import type { Brand } from '#lib/brand.ts'

/** A path on the console's origin, or an absolute URL on one of our own origins. Made by {@link parseReturnTo} alone. */
export type ReturnTo = Brand<string, 'ReturnTo'>

export interface ReturnToRules {
  readonly externalScheme: 'http' | 'https'
  /** Is this authority (`host[:port]`, lower case) the console's or that of a workspace's host? */
  isOwnAuthority(authority: string): boolean
}

/** Longer ones are refused: the value travels inside URLs and cookies. */
const longest = 2048

/**
 * A path segment: what RFC 3986 allows, and `[ ] | ^`, which browsers send as they are. No `\`, no quotation mark, no blank, no control
 * character, nothing outside ASCII. Escapes must be whole.
 */
const path = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/[\]|^]|%[0-9A-Fa-f]{2})*$/
/** The query goes on byte for byte, so a lone `%` may stay what it is. */
const query = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/?[\]|^%]*$/
/** Slashes, backslashes and controls, plain or encoded, that some hop could take for the start of an authority. */
const badStart = /^\/(?:\/|%2f|%5c|%0|%1|%20|%7f)/i
const dotSegment = /\/(?:\.|%2e){1,2}(?=\/|$)/i

/** `undefined` for everything that is not plainly ours. */
export function parseReturnTo(raw: string, rules: ReturnToRules): ReturnTo | undefined {
  if (raw.length > longest) return undefined
  const rest = raw.startsWith('/') ? raw : withoutOwnOrigin(raw, rules)
  // All of it has just been checked, and it goes out as it came in.
  return rest !== undefined && isOwnPath(rest) ? (raw as ReturnTo) : undefined
}

/** For a target that we have built ourselves: the console's front page. */
export const consoleFrontPage = '/' as ReturnTo // a path of our own

function withoutOwnOrigin(raw: string, rules: ReturnToRules): string | undefined {
  const start = `${rules.externalScheme}://`
  if (!raw.startsWith(start)) return undefined
  const end = raw.indexOf('/', start.length)
  const authority = end < 0 ? undefined : parseAuthority(raw.slice(start.length, end))
  // Only in the one spelling that the parser gives back.
  if (!authority || !raw.startsWith(`${start}${authority.text}/`)) return undefined
  return rules.isOwnAuthority(authority.text) ? raw.slice(end) : undefined
}

function isOwnPath(text: string): boolean {
  const mark = text.indexOf('?')
  const pathPart = mark < 0 ? text : text.slice(0, mark)
  const queryPart = mark < 0 ? '' : text.slice(mark + 1)
  return path.test(pathPart) && query.test(queryPart) && !badStart.test(pathPart) && !dotSegment.test(pathPart)
}

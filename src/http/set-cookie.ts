/**
 * `Set-Cookie` of an app behind the gateway: read as leniently as browsers do (RFC 6265 section 5.2), so that nothing they would accept is overlooked,
 * and narrowed to the host and path that the app is served under.
 */
import { type PathMapping, toPublicPath } from './path-mapping.ts'

export interface CookieAttribute {
  /** Lower case. */
  readonly name: string
  readonly value: string
  /** From the `;` before it up to the next one, as offsets into the header. */
  readonly start: number
  readonly end: number
}

export interface ReceivedCookie {
  /**
   * The name that servers will read when the cookie comes back. A cookie without a name is sent as its bare value, so `=session=x`
   * returns as `session=x`: its name is `session`.
   */
  readonly name: string
  /** In the order written, repetitions included: browsers disagree on which of two counts. */
  readonly attributes: readonly CookieAttribute[]
}

/** `undefined` where browsers refuse the cookie: control characters in it, or neither name nor value (RFC 6265bis section 5.6). */
export function readSetCookie(raw: string): ReceivedCookie | undefined {
  if (controls.test(raw)) return undefined
  const pairEnd = semicolonOrEnd(raw, 0)
  const sent = trimmed(raw.slice(0, pairEnd)).replace(/^=/, '')
  const name = trimmed(beforeEquals(trimmed(sent)))
  if (trimmed(sent) === '') return undefined
  const attributes: CookieAttribute[] = []
  for (let start = pairEnd; start < raw.length; ) {
    const end = semicolonOrEnd(raw, start + 1)
    const text = raw.slice(start + 1, end)
    const equals = text.indexOf('=')
    attributes.push({
      name: trimmed(beforeEquals(text)).toLowerCase(),
      value: equals === -1 ? '' : trimmed(text.slice(equals + 1)),
      start,
      end,
    })
    start = end
  }
  return { name, attributes }
}

/** What an app may set. */
export interface CookieBounds extends PathMapping {
  /** The host the visitor asked, lower case, without its port. */
  readonly hostname: string
  isOwnCookie(name: string): boolean
}

/**
 * The header as the browser may see it; `undefined` drops it.
 *
 * Dropped: names of ours, and any `Domain` but the host itself. A parent domain would set the cookie for the console and for all other workspaces
 * ("cookie tossing"); a foreign one is refused by browsers anyway. `Domain` equal to the host is taken out, since with it the cookie would
 * reach all hosts below. `Path` becomes the public path; one outside of the app's becomes the app's, for cookies must not reach the neighbours
 * of path mode. A `__Host-` cookie, which needs the path `/`, is therefore refused by browsers where the app has a prefix.
 */
export function rewriteSetCookie(raw: string, bounds: CookieBounds): string | undefined {
  const cookie = readSetCookie(raw)
  if (cookie === undefined || bounds.isOwnCookie(cookie.name)) return undefined
  let text = ''
  let keptUpTo = 0
  for (const attribute of cookie.attributes) {
    const replacement = attributeWithin(attribute, bounds)
    if (replacement === refused) return undefined
    if (replacement === undefined) continue
    text += raw.slice(keptUpTo, attribute.start) + replacement
    keptUpTo = attribute.end
  }
  return text + raw.slice(keptUpTo)
}

const refused = Symbol('refused')

/** The text to put in its place, `undefined` to leave it as it is. */
function attributeWithin(attribute: CookieAttribute, bounds: CookieBounds): string | undefined | typeof refused {
  if (attribute.name === 'domain') {
    const domain = attribute.value.replace(/^\./, '').toLowerCase()
    return domain === '' || domain === bounds.hostname ? '' : refused
  }
  // Browsers take a path that isn't absolute as absent: the folder of the request, which is within the prefix.
  if (attribute.name !== 'path' || !attribute.value.startsWith('/')) return undefined
  const path = publicCookiePath(attribute.value, bounds)
  return path === attribute.value ? undefined : `; Path=${path}`
}

/** `/w/a` is as good as `/w/a/`: browsers send the cookie to the same paths, and to `/w/a` itself. */
function publicCookiePath(path: string, bounds: CookieBounds): string {
  const { publicPrefix, upstreamPrefix } = bounds
  if (publicPrefix === '/' && upstreamPrefix === '/') return path
  if (`${path}/` === publicPrefix) return path
  return toPublicPath(path, bounds) ?? publicPrefix
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what browsers refuse
const controls = /[\x00-\x08\x0a-\x1f\x7f]/

function semicolonOrEnd(raw: string, start: number): number {
  const index = raw.indexOf(';', start)
  return index === -1 ? raw.length : index
}

function beforeEquals(text: string): string {
  const equals = text.indexOf('=')
  return equals === -1 ? text : text.slice(0, equals)
}

/** Without spaces and tabs at its ends; `String.trim` would also take U+00A0, a byte of some encodings. */
function trimmed(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

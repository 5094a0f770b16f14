/**
 * What a browser says about why it sends a request: Origin (RFC 6454) and the Sec-Fetch fields (W3C Fetch Metadata). Scripts can't forge
 * either. They decide whether a cookie that came along speaks for a person, or for a page of somebody else that this person looks at:
 * workspaces are same-site with each other and with the console, so `SameSite` keeps none of them apart.
 */
import type { RequestHead } from './request-head.ts'

type NavigationFields = Pick<RequestHead, 'secFetchMode' | 'secFetchDest' | 'accept' | 'xRequestedWith'>
type OriginFields = NavigationFields & Pick<RequestHead, 'origin' | 'secFetchSite'>

/** Destinations of navigations other than a tab's own: a document inside of another one. */
const frameDestinations: ReadonlySet<string> = new Set(['iframe', 'frame', 'embed', 'object', 'fencedframe'])

/**
 * Will a person see the answer as a page? Then a redirect to the login helps; everything else wants a status. Browsers say it themselves;
 * where they don't (plain HTTP to a name other than `localhost`, Safari before 16.4) wanting HTML without being a script's request is taken for it.
 */
export function isNavigation(method: string, head: NavigationFields): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  const { secFetchMode, secFetchDest } = head
  if (secFetchMode === undefined && secFetchDest === undefined) {
    return head.xRequestedWith === undefined && head.accept !== undefined && head.accept.includes('text/html')
  }
  return secFetchMode === 'navigate' && secFetchDest !== undefined && isDocument(secFetchDest)
}

function isDocument(destination: string): boolean {
  return destination === 'document' || frameDestinations.has(destination)
}

/** RFC 9110 section 9.2.1: methods by which nothing is asked to change. */
export function isSafeMethod(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

export interface OriginQuestion {
  readonly method: string
  readonly isUpgrade: boolean
  /** `bearer` only where the token alone authenticated; a browser adds none by itself. */
  readonly authenticatedBy: 'cookie' | 'bearer' | 'none'
  readonly head: OriginFields
  /** The origin that this request is for, as browsers write it: `https://name.example`, with the port where it is not the scheme's own. */
  readonly ownOrigin: string
}

export type OriginRefusal =
  /** An unsafe method or an upgrade without Origin: whoever sent it can't be told. */
  | 'origin_missing'
  /** Origin is another one, or `null`. */
  | 'origin_foreign'
  /** Not a navigation, and from another origin by its own account. */
  | 'site_foreign'
  /** A navigation inside of a page of another origin. */
  | 'frame_foreign'

export type OriginVerdict = 'allowed' | { readonly refused: OriginRefusal }

/**
 * May this request act for whom its cookie names? Holds in both modes and for proxied traffic:
 *
 * - A bearer token is exempt: a page of another origin would have to know it.
 * - An unsafe method or an upgrade that a cookie authenticates needs an Origin equal to its own; browsers send one with each of these
 *   (RFC 6455 section 10.2 for WebSockets). An equal one settles it, since no script can choose it.
 * - Other requests from another origin are refused unless they are top-level navigations, which are how links work. Where Sec-Fetch-Site is
 *   missing, an Origin that differs says the same.
 * - A navigation inside of a frame of another origin is refused: one workspace must not show another one as its visitor, under its own
 *   buttons (clickjacking), nor learn from frame counts, sizes and load times what the visitor may open. Apps rarely forbid framing
 *   themselves, and same-site frames carry every cookie. Frames within one origin are an app's own affair.
 */
export function judgeOrigin(question: OriginQuestion): OriginVerdict {
  const { method, isUpgrade, authenticatedBy, head, ownOrigin } = question
  if (authenticatedBy === 'bearer') return 'allowed'
  if (authenticatedBy === 'cookie' && (isUpgrade || !isSafeMethod(method))) return judgeUnsafe(head.origin, ownOrigin)
  if (!isFromElsewhere(head, ownOrigin)) return 'allowed'
  // No browser puts an Origin on a navigation by GET, so where only that field speaks, it is a script that asks for HTML.
  const isByOrigin = head.secFetchSite === undefined
  if (isUpgrade || isByOrigin || !isNavigation(method, head)) return refusals.siteForeign
  return isFrame(head) ? refusals.frameForeign : 'allowed'
}

/** Made once: this is asked for every request. */
const refusals = {
  originMissing: { refused: 'origin_missing' },
  originForeign: { refused: 'origin_foreign' },
  siteForeign: { refused: 'site_foreign' },
  frameForeign: { refused: 'frame_foreign' },
} as const satisfies Record<string, OriginVerdict>

function judgeUnsafe(origin: string | undefined, ownOrigin: string): OriginVerdict {
  if (origin === ownOrigin) return 'allowed'
  return origin === undefined ? refusals.originMissing : refusals.originForeign
}

/** By its own account. `none` is a person's doing: an address typed, a bookmark. A value that no browser sends is not believed. */
function isFromElsewhere(head: OriginFields, ownOrigin: string): boolean {
  if (head.secFetchSite !== undefined) return head.secFetchSite !== 'same-origin' && head.secFetchSite !== 'none'
  return head.origin !== undefined && head.origin !== ownOrigin
}

function isFrame(head: OriginFields): boolean {
  return head.secFetchDest !== undefined && frameDestinations.has(head.secFetchDest)
}

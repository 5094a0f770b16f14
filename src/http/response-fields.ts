/**
 * What a client gets to see of an upstream's response header. An app speaks for itself: it sets neither cookies nor site data
 * nor a service worker for anything beyond its own host and prefix.
 */
import {
  type EndToEndFields,
  endToEnd,
  type FieldLines,
  fieldLines,
  neverInTrailers,
  nominatedFields,
} from './end-to-end.ts'
import { FieldVerdicts, type ResponseField, responseField } from './header-names.ts'
import { isBelow } from './path-mapping.ts'
import { relocate, relocateRefresh } from './relocation.ts'
import { rewriteSetCookie } from './set-cookie.ts'

/** Where an app is served. Made once for each port of a workspace, not for each request. */
export interface ResponsePolicy {
  /** As browsers name it: lower case, `host` or `host:port`. */
  readonly publicAuthority: string
  /** The same without the port. */
  readonly hostname: string
  /** `/`, or in path mode the prefix that belongs to this app; ends in a slash. */
  readonly publicPrefix: string
  /** The prefix as the app sees it; ends in a slash. Equal to {@link publicPrefix} where nothing is stripped. */
  readonly upstreamPrefix: string
  isOwnCookie(name: string): boolean
}

export interface UpstreamHead {
  readonly status: number
  /** Flat and raw. Not changed by anybody. */
  readonly headers: readonly string[]
  /** May a trailer section follow? Otherwise a `Trailer` field would promise what can't come. */
  readonly isChunked: boolean
}

export interface AnswerHead {
  readonly fields: EndToEndFields
  /** The same, written out, where they say how long the body is and when it was made: then there is nothing to add but what is of one hop. */
  readonly lines: FieldLines | undefined
}

/** Builds the heads of responses. Holds what it learnt about field names, so there is one for many responses. */
export class ResponseHeads {
  readonly #verdicts = new FieldVerdicts(responseField)
  /** What was made last: of the same head, which nobody changes, the same comes again. */
  #last: { readonly head: UpstreamHead; readonly policy: ResponsePolicy; readonly built: AnswerHead } | undefined

  build(head: UpstreamHead, policy: ResponsePolicy): AnswerHead {
    const last = this.#last
    if (last?.policy === policy && isSame(last.head, head)) return last.built
    const built = this.#build(head, policy)
    this.#last = { head, policy, built }
    return built
  }

  /** `Content-Length` is kept, as it describes the answer even where none is sent (HEAD, 304); never on a 1xx or 204 (RFC 9110 section 8.6). */
  #build(head: UpstreamHead, policy: ResponsePolicy): AnswerHead {
    const { headers } = head
    const nominated = nominatedFields(headers, this.#verdicts)
    const list: string[] = []
    let [hasLength, hasDate] = [false, false]
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] ?? ''
      if (nominated?.has(name.toLowerCase())) continue
      const verdict = this.#verdicts.of(name)
      const value = passed(verdict, headers[index + 1] ?? '', head, policy)
      if (value === undefined) continue
      hasLength ||= verdict === 'content-length'
      hasDate ||= verdict === 'date'
      list.push(name, value)
    }
    const fields = endToEnd(list)
    return { fields, lines: hasLength && hasDate ? fieldLines(fields) : undefined }
  }

  trailers(rawTrailers: readonly string[]): EndToEndFields {
    const fields: string[] = []
    for (let index = 0; index < rawTrailers.length; index += 2) {
      const name = rawTrailers[index] ?? ''
      const mayFollow = this.#verdicts.of(name) === 'pass' && !neverInTrailers.test(name)
      if (mayFollow) fields.push(name, rawTrailers[index + 1] ?? '')
    }
    return endToEnd(fields)
  }
}

/** `undefined`: it is not passed on. */
function passed(verdict: ResponseField, value: string, head: UpstreamHead, policy: ResponsePolicy): string | undefined {
  switch (verdict) {
    case 'pass':
    case 'date':
      return value
    case 'content-length':
      return head.status === 204 || head.status < 200 || head.isChunked ? undefined : value
    case 'trailer':
      return head.isChunked ? value : undefined
    case 'set-cookie':
      return rewriteSetCookie(value, policy)
    case 'location':
      return policy.publicPrefix === policy.upstreamPrefix ? value : relocate(value, policy)
    case 'refresh':
      return policy.publicPrefix === policy.upstreamPrefix ? value : relocateRefresh(value, policy)
    case 'service-worker-allowed':
      return serviceWorkerScope(value, policy)
    case 'clear-site-data':
      return siteData(value, policy)
    case 'connection':
    case 'keep-alive':
    case 'transfer-encoding':
    case 'drop':
      return undefined
  }
}

function isSame(one: UpstreamHead, other: UpstreamHead): boolean {
  return one.headers === other.headers && one.status === other.status && one.isChunked === other.isChunked
}

/** In path mode other apps share the origin, and a worker whose scope covered them would answer their requests. */
function serviceWorkerScope(value: string, { publicPrefix }: ResponsePolicy): string {
  return publicPrefix === '/' || isBelow(value, publicPrefix) ? value : publicPrefix
}

/**
 * `"cookies"` clears the cookies of the whole registrable domain (W3C Clear Site Data, section 3.1): all sessions of the visitor, with the console and
 * with every workspace. The other types stay within the origin, which is the app's own in host mode and shared in path mode.
 */
function siteData(value: string, { publicPrefix }: ResponsePolicy): string | undefined {
  if (publicPrefix !== '/') return undefined
  const asked = value.split(',').map((type) => type.trim().toLowerCase())
  const kept = ownSiteData.filter((type) => asked.includes('"*"') || asked.includes(type.toLowerCase()))
  return kept.length > 0 ? kept.join(', ') : undefined
}

const ownSiteData = ['"cache"', '"storage"', '"executionContexts"']

/**
 * What a client asked with last, on one connection. Browsers send the same header fields with one request after the other, byte for byte, so what was
 * read of them holds for the next request as well. Only what the fields alone decide is remembered, and it is given for the very same fields alone,
 * each compared in full: one more, one less, another value or another order is read afresh. Who may do what is no part of it.
 */
import type { IncomingHead, OutgoingHead, RequestHeads } from './end-to-end.ts'
import { type HeadLimits, type HeadProblem, type RequestHead, readRequestHead } from './request-head.ts'

interface Read extends HeadLimits {
  readonly head: RequestHead
}

interface Made {
  readonly by: RequestHeads
  readonly isAuthorizationOurs: boolean
  readonly outgoing: OutgoingHead
}

/** Characters of all fields together; there may be thousands of idle connections. */
const mostKept = 4_096

/** Of one connection, and never shared by two. */
export class RequestMemory {
  #fields: readonly string[] | undefined
  /** The list that was compared last, and found to be the same. */
  #alike: readonly string[] | undefined
  #read: Read | undefined
  #made: Made | undefined

  /** As {@link readRequestHead}. */
  read(rawHeaders: readonly string[], { httpVersion, mostFields }: HeadLimits): RequestHead | HeadProblem {
    const read = this.#isAlike(rawHeaders) ? this.#read : undefined
    if (read?.httpVersion === httpVersion && read.mostFields === mostFields) return read.head
    const head = readRequestHead(rawHeaders, mostFields === undefined ? { httpVersion } : { httpVersion, mostFields })
    if (head.kind === 'head' && this.#keep(rawHeaders)) {
      this.#read = { httpVersion, head, ...(mostFields === undefined ? {} : { mostFields }) }
    }
    return head
  }

  /** As {@link RequestHeads.build} of `heads`. */
  outgoing(heads: RequestHeads, incoming: IncomingHead): OutgoingHead {
    const { rawHeaders, isAuthorizationOurs } = incoming
    const made = this.#isAlike(rawHeaders) ? this.#made : undefined
    if (made?.by === heads && made.isAuthorizationOurs === isAuthorizationOurs) return made.outgoing
    const outgoing = heads.build(incoming)
    if (this.#keep(rawHeaders)) this.#made = { by: heads, isAuthorizationOurs, outgoing }
    return outgoing
  }

  #isAlike(rawHeaders: readonly string[]): boolean {
    if (rawHeaders === this.#alike) return true
    const fields = this.#fields
    if (fields === undefined || fields.length !== rawHeaders.length) return false
    for (let index = 0; index < fields.length; index += 1) if (fields[index] !== rawHeaders[index]) return false
    this.#alike = rawHeaders
    return true
  }

  /** `false`: there is too much of it. */
  #keep(rawHeaders: readonly string[]): boolean {
    if (this.#isAlike(rawHeaders)) return true
    this.#read = undefined
    this.#made = undefined
    const isKept = lengthOf(rawHeaders) <= mostKept
    this.#fields = isKept ? rawHeaders : undefined
    this.#alike = this.#fields
    return isKept
  }
}

function lengthOf(fields: readonly string[]): number {
  let length = 0
  for (const { length: characters } of fields) length += characters
  return length
}

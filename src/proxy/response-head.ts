/**
 * The head of a response, read strictly (RFC 9112): two readers who understand one head differently are how one visitor's answer ends up
 * with another (response smuggling, CVE-2026-48931). What is doubtful is refused, not repaired.
 */
import { GatewayError } from '#errors.ts'
import { token } from '#http/field-syntax.ts'
import { FieldVerdicts } from '#http/header-names.ts'
import type { Milliseconds } from '#lib/clock.ts'

/** Where the body ends (RFC 9112 section 6.3). */
export type ResponseBody =
  | { readonly kind: 'none' }
  /** Bytes. */
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' }

/** Made by {@link ResponseHeadParser} alone. */
export interface ResponseHead {
  readonly status: number
  /** Flat: name, value, name, value, as written. */
  readonly headers: readonly string[]
  readonly body: ResponseBody
  /** May the connection carry another request? */
  readonly isPersistent: boolean
  /** How long the server says it keeps an idle connection. */
  readonly keepsFor: Milliseconds | undefined
}

type FramingField = 'content-length' | 'transfer-encoding' | 'connection' | 'keep-alive' | 'other' | 'illegal'

interface Draft {
  readonly headers: string[]
  length: number | undefined
  isChunked: boolean
  isClosing: boolean
  keepsFor: Milliseconds | undefined
}

/** Holds what it learnt about field names, so there is one for many heads. */
export class ResponseHeadParser {
  readonly #fields = new FieldVerdicts(framingField)
  /** What came last, often for the next answer as well: a poll has the same head again, apart from its date, which changes once a second. */
  #last: { readonly text: string; readonly toHead: boolean; readonly head: ResponseHead } | undefined

  /**
   * `text` is the head in Latin-1 without the empty line at its end; `toHead` says that HEAD was asked.
   * Throws `upstream_protocol`.
   */
  parse(text: string, toHead: boolean): ResponseHead {
    const last = this.#last
    if (last?.text === text && last.toHead === toHead) return last.head
    const head = this.#parse(text, toHead)
    this.#last = { text, toHead, head }
    return head
  }

  #parse(text: string, toHead: boolean): ResponseHead {
    if (stray.test(text)) throw broken('a control character in the head')
    let lineEnd = text.indexOf('\r\n')
    if (lineEnd === -1) lineEnd = text.length
    const [, minor, digits] = statusLine.exec(text.slice(0, lineEnd)) ?? []
    if (digits === undefined) throw broken('no status line')
    const draft: Draft = { headers: [], length: undefined, isChunked: false, isClosing: false, keepsFor: undefined }
    for (let start = lineEnd + 2; start < text.length; start = lineEnd + 2) {
      lineEnd = text.indexOf('\r\n', start)
      if (lineEnd === -1) lineEnd = text.length
      this.#field(text, start, lineEnd, draft)
    }
    return finished(Number(digits), minor === '1', toHead, draft)
  }

  /** Fields of a trailer section, one a line. One that frames a body has no place there (RFC 9110 section 6.5.1). Throws `upstream_protocol`. */
  parseTrailers(lines: readonly string[]): readonly string[] {
    const trailers: string[] = []
    for (const line of lines) {
      const colon = line.indexOf(':')
      const name = line.slice(0, colon)
      if (colon === -1 || stray.test(line) || notInTrailers.has(this.#fields.of(name)))
        throw broken('a malformed trailer')
      trailers.push(name, valueWithin(line, colon + 1, line.length))
    }
    return trailers
  }

  #field(text: string, start: number, end: number, draft: Draft): void {
    const colon = text.indexOf(':', start)
    if (colon === -1 || colon >= end) throw broken('a header line without a colon')
    const name = text.slice(start, colon)
    const value = valueWithin(text, colon + 1, end)
    switch (this.#fields.of(name)) {
      case 'other':
        break
      case 'content-length':
        draft.length = lengthOf(value, draft.length)
        break
      case 'transfer-encoding':
        if (draft.isChunked || value.toLowerCase() !== 'chunked') throw broken('a transfer coding other than chunked')
        draft.isChunked = true
        break
      case 'connection':
        if (/(?:^|[\t ,])close(?:$|[\t ,])/i.test(value)) draft.isClosing = true
        break
      case 'keep-alive':
        draft.keepsFor = keptFor(value)
        break
      case 'illegal':
        // A space before the colon, a folded line, or no token: each has been read in two ways by somebody.
        throw broken('an illegal header name')
    }
    draft.headers.push(name, value)
  }
}

export function broken(what: string): GatewayError {
  return new GatewayError('upstream_protocol', `the upstream sent ${what}`)
}

const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: .*)?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what no head may hold, besides line ends that are whole
const stray = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/

const notInTrailers: ReadonlySet<FramingField> = new Set(['illegal', 'content-length', 'transfer-encoding'])

function framingField(name: string): FramingField {
  if (!token.test(name)) return 'illegal'
  const lower = name.toLowerCase()
  switch (lower) {
    case 'content-length':
    case 'transfer-encoding':
    case 'connection':
    case 'keep-alive':
      return lower
    // No field of HTTP, and yet some servers mean it.
    case 'proxy-connection':
      return 'connection'
    default:
      return 'other'
  }
}

function lengthOf(value: string, before: number | undefined): number {
  const length = Number(value)
  if (before !== undefined || !/^[0-9]+$/.test(value) || !Number.isSafeInteger(length)) {
    throw broken('a doubtful Content-Length')
  }
  return length
}

function keptFor(value: string): Milliseconds | undefined {
  const [, seconds] = /(?:^|[\t ,])timeout=([0-9]{1,6})(?:$|[\t ,])/i.exec(value) ?? []
  return seconds === undefined ? undefined : Number(seconds) * 1_000
}

/** Without the blanks around it (RFC 9110 section 5.5); `String.trim` would take U+00A0 as well, which is a byte of some encodings. */
function valueWithin(text: string, start: number, end: number): string {
  let from = start
  let to = end
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

const none: ResponseBody = { kind: 'none' }
const chunked: ResponseBody = { kind: 'chunked' }
const untilClose: ResponseBody = { kind: 'until-close' }

function finished(status: number, is11: boolean, toHead: boolean, draft: Draft): ResponseHead {
  if (draft.isChunked && (draft.length !== undefined || !is11)) throw broken('a body framed in two ways')
  const body = bodyOf(status, toHead, draft)
  const isPersistent = is11 && !draft.isClosing && body.kind !== 'until-close'
  return { status, headers: draft.headers, body, isPersistent, keepsFor: draft.keepsFor }
}

function bodyOf(status: number, toHead: boolean, draft: Draft): ResponseBody {
  if (toHead || status < 200 || status === 204 || status === 304) return none
  if (draft.isChunked) return chunked
  if (draft.length === undefined) return untilClose
  return draft.length === 0 ? none : { kind: 'length', length: draft.length }
}

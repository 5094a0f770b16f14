/**
 * The heads that travel on: what a client's head becomes for the upstream, and an upstream's for the client. A head is built from the raw
 * fields, never mutated: hop-by-hop and nominated fields are left out, claims that only the gateway may make are left out (ours are written
 * behind it). Framing is decided anew on each side, so the length of a body is read here and written by whoever sends it.
 */
import { GatewayError } from '#errors.ts'
import type { Brand } from '#lib/brand.ts'
import { Remembered } from '#lib/remembered.ts'
import { withoutCookies } from './cookies.ts'
import { FieldVerdicts, type RequestField, requestField } from './header-names.ts'

/**
 * Flat: name, value, name, value, without any field of framing or of one hop. Made in this folder alone, and not changed by anybody;
 * not `readonly` because Node's types ask for a list that is not.
 */
export type EndToEndFields = Brand<string[], 'EndToEndFields'>

/** Header lines, each with its line end. Made by {@link fieldLines} alone. */
export type FieldLines = Brand<string, 'FieldLines'>

export type BodyFraming =
  | { readonly kind: 'none' }
  /** Bytes. */
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }

export interface OutgoingHead {
  readonly fields: EndToEndFields
  /** The same, written out. */
  readonly lines: FieldLines
  readonly framing: BodyFraming
  /** The client said `TE: trailers`. */
  readonly acceptsTrailers: boolean
}

export interface IncomingHead {
  /** As Node gives them; `readRequestHead` has accepted them. */
  readonly rawHeaders: readonly string[]
  /** Is the Authorization field one of Gatehouse's own? */
  readonly isAuthorizationOurs: boolean
}

/** Builds the heads of requests. Holds what it learnt about field names, so there is one for many requests. */
export class RequestHeads {
  readonly #verdicts = new FieldVerdicts(requestField)
  /** What is left of the Cookie fields seen last: a browser sends the same one for hours. */
  readonly #cookies: Remembered<string | false>

  constructor(isOwnCookie: (name: string) => boolean) {
    this.#cookies = new Remembered((raw) => withoutCookies(raw, isOwnCookie) ?? false, cookieRoom)
  }

  /** Throws `bad_request` for a transfer coding other than `chunked`. */
  build(head: IncomingHead): OutgoingHead {
    const { rawHeaders } = head
    const nominated = nominatedFields(rawHeaders, this.#verdicts)
    const draft: Draft = { fields: [], cookies: undefined, framing: noBody, acceptsTrailers: false }
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] ?? ''
      const verdict = this.#verdicts.of(name)
      if (verdict === 'drop' || (verdict === 'pass' && nominated?.has(name.toLowerCase()))) continue
      if (verdict === 'authorization' && head.isAuthorizationOurs) continue
      take(draft, verdict, name, rawHeaders[index + 1] ?? '')
    }
    const cookies = draft.cookies === undefined ? false : this.#cookies.of(draft.cookies)
    if (cookies !== false) draft.fields.push('Cookie', cookies)
    const fields = endToEnd(draft.fields)
    return {
      fields,
      lines: fieldLines(fields),
      framing: draft.framing,
      acceptsTrailers: draft.acceptsTrailers,
    }
  }

  /** The fields of a trailer section that may follow a body (RFC 9110 section 6.5.1): none that a server acts on before it sees the body. */
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

/** What decides about content, caching, authentication or routing, which a recipient must know beforehand. */
export const neverInTrailers =
  /^(?:content-(?:encoding|type|range)|trailer|cache-control|expires|date|age|vary|location|retry-after|range|if-.*|max-forwards|origin|sec-.*|(?:www-|proxy-)?auth(?:enticat|oriz).*|set-cookie.*|pragma|host|warning)$/i

export const noBody: BodyFraming = { kind: 'none' }
const chunked: BodyFraming = { kind: 'chunked' }

interface Draft {
  readonly fields: string[]
  cookies: string | undefined
  framing: BodyFraming
  acceptsTrailers: boolean
}

function take(draft: Draft, verdict: RequestField, name: string, value: string): void {
  switch (verdict) {
    case 'pass':
    case 'host':
    case 'authorization':
      draft.fields.push(name, value)
      return
    case 'cookie':
      draft.cookies = draft.cookies === undefined ? value : `${draft.cookies}; ${value}`
      return
    case 'te':
      draft.acceptsTrailers ||= hasMember(value, 'trailers')
      return
    case 'content-length':
      draft.framing = { kind: 'length', length: Number(value) }
      return
    case 'transfer-encoding':
      draft.framing = chunkedBody(value)
      return
    case 'connection':
    case 'drop':
      return
  }
}

/** For the builders of this folder, which have looked at every field by its name. */
export function endToEnd(fields: string[]): EndToEndFields {
  return fields as EndToEndFields
}

export function fieldLines(fields: EndToEndFields): FieldLines {
  let lines = ''
  for (let index = 0; index < fields.length; index += 2) lines += `${fields[index]}: ${fields[index + 1]}\r\n`
  return lines as FieldLines
}

function chunkedBody(value: string): BodyFraming {
  if (value.toLowerCase() !== 'chunked') throw new GatewayError('bad_request', 'a transfer coding other than chunked')
  return chunked
}

const cookieRoom = { most: 10_000, longest: 1_024 }

/**
 * What a sender may not take away by naming it in `Connection`, since it is meant for the server and decisions there rest on it
 * (RFC 9110 section 7.6.1, "MUST NOT send a connection option corresponding to a field that is intended for all recipients").
 */
const notNominable = /^(?:origin|referer|content-.*|sec-.*|cache-control|expect|user-agent|accept.*|range|if-.*)$/

/** Lower case; `undefined`, as nearly always, when nothing but the usual options is named. */
export function nominatedFields(
  rawHeaders: readonly string[],
  verdicts: { of(name: string): string },
): ReadonlySet<string> | undefined {
  let nominated: Set<string> | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const value = rawHeaders[index + 1] ?? ''
    if (verdicts.of(rawHeaders[index] ?? '') !== 'connection' || value === 'keep-alive' || value === 'close') continue
    for (const member of value.split(',')) {
      const name = member.trim().toLowerCase()
      if (!notNominable.test(name)) nominated = (nominated ?? new Set()).add(name)
    }
  }
  return nominated
}

export function hasMember(value: string, member: string): boolean {
  return value.split(',').some((one) => one.trim().toLowerCase() === member)
}

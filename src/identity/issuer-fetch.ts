/** Requests to an issuer, bounded in time and size; redirects are answers like any other and never followed. */
import type { LookupFunction } from 'node:net'
import type { CustomFetch, FetchBody } from 'openid-client'
import { errors, request } from 'undici'
import { GatewayError } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { issuerDispatcher } from './issuer-dialer.ts'

export interface IssuerFetchOptions {
  readonly lookup: LookupFunction
  /** PEM of the authority that signed the issuer's certificate; the system's when absent. */
  readonly ca?: string | undefined
  /** For a whole answer; 10 s. */
  readonly hangLimit?: Milliseconds
  /** Ends every request and connection. */
  readonly signal: AbortSignal
}

/** Bytes. The largest thing an issuer sends is a token response of a few kilobytes. */
export const longestIssuerAnswer = 1024 * 1024
const defaultHangLimit: Milliseconds = 10_000

/**
 * For `openid-client` and our own requests. Rejects with `issuer_unavailable` where nothing has been sent, with `issuer_refused` for an answer that is
 * too long, and with whatever the network said where the outcome is unknown.
 */
export function issuerFetch(options: IssuerFetchOptions): CustomFetch {
  const hangLimit = options.hangLimit ?? defaultHangLimit
  const dispatcher = issuerDispatcher({ ...options, connectTimeout: hangLimit, longestBody: longestIssuerAnswer })
  const close = () => void dispatcher.destroy().catch(() => undefined)
  if (options.signal.aborted) close()
  else options.signal.addEventListener('abort', close, { once: true })

  return async (url, { method, headers, body, signal }) => {
    const signals = [AbortSignal.timeout(hangLimit), options.signal, ...(signal ? [signal] : [])]
    const answer = await request(url, {
      dispatcher,
      method: method === 'POST' ? 'POST' : 'GET',
      headers,
      body: textOf(body),
      signal: AbortSignal.any(signals),
    })
    const bytes = await answer.body.bytes().catch((cause: unknown) => {
      if (!(cause instanceof errors.ResponseExceededMaxSizeError)) throw cause
      throw new GatewayError('issuer_refused', `the issuer's answer is over ${longestIssuerAnswer} bytes`, { cause })
    })
    const status = answer.statusCode
    return new Response(hasNoBody(status) ? null : bytes, { status, headers: flat(answer.headers) })
  }
}

function textOf(body: FetchBody): string | null {
  if (body === undefined || body === null) return null
  if (typeof body === 'string') return body
  if (body instanceof URLSearchParams) return body.toString()
  throw new GatewayError('internal', 'requests to an issuer are forms')
}

/** The Fetch standard's "null body status". */
function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const result = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) result.append(name, one)
  }
  return result
}

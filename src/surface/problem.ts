/** A refusal as a value, and as `application/problem+json` (RFC 9457). */
import type { ErrorCode, GatewayError } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'

export interface Problem {
  /** For machines: `not_found`, `unprocessable`. */
  readonly code: string
  readonly status: number
  /** One plain sentence for people. */
  readonly title: string
  readonly detail?: string
  /** What is wrong with which field of the body: `grantees/0/name`. */
  readonly faults?: readonly FieldFault[]
  /** When it is worth to ask again. No part of the body: `Retry-After` says it. */
  readonly retryAfter?: Milliseconds
}

export interface FieldFault {
  readonly field: string
  readonly message: string
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem }

export const problemMediaType = 'application/problem+json'

/** The body of an answer; nothing of the request is in it but the id that finds it in the logs. */
export function problemBody(problem: Problem, requestId: string): string {
  const { code, status, title, detail, faults } = problem
  return JSON.stringify({ title, status, code, detail, faults, requestId })
}

const titles = {
  bad_request: 'The request could not be understood.',
  unauthorized: 'You are not logged in.',
  forbidden: 'This is not allowed.',
  not_found: 'There is nothing here, or nothing that you may see.',
  method_not_allowed: 'This cannot be done here.',
  conflict: 'Somebody else changed it in the meantime.',
  unprocessable: 'Some of what was sent cannot be used.',
  internal: 'Something went wrong on our side.',
  already_exists: 'There is one of that name already.',
  invalid_resource: 'Some of what was sent cannot be used.',
  expired_version: 'It changed in the meantime.',
  store_unavailable: 'Gatehouse cannot reach its store at the moment.',
  store_refused: 'Gatehouse cannot reach its store at the moment.',
  policy_refused: 'A rule of this cluster does not allow this.',
  upstream_unreachable: 'The workspace does not answer.',
  upstream_protocol: 'The workspace gave an answer that makes no sense.',
  runtime_failed: 'The workspace could not be started or stopped.',
  not_installed: 'The program of this workspace is not installed.',
  issuer_unavailable: 'The login service does not answer at the moment.',
  issuer_refused: 'The login service refused the login.',
  login_invalid: 'This login could not be completed.',
  invalid_settings: 'Something went wrong on our side.',
} as const satisfies Partial<Record<ErrorCode, string>>

const known: ReadonlyMap<string, string> = new Map(Object.entries(titles))

/** One problem, the same whether a thing does not exist or is not for this reader: neither may be told from the other. */
export const notFound: Problem = { code: 'not_found', status: 404, title: titles.not_found }

export function problem(code: ErrorCode, status: number, detail?: string): Problem {
  const title = titleOf(code)
  return detail === undefined ? { code, status, title } : { code, status, title, detail }
}

/** A fault as a problem. Its message is told only where it was written for the sender: below 500. */
export function problemOfError(error: GatewayError): Problem {
  return problem(error.code, error.status, error.status < 500 ? error.message : undefined)
}

export function titleOf(code: string): string {
  return known.get(code) ?? titles.internal
}

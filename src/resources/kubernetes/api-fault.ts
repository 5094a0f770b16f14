/** What an API server says when it refuses, as errors by code (Kubernetes API conventions, "Response Status Kind"). */
import { type ErrorCode, GatewayError } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { isJsonObject } from '#lib/merge-patch.ts'

/** A refusal of the API server. */
export class ApiFault extends GatewayError {
  /** HTTP status; that of a `Status` object where it came within a watch. */
  readonly answered: number
  /** `AlreadyExists`, `Conflict`, `Expired`, …; `''` where it gave none. */
  readonly reason: string
  /** What the refusal is about: `details.kind` (a plural resource) and `details.name`. */
  readonly about: { readonly kind: string; readonly name: string }

  constructor(code: ErrorCode, answered: number, said: Said, retryAfter?: Milliseconds) {
    super(code, `the API server answered ${answered}: ${said.message}`, retryAfter === undefined ? {} : { retryAfter })
    this.answered = answered
    this.reason = said.reason
    this.about = { kind: said.kind, name: said.name }
  }
}

interface Said {
  readonly message: string
  readonly reason: string
  readonly kind: string
  readonly name: string
  readonly retryAfterSeconds: number | undefined
  /** A patch named a uid that the object does not have: custom resources take that for an attempt to change it. */
  readonly isOtherUid: boolean
}

const longestMessage = 512

/** How an API server says that a webhook or a policy refused (apiserver, admission/plugin/webhook/errors and policy/validating); it has no field for that. */
const policyWords =
  /^admission webhook "[^"]{1,253}" denied the request|ValidatingAdmissionPolicy '[^']{1,253}' with binding '[^']{1,253}' denied request/

/** `body` is JSON, or text where the answer is not of the API server but of something in front of it. */
export function apiFault(status: number, body: unknown, retryAfter?: Milliseconds): ApiFault {
  const said = read(body)
  const wait = retryAfter ?? (said.retryAfterSeconds === undefined ? undefined : said.retryAfterSeconds * 1000)
  return new ApiFault(said.isOtherUid ? 'conflict' : codeOf(status, said), status, said, wait)
}

function codeOf(status: number, { reason, message }: Said): ErrorCode {
  switch (status) {
    case 400:
    case 413:
    case 422:
      return 'invalid_resource'
    case 401:
      return 'store_refused'
    case 403:
      return policyWords.test(message) ? 'policy_refused' : 'store_refused'
    case 404:
      return 'not_found'
    case 409:
      return reason === 'AlreadyExists' ? 'already_exists' : 'conflict'
    case 410:
      return 'expired_version'
    case 405:
    case 406:
    case 415:
      return 'internal'
    default:
      return 'store_unavailable'
  }
}

function read(body: unknown): Said {
  const status = isJsonObject(body) ? body : {}
  const details = isJsonObject(status.details) ? status.details : {}
  const seconds = details.retryAfterSeconds
  return {
    message: (text(status.message) || text(body).trim() || 'without a reason').slice(0, longestMessage),
    reason: text(status.reason),
    kind: text(details.kind),
    name: text(details.name),
    isOtherUid: causesOf(details).some((cause) => isJsonObject(cause) && cause.field === 'metadata.uid'),
    retryAfterSeconds: typeof seconds === 'number' && seconds > 0 ? seconds : undefined,
  }
}

function causesOf(details: Readonly<Record<string, unknown>>): readonly unknown[] {
  return Array.isArray(details.causes) ? details.causes : []
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** RFC 9110 section 10.2.3, in seconds; API servers give no dates. */
export function parseRetryAfter(value: unknown): Milliseconds | undefined {
  return typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined
}

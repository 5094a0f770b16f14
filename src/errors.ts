/**
 * Every fault Gatehouse can report, by code. An expected outcome (login needed, access refused) is a value, not an error;
 * an error says what broke, which HTTP status speaks for it, and whether trying again can help.
 */

interface Meaning {
  readonly status: number
  readonly retryable: boolean
}

const meanings = {
  // requests
  bad_request: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  conflict: { status: 409, retryable: true },
  unprocessable: { status: 422, retryable: false },
  internal: { status: 500, retryable: false },
  // resources
  already_exists: { status: 409, retryable: false },
  invalid_resource: { status: 422, retryable: false },
  expired_version: { status: 410, retryable: true },
  store_unavailable: { status: 503, retryable: true },
  /** The store does not let us: our account lacks a right, or is not known there. */
  store_refused: { status: 503, retryable: false },
  /** A rule that an administrator has laid down there does not allow the change. */
  policy_refused: { status: 403, retryable: false },
  /** The object is owned by a manifest file: change the file. */
  managed_by_file: { status: 409, retryable: false },
  /** The state file was written by a newer Gatehouse, or by another program. */
  incompatible_store: { status: 500, retryable: false },
  // runtime and upstream
  upstream_unreachable: { status: 502, retryable: true },
  upstream_protocol: { status: 502, retryable: false },
  /** It takes no more of a body, or sends no more of one. */
  upstream_stalled: { status: 504, retryable: false },
  /** The client sends no more of a body that it began. */
  upload_stalled: { status: 408, retryable: true },
  runtime_failed: { status: 500, retryable: true },
  not_installed: { status: 424, retryable: false },
  // identity
  issuer_unavailable: { status: 503, retryable: true },
  issuer_refused: { status: 400, retryable: false },
  login_invalid: { status: 400, retryable: false },
  // settings
  invalid_settings: { status: 500, retryable: false },
  // listeners
  /** The address is taken, is not this machine's, or may not be listened on. */
  listen_failed: { status: 500, retryable: true },
} as const satisfies Record<string, Meaning>

export type ErrorCode = keyof typeof meanings

export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly status: number
  readonly retryable: boolean
  /** Milliseconds the other side asks to be left alone for. */
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; retryAfter?: number }) {
    super(message, options)
    this.code = code
    this.retryAfter = options?.retryAfter
    this.status = meanings[code].status
    this.retryable = meanings[code].retryable
  }
}

/** Is it one of Gatehouse's own, by one of these codes? */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is GatewayError {
  return error instanceof GatewayError && codes.includes(error.code)
}

/** The message of anything thrown; never contains a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

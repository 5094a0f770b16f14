/** Why a command of the command line did not do what was asked: by code, with the exit code that scripts go by. */

/**
 * 1: it was refused, or failed. 2: not understood. 3: nobody is logged in. 4: not there, or not for this person. 5: the gateway was not reached.
 * 6: the workspace did not get where it was to be. 130: Ctrl-C.
 */
export type ExitCode = 1 | 2 | 3 | 4 | 5 | 6 | 130

/** Faults that are found on this side; whatever the gateway refuses has the gateway's own code. */
const exitCodes: ReadonlyMap<string, ExitCode> = new Map([
  ['usage', 2],
  ['no_deployment', 3],
  ['not_logged_in', 3],
  ['login_over', 3],
  ['unauthorized', 3],
  ['not_found', 4],
  ['forbidden', 4],
  ['unreachable', 5],
  ['proxy_failed', 5],
  ['certificate_refused', 5],
  ['timed_out', 5],
  ['no_gateway', 5],
  ['store_unavailable', 5],
  ['not_reached', 6],
  ['interrupted', 130],
])

export class CliFault extends Error {
  override readonly name = 'CliFault'
  /** `usage`, `not_logged_in`, `unreachable`, … or the code of the gateway's problem. */
  readonly code: string
  readonly exitCode: ExitCode
  /** Under which the gateway's log has it. */
  readonly requestId: string | undefined
  /** What to do about it. */
  readonly hint: string | undefined
  /** The gateway's answer, where it was that which said no. */
  readonly status: number | undefined

  constructor(code: string, message: string, about: FaultDetails = {}) {
    super(message, about.cause === undefined ? {} : { cause: about.cause })
    this.code = code
    this.exitCode = exitCodes.get(code) ?? 1
    this.requestId = about.requestId
    this.hint = about.hint
    this.status = about.status
  }
}

export interface FaultDetails {
  readonly requestId?: string | undefined
  readonly hint?: string
  readonly status?: number
  readonly cause?: unknown
}

/** A command line that is not understood. */
export function usageFault(message: string): CliFault {
  return new CliFault('usage', message)
}

/** Has it one of these codes? */
export function isCliFault(error: unknown, ...codes: readonly string[]): error is CliFault {
  return error instanceof CliFault && (codes.length === 0 || codes.includes(error.code))
}

/** How long a command waits for what it has asked for. */

import { usageFault } from '#cli/client/cli-fault.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { parseDuration } from '#lib/duration.ts'

export const waitOptions = {
  'no-wait': { type: 'boolean', default: false },
  timeout: { type: 'string', default: '10m' },
} as const

/** Throws `usage`. */
export function parseWaitLimit(text: string): Milliseconds {
  const limit = parseDuration(text) ?? 0
  if (limit <= 0) throw usageFault(`--timeout is a span such as 90s or 10m, not '${text}'`)
  return limit
}

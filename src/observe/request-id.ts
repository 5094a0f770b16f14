/** Names for requests, to find the log and audit lines of one. They prove nothing and are no secret. */
import { randomBytes } from 'node:crypto'

/**
 * A source of ids that differ from each other and, by 48 random bits, from those of any other process: `k2f9a1c07b3e-1z`.
 * One addition and one concatenation each, because every request takes one.
 */
export function createRequestIds(): () => string {
  const prefix = `${randomBytes(6).toString('hex')}-`
  let count = 0
  return () => {
    count += 1
    return prefix + count.toString(36)
  }
}

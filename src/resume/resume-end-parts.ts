/** What one end of a stream is made with, and whom it tells what happens. */
import type { firstLimit, Parting } from './frames.ts'

export interface ResumeEndParts {
  /** Bytes that may have come and not been taken yet; at least {@link firstLimit}. */
  readonly window: number
  /** The side that says `bye` when both have said all; the other one waits for it. */
  readonly isFirstToLeave: boolean
  readonly onData: (bytes: Buffer) => void
  /** The other side has said all it had to say. */
  readonly onEnd: () => void
  /** There may be something to ask {@link ResumeEnd.next} for. */
  readonly onSay: () => void
  /** More of what was kept has arrived. */
  readonly onFreed: () => void
  /** Once. */
  readonly onOver: (why: Parting) => void
}

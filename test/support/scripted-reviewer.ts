/** A reviewer that says what the test tells it, and counts what it is asked: for faults and counts that no API server can be made to show. */
import { GatewayError } from '#errors.ts'
import type { Reviewer, ReviewQuestion, Verdict } from '#resources/reviewer.ts'

export type Script = Verdict | 'unreachable' | 'silent' | Error

export interface ScriptedReviewer extends Reviewer {
  readonly asked: ReviewQuestion[]
  /** What it says from now on; by question where a function is given. */
  says: Script | ((question: ReviewQuestion) => Script)
  /** Let answers out one by one, by {@link release}. */
  isHeld: boolean
  release(): void
}

export function scriptedReviewer(says: ScriptedReviewer['says'] = 'allowed'): ScriptedReviewer {
  const waiting: (() => void)[] = []
  const reviewer: ScriptedReviewer = {
    asked: [],
    says,
    isHeld: false,
    release: () => waiting.shift()?.(),
    async review(question, signal) {
      reviewer.asked.push(question)
      if (reviewer.isHeld) await new Promise<void>((resolve) => waiting.push(resolve))
      const said = typeof reviewer.says === 'function' ? reviewer.says(question) : reviewer.says
      if (said === 'silent') {
        return new Promise<Verdict>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      }
      if (said === 'unreachable') throw new GatewayError('store_unavailable', 'as the test says')
      if (said instanceof Error) throw said
      return said
    },
  }
  return reviewer
}

/**
 * Tells a pod when its workspace was last active, so that an operator of somebody else's can ask in the pod. A pod says by its token that it is that pod, and is
 * told of its own run alone; whose it is, is known by the watch that routes go by.
 */
import type { LastActive } from '#activity/last-active.ts'
import type { RateLimiter } from '#lib/rate-limiter.ts'
import type { Audit } from '#observe/audit.ts'
import type { LastActiveView } from '#surface/activity-message.ts'
import { type Outcome, type Problem, problem } from '#surface/problem.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { attempt } from './desk.ts'
import { denyPod, type PodCallersParts, type PodRequest, recognisePod } from './pod-callers.ts'

export interface LastActiveDeskParts extends PodCallersParts {
  readonly activity: {
    /** Throws `store_unavailable`. */
    lastActiveOf(entry: WorkspaceEntry): Promise<LastActive>
  }
  /** How often one pod may ask, by its UID. */
  readonly perPod: RateLimiter
  readonly audit: Audit
}

export class LastActiveDesk {
  readonly #parts: LastActiveDeskParts

  constructor(parts: LastActiveDeskParts) {
    this.#parts = parts
  }

  async tell(token: string | undefined, by: PodRequest): Promise<Outcome<LastActiveView>> {
    const { perPod, audit } = this.#parts
    const outcome = await attempt(async (): Promise<Outcome<LastActiveView>> => {
      const caller = await recognisePod(token, this.#parts)
      if (caller.kind === 'refused') {
        denyPod(audit, by, `last-active:${caller.reason}`)
        return { ok: false, problem: unauthorized }
      }
      const wait = perPod.take(caller.pod)
      return wait > 0 ? { ok: false, problem: { ...tooMany, retryAfter: wait } } : this.#answer(caller.entry)
    })
    return outcome.ok ? outcome.value : outcome
  }

  async #answer(entry: WorkspaceEntry): Promise<Outcome<LastActiveView>> {
    const told = await this.#parts.activity.lastActiveOf(entry)
    switch (told.kind) {
      case 'at':
        return { ok: true, value: { lastActiveTimestamp: new Date(told.at).toISOString() } }
      case 'unknown':
        return { ok: false, problem: { ...unknown, detail: told.message } }
      case 'not-told':
        return { ok: false, problem: problem('conflict', 409, 'Its idleShutdown does not ask this.') }
    }
  }
}

/** Whatever was wrong with it stands in the audit trail. */
const unauthorized: Problem = {
  code: 'unauthorized',
  status: 401,
  title: 'Only a pod of a workspace is told this, by a token for this address alone.',
}

const unknown: Problem = { code: 'activity_unknown', status: 503, title: 'Whether it is idle is not known now.' }

const tooMany: Problem = { code: 'too_many_requests', status: 429, title: 'This pod asks too often.' }

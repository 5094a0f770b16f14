/**
 * Tells a pod when its workspace was last active, so that an operator of somebody else's can ask in the pod. A pod says by its token that it is that pod, and is
 * told of its own run alone; whose it is, is known by the watch that routes go by.
 */
import type { LastActive } from '#activity/last-active.ts'
import type { PodTokens } from '#identity/pod-token.ts'
import type { RateLimiter } from '#lib/rate-limiter.ts'
import type { Audit } from '#observe/audit.ts'
import type { LastActiveView } from '#surface/activity-message.ts'
import { type Outcome, type Problem, problem } from '#surface/problem.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { attempt } from './desk.ts'

export interface LastActiveDeskParts {
  readonly directory: Pick<Directory, 'findByInstance'>
  readonly activity: {
    /** Throws `store_unavailable`. */
    lastActiveOf(entry: WorkspaceEntry): Promise<LastActive>
  }
  readonly podTokens: PodTokens
  /** Of this Gatehouse, for nothing but this. */
  readonly audience: string
  /** How often one pod may ask, by its UID. */
  readonly perPod: RateLimiter
  readonly audit: Audit
}

/** The request that a pod asks with. */
export interface LastActiveRequest {
  readonly requestId: string
  readonly client: string
}

export class LastActiveDesk {
  readonly #parts: LastActiveDeskParts

  constructor(parts: LastActiveDeskParts) {
    this.#parts = parts
  }

  async tell(token: string | undefined, by: LastActiveRequest): Promise<Outcome<LastActiveView>> {
    if (token === undefined) return this.#refuse(by, 'no-token', unauthorized)
    const { podTokens, audience, perPod, directory } = this.#parts
    const outcome = await attempt(async () => {
      const verdict = await podTokens.verify(token, audience)
      if (verdict.kind === 'refused') return this.#refuse(by, verdict.reason, unauthorized)
      // A token outlives its pod; the pod that runs now is what counts.
      const entry = directory.findByInstance(verdict.namespace, verdict.uid)
      if (!entry) return this.#refuse(by, 'no-such-pod', unauthorized)
      const wait = perPod.take(verdict.uid)
      return wait > 0 ? { ok: false as const, problem: { ...tooMany, retryAfter: wait } } : this.#answer(entry)
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

  #refuse({ requestId, client }: LastActiveRequest, reason: string, refusal: Problem) {
    const nobody = { user: undefined, session: undefined, workspace: undefined, port: undefined }
    this.#parts.audit.record({ event: 'deny', ...nobody, requestId, client, reason: `last-active:${reason}` })
    return { ok: false as const, problem: refusal }
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

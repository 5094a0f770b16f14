/** What the console and the API ask about who works in a workspace, and the wish that it is kept for a while. */
import { longestKeep } from '#activity/clocks.ts'
import type { Reading } from '#activity/standing.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { ActivityView } from '#surface/activity-message.ts'
import { type Outcome, type Problem, problem } from '#surface/problem.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { mayModify } from '#workspace/access.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { activityView, isKeepable } from './activity-view.ts'
import { type Actor, acquaint, auditActor, notNow, type PermitParts, permit, type Right } from './actor.ts'

export interface ActivityDeskParts extends PermitParts {
  readonly activity: {
    /** Who is the first to ask for a while waits for what is written. */
    ask(entry: WorkspaceEntry): Promise<Reading>
    reading(entry: WorkspaceEntry): Reading
    /** `false`: it could not be written down, which is tried again by itself. */
    keep(entry: WorkspaceEntry, until: Timestamp, user: string): Promise<boolean>
  }
}

const keeping: Right = {
  name: 'keep',
  isHeld: mayModify,
  refusal: 'You may open this workspace, but only those who may stop it keep it.',
}

const unwritten: Problem = {
  ...problem('store_unavailable', 503),
  detail: 'It could not be written down yet that it is kept. Gatehouse goes on trying.',
}

export class ActivityDesk {
  readonly #parts: ActivityDeskParts

  constructor(parts: ActivityDeskParts) {
    this.#parts = parts
  }

  /** 404 for those who may not open it. */
  async view(actor: Actor, ref: WorkspaceRef): Promise<Outcome<ActivityView>> {
    const { audit, activity } = this.#parts
    const known = await acquaint(this.#parts, actor.session.identity, ref)
    if (known.kind === 'unavailable') return { ok: false, problem: notNow }
    if (known.kind === 'knows') return this.#viewOf(actor, ref, await activity.ask(known.entry))
    audit.record({ event: 'deny', ...auditActor(actor), workspace: refKey(ref), port: undefined, reason: known.reason })
    return { ok: false, problem: problem('not_found', 404) }
  }

  /** For an hour from now, or for what is left of its longest lifetime. 409 where there is nothing that would end it. */
  async keep(actor: Actor, ref: WorkspaceRef): Promise<Outcome<ActivityView>> {
    const { activity, audit } = this.#parts
    const permitted = await permit(this.#parts, actor, ref, keeping)
    if (!permitted.ok) return permitted
    const entry = permitted.value
    const reading = await activity.ask(entry)
    if (!isKeepable(entry, reading)) return { ok: false, problem: whyNot(entry, reading) }
    const until = Math.min(reading.at + longestKeep, reading.stopsAt ?? Number.POSITIVE_INFINITY)
    const workspace = refKey(ref)
    audit.record({ event: 'keep', ...auditActor(actor), workspace, until: new Date(until).toISOString() })
    const isWritten = await activity.keep(entry, until, actor.session.identity.username)
    return isWritten ? this.#viewOf(actor, ref, activity.reading(entry)) : { ok: false, problem: unwritten }
  }

  /** What was waited for may have taken the right away. */
  async #viewOf(actor: Actor, ref: WorkspaceRef, reading: Reading): Promise<Outcome<ActivityView>> {
    const { policy } = this.#parts
    const { identity } = actor.session
    const known = await acquaint(this.#parts, identity, ref)
    if (known.kind === 'unavailable') return { ok: false, problem: notNow }
    if (known.kind === 'stranger') return { ok: false, problem: problem('not_found', 404) }
    return { ok: true, value: activityView(known.entry, reading, identity, policy) }
  }
}

function whyNot({ state }: WorkspaceEntry, { rule }: Reading): Problem {
  if (state.phase !== 'Running') return problem('conflict', 409, 'It does not run.')
  if (rule.kind === 'unknown') return problem('conflict', 409, rule.problem)
  if (rule.kind === 'off') return problem('conflict', 409, 'Nobody asks that it stops by itself.')
  return problem('conflict', 409, 'It has run for as long as is allowed.')
}

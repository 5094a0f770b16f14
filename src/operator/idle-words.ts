/** Decisions about idle workspaces, as they are written down and told. */
import type { Activity } from '#activity/activity-record.ts'
import type { IdleDecision } from '#activity/idle-decision.ts'
import { rfc3339Of } from '#identity/rfc3339.ts'

export function verdictOf(decision: IdleDecision): NonNullable<Activity['verdict']> {
  return decision.kind === 'idle'
    ? { idle: true, reason: decision.because, message: sayStopped(decision) }
    : { idle: false, reason: decision.reason, message: decision.message, ...soonest(decision) }
}

function soonest(decision: IdleDecision): { readonly idleAt?: string } {
  const { idleAt } = decision.kind === 'not-idle' ? decision : {}
  return idleAt === undefined ? {} : { idleAt: rfc3339Of(idleAt) }
}

export function sayStopped({ because, last, idleFor }: IdleDecision & { readonly kind: 'idle' }): string {
  const minutes = Math.floor(idleFor / 60_000)
  return because === 'lifetime'
    ? `Stopping workspace, which has run for ${minutes} minutes: no longer is allowed.`
    : `Stopping workspace due to ${minutes} minutes without activity (${last.source} at ${new Date(last.at).toISOString()}).`
}

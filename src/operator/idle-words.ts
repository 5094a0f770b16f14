/** Decisions about idle workspaces, as they are written down and told. */
import type { Activity } from '#activity/activity-record.ts'
import type { IdleDecision } from '#activity/idle-decision.ts'
import { rfc3339Of } from '#identity/rfc3339.ts'

export function verdictOf(decision: IdleDecision): NonNullable<Activity['verdict']> {
  return decision.kind === 'idle'
    ? { idle: true, reason: decision.because, message: sayStopped(decision), ...soonest(decision), ...lastOf(decision) }
    : { idle: false, reason: decision.reason, message: decision.message, ...soonest(decision) }
}

function lastOf({ last }: IdleDecision & { kind: 'idle' }): { readonly lastAt: string } {
  return { lastAt: rfc3339Of(last.at) }
}

/** Of one that is idle, the moment at which it was found so last. */
function soonest(decision: IdleDecision): { readonly idleAt?: string } {
  switch (decision.kind) {
    case 'idle':
      return { idleAt: rfc3339Of(decision.last.at + decision.idleFor) }
    case 'not-idle':
      return decision.idleAt === undefined ? {} : { idleAt: rfc3339Of(decision.idleAt) }
    case 'unknown':
      return {}
  }
}

export function sayStopped({ because, last, idleFor }: IdleDecision & { readonly kind: 'idle' }): string {
  const minutes = Math.floor(idleFor / 60_000)
  return because === 'lifetime'
    ? `Stopping workspace, which has run for ${minutes} minutes: no longer is allowed.`
    : `Stopping workspace due to ${minutes} minutes without activity (${last.source} at ${new Date(last.at).toISOString()}).`
}

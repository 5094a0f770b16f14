/** Whose it is to stop a workspace that is idle: Gatehouse's, or that of somebody else's operator, which goes by what it is told. */
import type { IdleDecision } from '#activity/idle-decision.ts'
import type { IdlePolicy } from '#activity/idle-policy.ts'
import type { Milliseconds } from '#lib/clock.ts'

/** For an operator that looks every five minutes to have stopped it. */
const operatorsTime: Milliseconds = 15 * 60_000

export function isOurs({ operatorTimeout }: IdlePolicy): boolean {
  return operatorTimeout === undefined
}

/** It has lived for longer than it may, and the operator has had the time to stop it. */
export function isOverdue(
  { maxLifetime = 0 }: IdlePolicy,
  { because, idleFor }: IdleDecision & { kind: 'idle' },
): boolean {
  return because === 'lifetime' && idleFor > maxLifetime + operatorsTime
}

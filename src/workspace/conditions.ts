/** `Workspace.status.conditions` as upstream and Gatehouse's operator write them, read by whoever wants to know what became of a workspace. */
import Type, { type Static } from 'typebox'
import type { Timestamp } from '#lib/clock.ts'
import { checkerOf } from '#lib/schema.ts'
import type { Workspace } from './workspace.ts'

const Condition = Type.Object({
  type: Type.String(),
  status: Type.Union([Type.Literal('True'), Type.Literal('False'), Type.Literal('Unknown')]),
  reason: Type.String(),
  message: Type.String({ default: '' }),
  /** RFC 3339. */
  lastTransitionTime: Type.Optional(Type.String()),
  observedGeneration: Type.Optional(Type.Integer()),
})

export type Condition = Static<typeof Condition>

const check = checkerOf(Type.Array(Condition))

/** Of the `Degraded` condition of a workspace whose start took too long: it was stopped, and somebody wants to know why. */
export const startTimedOut = 'StartTimedOut'

/** When its run began, as far as the conditions tell; `undefined`: it does not run. */
export function runsSince(workspace: Workspace): Timestamp | undefined {
  const available = conditionsIn(workspace).find(({ type, status }) => type === 'Available' && status === 'True')
  const at = Date.parse(available?.lastTransitionTime ?? '')
  return Number.isNaN(at) ? undefined : at
}

/** None where there are none, or where somebody wrote what is not a list of conditions. */
export function conditionsIn(workspace: Workspace): readonly Condition[] {
  const checked = check(workspace.status.conditions ?? [])
  return checked.ok ? checked.value : []
}

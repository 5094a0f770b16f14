/**
 * `WorkspaceManager`: what an administrator changes of one gateway while it runs. It lives in the gateway's own namespace, under the name that the
 * gateway was started with. Its spec is kept as it was written (`settings/managed-schema.ts` says what it may hold): what can't be served is refused in
 * `status`, where whoever wrote it looks, and must not look as if there were no manager.
 */
import Type, { type Static } from 'typebox'
import { GatewayError } from '#errors.ts'
import { checkerOf, sayFaults } from '#lib/schema.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'

const Condition = Type.Object({
  type: Type.String(),
  status: Type.Union([Type.Literal('True'), Type.Literal('False'), Type.Literal('Unknown')]),
  reason: Type.String(),
  message: Type.String({ default: '' }),
  /** RFC 3339. */
  lastTransitionTime: Type.Optional(Type.String()),
  /** The generation of `spec` that it speaks of. */
  observedGeneration: Type.Optional(Type.Integer()),
})

const ManagerStatus = Type.Object({
  observedGeneration: Type.Optional(Type.Integer()),
  conditions: Type.Array(Condition, { default: [] }),
})

export interface ManagerSpec {
  readonly [field: string]: unknown
}

export type ManagerStatus = Static<typeof ManagerStatus>
export type WorkspaceManager = Resource<ManagerSpec, ManagerStatus>

const checkStatus = checkerOf(ManagerStatus)

export const managerKind: ResourceKind<WorkspaceManager> = {
  group: 'workspace.jupyter.org',
  version: 'v1alpha1',
  kind: 'WorkspaceManager',
  plural: 'workspacemanagers',
  parseSpec: (value) => (typeof value === 'object' && value !== null ? { ...value } : {}),
  parseStatus(value) {
    const checked = checkStatus(value ?? {})
    if (!checked.ok) throw new GatewayError('invalid_resource', sayFaults(checked.faults))
    return checked.value
  },
}

/** `InForce`: it is what the gateway goes by. `Invalid`: it is not, and what was in force before still is. */
export interface ManagerVerdict {
  readonly reason: 'InForce' | 'Invalid'
  readonly message: string
}

/** Characters; more would only hide what comes first. */
const longestMessage = 4_096

/**
 * `status` as it should be; `undefined` when that is how it is, so that nothing is written twice, by whichever replica.
 * Conditions of others stay as they are.
 */
export function statusAfter(
  manager: WorkspaceManager,
  verdict: ManagerVerdict,
  now: string,
): ManagerStatus | undefined {
  const { generation } = manager.metadata
  const { conditions } = manager.status
  const before = conditions.find((condition) => condition.type === accepted)
  const status = verdict.reason === 'InForce' ? 'True' : 'False'
  const message =
    verdict.message.length > longestMessage ? `${verdict.message.slice(0, longestMessage - 1)}…` : verdict.message
  const isSaid =
    before?.status === status &&
    before.reason === verdict.reason &&
    before.message === message &&
    before.observedGeneration === generation &&
    manager.status.observedGeneration === generation
  if (isSaid) return undefined
  const since = before?.status === status ? before.lastTransitionTime : undefined
  const after: ManagerStatus['conditions'][number] = {
    ...{ type: accepted, status, reason: verdict.reason, message, observedGeneration: generation },
    lastTransitionTime: since ?? now,
  }
  const others = conditions.filter((condition) => condition.type !== accepted)
  return { observedGeneration: generation, conditions: [...others, after] }
}

const accepted = 'Accepted'

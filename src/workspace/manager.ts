/**
 * `WorkspaceManager`: what an administrator changes of one gateway while it runs. It lives in the gateway's own namespace, under the name that the
 * gateway was started with. Its spec is kept as it was written (`settings/managed-schema.ts` says what it may hold): what can't be served is refused in
 * `status`, where whoever wrote it looks, and must not look as if there were no manager.
 */
import { isDeepStrictEqual } from 'node:util'
import Type, { type Static } from 'typebox'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { parserOf } from '#resources/parsing.ts'

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

const parseStatus = parserOf(ManagerStatus)

export const managerKind: ResourceKind<WorkspaceManager> = {
  group: 'workspace.jupyter.org',
  version: 'v1alpha1',
  kind: 'WorkspaceManager',
  plural: 'workspacemanagers',
  parseSpec: (value) => (typeof value === 'object' && value !== null ? { ...value } : {}),
  parseStatus: (value) => parseStatus(value ?? {}),
}

/**
 * `InForce`: it is what the gateway goes by. `Invalid`: it is not, and what was in force before still is, until somebody changes it.
 * `SecretUnusable`: likewise, until the Secrets that it refers to are there, which is looked for by itself.
 */
export interface ManagerVerdict {
  readonly reason: 'InForce' | 'Invalid' | 'SecretUnusable'
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
  const status = verdict.reason === 'InForce' ? 'True' : 'False'
  const after = withCondition(manager, { type: accepted, status, ...verdict, observedGeneration: generation }, now)
  if (after === undefined && manager.status.observedGeneration === generation) return undefined
  return { observedGeneration: generation, conditions: after ?? manager.status.conditions }
}

/** What a gateway says of what it leans on; whatever the generation of the spec. */
export interface PolicyVerdict {
  readonly status: 'True' | 'False'
  readonly reason: 'InForce' | 'Missing'
  readonly message: string
}

/** As {@link statusAfter}. */
export function statusWithPolicies(
  manager: WorkspaceManager,
  verdict: PolicyVerdict,
  now: string,
): Pick<ManagerStatus, 'conditions'> | undefined {
  const conditions = withCondition(manager, { type: policiesInForce, ...verdict }, now)
  return conditions && { conditions }
}

type Condition = Static<typeof Condition>

/** Those of others, and this one in its place; `undefined` when it says so already. */
function withCondition({ status }: WorkspaceManager, claim: Condition, now: string): Condition[] | undefined {
  const before = status.conditions.find(({ type }) => type === claim.type)
  const message =
    claim.message.length > longestMessage ? `${claim.message.slice(0, longestMessage - 1)}…` : claim.message
  const since = before?.status === claim.status ? before.lastTransitionTime : undefined
  const after = { ...claim, message, lastTransitionTime: since ?? now }
  if (isDeepStrictEqual(before, after)) return undefined
  return [...status.conditions.filter(({ type }) => type !== claim.type), after]
}

const accepted = 'Accepted'
const policiesInForce = 'PoliciesInForce'

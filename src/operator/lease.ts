/** `Lease` of `coordination.k8s.io`: who does what only one may do. Times in it are for people; nobody compares them with a clock of his own. */
import Type, { type Static } from 'typebox'
import type { Timestamp } from '#lib/clock.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { parserOf } from '#resources/parsing.ts'

const LeaseSpec = Type.Object({
  /** Empty: given back. */
  holderIdentity: Type.Optional(Type.String()),
  leaseDurationSeconds: Type.Optional(Type.Integer()),
  /** RFC 3339 with microseconds, as `renewTime`. */
  acquireTime: Type.Optional(Type.String()),
  renewTime: Type.Optional(Type.String()),
  leaseTransitions: Type.Optional(Type.Integer()),
})

export type LeaseSpec = Static<typeof LeaseSpec>
export type Lease = Resource<LeaseSpec, undefined>

export const leaseKind: ResourceKind<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  parseSpec: parserOf(LeaseSpec),
  parseStatus: () => undefined,
}

/** Kubernetes' `MicroTime`. */
export function microTime(at: Timestamp): string {
  return new Date(at).toISOString().replace('Z', '000Z')
}

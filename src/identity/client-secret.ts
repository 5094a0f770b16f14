/** The Secrets that hold what issuers gave Gatehouse: in its own namespace, named by the manager, and read by name alone. */
import Type, { type Static } from 'typebox'
import { GatewayError } from '#errors.ts'
import { checkerOf, sayFaults } from '#lib/schema.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'

/** Its texts by key; in a cluster `data` holds them in base64. */
const ClientSecretSpec = Type.Record(Type.String(), Type.String())

export type ClientSecretRecord = Resource<Static<typeof ClientSecretSpec>, undefined>

const check = checkerOf(ClientSecretSpec)

export const clientSecretKind: ResourceKind<ClientSecretRecord> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  parseSpec(value) {
    const checked = check(value)
    // The faults name paths and rules, never a value: nothing secret gets into a message.
    if (!checked.ok) throw new GatewayError('invalid_resource', sayFaults(checked.faults))
    return checked.value
  },
  parseStatus: () => undefined,
}

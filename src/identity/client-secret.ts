/** The Secrets that hold what issuers gave Gatehouse: in its own namespace, named by the manager, and read by name alone. */
import Type, { type Static } from 'typebox'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { parserOf } from '#resources/parsing.ts'

/** Its texts by key; in a cluster `data` holds them in base64. */
const ClientSecretSpec = Type.Record(Type.String(), Type.String())

export type ClientSecretRecord = Resource<Static<typeof ClientSecretSpec>, undefined>

export const clientSecretKind: ResourceKind<ClientSecretRecord> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  parseSpec: parserOf(ClientSecretSpec),
  parseStatus: () => undefined,
}

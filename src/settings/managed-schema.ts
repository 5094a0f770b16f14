/**
 * The `spec` of a `WorkspaceManager`: what a cluster's administrator changes while the gateway runs. A key means what the key of the same name in the
 * settings file means, and goes by the same schema. What is absent is as the settings file says; what is present replaces that as a whole.
 *
 * | field | type | |
 * |---|---|---|
 * | `domain` | string, required | a lower-case DNS name of at most 189 characters |
 * | `routing.mode` | `host`, `path` | `host` |
 * | `routing.insecureSharedOrigin` | boolean | `false` |
 * | `oidc[].id` | string | a DNS label; made of issuer and client id when absent |
 * | `oidc[].displayName` | string | the issuer's host when absent |
 * | `oidc[].issuer` | string, required | an https URL without user, query and fragment |
 * | `oidc[].clientId` | string, required | |
 * | `oidc[].clientSecretRef.name`, `.key` | string, both required | a Secret in Gatehouse's own namespace; no reference: a public client |
 * | `oidc[].scopes[]` | string, at least one | `openid`, `profile`, `email` |
 * | `oidc[].usernameClaim`, `.groupsClaim` | string | `preferred_username`, `groups` |
 * | `oidc[].usernamePrefix`, `.groupsPrefix` | string, at most 64 characters | empty |
 * | `connections.<pattern>.port` | integer, 1 to 65535 | |
 * | `connections.<pattern>.maxPerWorkspace`, `.maxPerUser` | integer, at least 1 | |
 * | `connections.<pattern>.idle`, `.max` | duration such as `60m` | |
 * | `connections.<pattern>.minMemory` | quantity such as `8Gi`, or bytes | |
 * | `locked[]` | string, not empty | usernames, as mapped; those of the settings file stay locked too |
 * | `administrators.groups[]`, `.users[]` | string, not empty | as mapped |
 * | `access.defaultAccessType` | `OwnerOnly`, `Public` | `OwnerOnly` |
 */
import { type Static, Type } from 'typebox'
import { issuerSchema, keys, settingsSchema } from './schema.ts'

const { domain, routing, connections, locked, administrators, access } = settingsSchema.properties
const { id: _id, clientSecret: _clientSecret, caFile: _caFile, ...issuer } = issuerSchema.properties

/** A key of a Secret: `tls.crt`, `client-secret`. */
const secretKey = Type.String({ pattern: '^[-._a-zA-Z0-9]{1,253}$' })

export const managedIssuerSchema = keys({
  ...issuer,
  id: Type.Optional(issuerSchema.properties.id),
  clientSecretRef: Type.Optional(keys({ name: Type.String({ format: 'subdomain' }), key: secretKey })),
})

export const managedSchema = keys({
  domain,
  routing: Type.Optional(routing),
  oidc: Type.Optional(Type.Array(managedIssuerSchema)),
  connections: Type.Optional(connections),
  locked: Type.Optional(locked),
  administrators: Type.Optional(administrators),
  access: Type.Optional(access),
})

export type RawManaged = Static<typeof managedSchema>
export type RawManagedIssuer = Static<typeof managedIssuerSchema>
export type ClientSecretRef = NonNullable<RawManagedIssuer['clientSecretRef']>

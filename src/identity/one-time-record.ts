/** `OneTimeRecord`: its existence says that something has happened (a ticket was used), is settled (whom a username belongs to), or is taken (a place). */
import { createHash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { GatewayError } from '#errors.ts'
import { encodeBase32 } from '#lib/base32.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { parserOf } from '#resources/parsing.ts'
import { isInstant, rfc3339 } from './rfc3339.ts'

const OneTimeSpec = Type.Union([
  Type.Object({ purpose: Type.Literal('once'), expiresAt: rfc3339 }),
  /** Stays until an administrator deletes it. */
  Type.Object({
    purpose: Type.Literal('username'),
    username: Type.String(),
    issuer: Type.String(),
    subject: Type.String(),
  }),
  /** One of the places that somebody, or something, has for what may be open at once. */
  Type.Object({ purpose: Type.Literal('slot'), of: Type.String(), holder: Type.String() }),
  /** Whoever holds places is alive; another one takes its place while he is. */
  Type.Object({
    purpose: Type.Literal('holder'),
    holder: Type.String(),
    /** `HOST:PORT` where other replicas ask it for connections through agents. */
    address: Type.Optional(Type.String()),
    expiresAt: rfc3339,
  }),
])

export type OneTimeSpec = Static<typeof OneTimeSpec>
export type OneTimeRecord = Resource<OneTimeSpec, undefined>

const parse = parserOf(OneTimeSpec)

export const oneTimeKind: ResourceKind<OneTimeRecord> = {
  group: 'gatehouse.dev',
  version: 'v1alpha1',
  kind: 'OneTimeRecord',
  plural: 'onetimerecords',
  parseSpec(value) {
    const spec = parse(value)
    if ('expiresAt' in spec && !isInstant(spec.expiresAt)) {
      throw new GatewayError('invalid_resource', '/expiresAt is no date')
    }
    return spec
  },
  parseStatus: () => undefined,
}

/** Of any key a legal name, and never the same one for two purposes or two keys. */
export function oneTimeName(purpose: OneTimeSpec['purpose'], key: string): string {
  return encodeBase32(
    createHash('sha256')
      .update(JSON.stringify([purpose, key]))
      .digest(),
  )
}

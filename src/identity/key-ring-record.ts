/** How a key ring is kept: one `Secret` in Gatehouse's own namespace, the newest key last. */
import { randomBytes } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { GatewayError } from '#errors.ts'
import type { Timestamp } from '#lib/clock.ts'
import { checkerOf, sayFaults } from '#lib/schema.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { isInstant, rfc3339, rfc3339Of } from './rfc3339.ts'

/** Hexadecimal, so that it never holds the dots and underscores that separate it from what follows. */
const kidPattern = '^[0-9a-f]{8}$'

const KeySpec = Type.Object(
  {
    kid: Type.String({ pattern: kidPattern }),
    createdAt: rfc3339,
    /** 32 bytes in base64url. */
    secret: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
  },
  { additionalProperties: false },
)

const KeyRingSpec = Type.Object(
  { keys: Type.Array(KeySpec, { minItems: 1, maxItems: 64 }) },
  { additionalProperties: false },
)

export type KeySpec = Static<typeof KeySpec>
export type KeyRingRecord = Resource<Static<typeof KeyRingSpec>, undefined>

export type KeyRingKind = ResourceKind<KeyRingRecord>

export const keyRingName = 'gatehouse-session-keys'

const check = checkerOf(KeyRingSpec)

export const keyRingKind: KeyRingKind = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  parseSpec(value) {
    const checked = check(value)
    // The faults name paths and rules, never a value: nothing of a key gets into a message.
    if (!checked.ok) throw invalid(sayFaults(checked.faults))
    const { keys } = checked.value
    if (new Set(keys.map((key) => key.kid)).size < keys.length) throw invalid('two keys have the same kid')
    if (!keys.every((key) => isInstant(key.createdAt))) throw invalid('createdAt is no date')
    return checked.value
  },
  parseStatus: () => undefined,
}

/** A key with a kid that none of `others` has. */
export function newKey(now: Timestamp, others: readonly KeySpec[]): KeySpec {
  let kid = randomBytes(4).toString('hex')
  while (others.some((other) => other.kid === kid)) kid = randomBytes(4).toString('hex')
  return { kid, createdAt: rfc3339Of(now), secret: randomBytes(32).toString('base64url') }
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_resource', message)
}

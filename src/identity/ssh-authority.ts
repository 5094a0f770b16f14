/**
 * The authority of SSH certificates: a key ring of its own, in a Secret of its own, since its keys live for months where those of sessions live for a day.
 * Each secret of the ring makes two keys by HKDF, one that signs people and one that signs hosts: what vouches for a host can let nobody in.
 */
import type { KeyObject } from 'node:crypto'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Secret } from '#settings/secret.ts'
import { publicKeyOf, type SshPublicKey } from '#ssh/public-key.ts'
import { type DatedKey, type KeyRing, type KeyRingOptions, openRing } from './key-ring.ts'
import { type KeyRingKind, keyRingKind } from './key-ring-record.ts'
import { deriveEd25519, secretBytesOf } from './ring-key.ts'
import type { RingTimes } from './ring-schedule.ts'

export interface SshAuthority extends DatedKey {
  /** Signs people. */
  readonly people: SigningKey
  /** Signs hosts. */
  readonly hosts: SigningKey
}

export interface SigningKey {
  readonly privateKey: KeyObject
  readonly publicKey: SshPublicKey
}

export type SshAuthorities = KeyRing<SshAuthority>

export const sshAuthorityName = 'gatehouse-ssh-authority'

/** Of its own, so that a store which may see single Secrets alone can be told of each by its name. */
export const sshAuthorityKind: KeyRingKind = { ...keyRingKind }

const day: Milliseconds = 24 * 3_600_000

/**
 * A new key signs nothing in its first day, in which every pod and every command line hears of it; the one before it is trusted until what it signed
 * last has run out, certificates of hosts after a day.
 */
const times: RingTimes = { rotateEvery: 90 * day, keep: 92 * day, settle: day }

export function openSshAuthorities(options: Omit<KeyRingOptions, 'times'>): SshAuthorities {
  return openRing({ ...options, times, kind: sshAuthorityKind, name: sshAuthorityName, derive: deriveAuthority })
}

/** Throws `invalid_resource` when the secret is not 32 bytes in base64url. */
export function deriveAuthority(kid: string, createdAt: Timestamp, secret: Secret): SshAuthority {
  const bytes = secretBytesOf(kid, secret)
  return {
    kid,
    createdAt,
    people: signingKey(deriveEd25519(bytes, 'gatehouse/ssh/people/ed25519')),
    hosts: signingKey(deriveEd25519(bytes, 'gatehouse/ssh/hosts/ed25519')),
  }
}

function signingKey(privateKey: KeyObject): SigningKey {
  return { privateKey, publicKey: publicKeyOf(privateKey) }
}

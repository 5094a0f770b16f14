/**
 * One key of the ring. A secret of 32 bytes never does any work itself: HKDF-SHA256 (RFC 5869) makes one key of it for each use,
 * so that what one use gives away is worth nothing to another.
 */
import { createPrivateKey, createPublicKey, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { GatewayError } from '#errors.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { Secret } from '#settings/secret.ts'

/** Public half of an assertion key (RFC 8037), as `jwks.json` shows it. */
export interface AssertionJwk {
  readonly kty: 'OKP'
  readonly crv: 'Ed25519'
  readonly x: string
  readonly use: 'sig'
  readonly alg: 'EdDSA'
  readonly kid: string
}

export interface RingKey {
  readonly kid: string
  readonly createdAt: Timestamp
  /** HMAC-SHA256: cookies and CLI secrets. */
  readonly cookies: KeyObject
  /** HMAC-SHA256: whom a session's record speaks for. */
  readonly records: KeyObject
  /** AES-256-GCM: what only Gatehouse may read again. */
  readonly sealing: KeyObject
  /** Ed25519: assertions for workspaces. */
  readonly assertions: KeyObject
  readonly jwk: AssertionJwk
}

const secretBytes = 32

/** Throws `invalid_resource` when the secret is not 32 bytes in base64url. */
export function deriveRingKey(kid: string, createdAt: Timestamp, secret: Secret): RingKey {
  const bytes = secretBytesOf(kid, secret)
  const assertions = deriveEd25519(bytes, 'gatehouse/assertions/ed25519')
  return {
    kid,
    createdAt,
    cookies: createSecretKey(derive(bytes, 'gatehouse/cookies/hmac-sha256')),
    records: createSecretKey(derive(bytes, 'gatehouse/records/hmac-sha256')),
    sealing: createSecretKey(derive(bytes, 'gatehouse/sealing/aes-256-gcm')),
    assertions,
    jwk: jwkOf(assertions, kid),
  }
}

/** Throws `invalid_resource` when the secret is not 32 bytes in base64url. */
export function secretBytesOf(kid: string, secret: Secret): Buffer {
  const bytes = Buffer.from(secret.reveal(), 'base64url')
  if (bytes.length !== secretBytes) throw new GatewayError('invalid_resource', `key ${kid} is not ${secretBytes} bytes`)
  return bytes
}

function derive(secret: Buffer, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, 32))
}

/** RFC 8410 section 7: everything of a PKCS#8 Ed25519 key before its 32 bytes of seed. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** `info`: what it is for, and for nothing else. */
export function deriveEd25519(secret: Buffer, info: string): KeyObject {
  const seed = derive(secret, info)
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
}

function jwkOf(key: KeyObject, kid: string): AssertionJwk {
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  if (x === undefined) throw new GatewayError('internal', 'an Ed25519 key has no x')
  return { kty: 'OKP', crv: 'Ed25519', x, use: 'sig', alg: 'EdDSA', kid }
}

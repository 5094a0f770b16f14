/**
 * Text that only Gatehouse can read again: AES-256-GCM under the key ring. What it is for, and what it belongs to, are part of the seal,
 * so that a sealed value moved to another place is worth nothing there.
 *
 * Form: `kid.head.body`, the last two in base64url; head = nonce ‖ expiry, body = ciphertext ‖ tag.
 * A random nonce of 96 bits is good for 2^32 messages under one key (NIST SP 800-38D section 8.3); a key seals for one day.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'
import type { Clock, Timestamp } from '#lib/clock.ts'
import { bytesOfBase64url } from './base64url.ts'
import type { KeyRing } from './key-ring.ts'

export interface SealContext {
  /** What the value belongs to: a session's name, a scope. Compared as a list, so `['a', 'bc']` is not `['ab', 'c']`. */
  readonly associatedData?: readonly string[]
}

export interface Sealer {
  /** `expiresAt` is sealed with it: from then on {@link open} gives nothing. Absent: as long as the key is in the ring. */
  seal(purpose: string, plaintext: string, context?: SealContext & { readonly expiresAt?: Timestamp }): string
  /** `undefined` for whatever is wrong with it; never throws on what came from outside. */
  open(purpose: string, sealed: string, context?: SealContext): string | undefined
}

const algorithm = 'aes-256-gcm'
const nonceBytes = 12
const expiryBytes = 6
const tagBytes = 16
/** Longer ones are not looked at: nothing of ours comes near it. */
const longestSealed = 64 * 1024

export function createSealer(options: { readonly keyRing: KeyRing; readonly clock: Clock }): Sealer {
  const { keyRing, clock } = options
  return {
    seal(purpose, plaintext, context = {}) {
      const key = keyRing.current()
      const head = Buffer.alloc(nonceBytes + expiryBytes)
      randomBytes(nonceBytes).copy(head)
      // 0 is "never"; a time before 1970 has passed as well as any.
      if (context.expiresAt !== undefined)
        head.writeUIntBE(Math.max(Math.floor(context.expiresAt), 1), nonceBytes, expiryBytes)
      const body = encrypt(key.sealing, head, boundTo(purpose, key.kid, head, context), plaintext)
      return `${key.kid}.${head.toString('base64url')}.${body.toString('base64url')}`
    },
    open(purpose, sealed, context = {}) {
      const parts = partsOf(sealed)
      const key = parts && keyRing.find(parts.kid)
      if (!parts || !key) return undefined
      const expiry = parts.head.readUIntBE(nonceBytes, expiryBytes)
      const text = decrypt(key.sealing, parts, boundTo(purpose, parts.kid, parts.head, context))
      return expiry !== 0 && clock.now() >= expiry ? undefined : text
    },
  }
}

interface Parts {
  readonly kid: string
  readonly head: Buffer
  readonly body: Buffer
}

function partsOf(sealed: string): Parts | undefined {
  if (sealed.length > longestSealed) return undefined
  const [kid = '', headText = '', bodyText = '', ...rest] = sealed.split('.', 4)
  const head = bytesOfBase64url(headText)
  const body = bytesOfBase64url(bodyText)
  if (head?.length !== nonceBytes + expiryBytes || !body || body.length < tagBytes || rest.length > 0) return undefined
  return { kid, head, body }
}

function boundTo(purpose: string, kid: string, head: Buffer, context: SealContext): Buffer {
  return Buffer.from(
    JSON.stringify(['gatehouse-seal-1', purpose, kid, head.toString('base64url'), ...(context.associatedData ?? [])]),
  )
}

function encrypt(key: KeyObject, head: Buffer, associated: Buffer, plaintext: string): Buffer {
  const cipher = createCipheriv(algorithm, key, head.subarray(0, nonceBytes), { authTagLength: tagBytes })
  cipher.setAAD(associated)
  return Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: KeyObject, { head, body }: Parts, associated: Buffer): string | undefined {
  const decipher = createDecipheriv(algorithm, key, head.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(associated)
  decipher.setAuthTag(body.subarray(-tagBytes))
  const text = decipher.update(body.subarray(0, -tagBytes))
  try {
    return Buffer.concat([text, decipher.final()]).toString('utf8')
  } catch {
    // The one thing `final` throws for: the tag does not match, which is an answer and no fault.
    return undefined
  }
}

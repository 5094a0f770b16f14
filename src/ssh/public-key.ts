/**
 * Public Ed25519 keys of SSH (RFC 8709) as one line of text, the way OpenSSH keeps them. No other kind is read: RSA and ECDSA are refused, and so are keys
 * of hardware tokens, whose certificates are of another kind.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import type { Brand } from '#lib/brand.ts'
import { readStrings, sshString } from './wire.ts'

/** The 32 bytes of the point. Made by {@link parsePublicKey} and {@link publicKeyOf} alone. */
export type SshPublicKey = Brand<Buffer, 'SshPublicKey'>

export const ed25519 = 'ssh-ed25519'

export type PublicKeyFault =
  /** It is no line `type base64 [comment]`, or what is encoded in it is cut off, has more, or says another type. */
  | 'key_malformed'
  /** It is a key, or a certificate, of another kind. */
  | 'key_type_refused'

export type ParsedPublicKey =
  | { readonly kind: 'key'; readonly key: SshPublicKey }
  | { readonly kind: 'refused'; readonly reason: PublicKeyFault }

const keyBytes = 32
/** Longer than any line of such a key with a comment that a person would write. */
const longestLine = 1024
const typeForm = /^[a-z0-9@.-]{1,64}$/

/** The one line of `id_ed25519.pub`, with or without its end. Its comment, if it has one, is ignored. */
export function parsePublicKey(text: string): ParsedPublicKey {
  const line = text.replace(/\r?\n$/, '')
  const [type = '', base64 = ''] = line.length > longestLine || /[\r\n\0]/.test(line) ? [] : line.trim().split(/[ \t]+/)
  if (!typeForm.test(type)) return malformed
  if (type !== ed25519) return { kind: 'refused', reason: 'key_type_refused' }
  const blob = Buffer.from(base64, 'base64')
  // Node ignores whatever is no base64: only what reads the same when it is written again is that.
  if (blob.toString('base64') !== base64) return malformed
  const [inner, point, ...more] = readStrings(blob) ?? []
  const isWhole = inner?.toString('latin1') === ed25519 && point?.length === keyBytes && more.length === 0
  // It is of the right length: the one place where bytes from outside become a key.
  return isWhole && point ? { kind: 'key', key: Buffer.from(point) as SshPublicKey } : malformed
}

const malformed: ParsedPublicKey = { kind: 'refused', reason: 'key_malformed' }

/** Of either half of an Ed25519 pair. */
export function publicKeyOf(key: KeyObject): SshPublicKey {
  const { x = '' } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  const point = Buffer.from(x, 'base64url')
  if (key.asymmetricKeyType !== 'ed25519' || point.length !== keyBytes) throw new TypeError('this is no Ed25519 key')
  // RFC 8037 section 2: `x` is the point.
  return point as SshPublicKey
}

/** As keys and signatures hold it: type and point. */
export function publicKeyBlob(key: SshPublicKey): Buffer {
  return Buffer.concat([sshString(ed25519), sshString(key)])
}

export function publicKeyLine(key: SshPublicKey, comment?: string): string {
  const line = `${ed25519} ${publicKeyBlob(key).toString('base64')}`
  return comment === undefined ? line : `${line} ${comment}`
}

/** `SHA256:…`, as `ssh-keygen -l` says it. */
export function fingerprintOf(key: SshPublicKey): string {
  const digest = createHash('sha256').update(publicKeyBlob(key)).digest('base64')
  return `SHA256:${digest.replace(/=+$/, '')}`
}

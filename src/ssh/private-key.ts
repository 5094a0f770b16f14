/** New Ed25519 keys, as OpenSSH keeps them on a disk (openssh-portable, PROTOCOL.key), without a passphrase: nobody is there to type one. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { ed25519, publicKeyBlob, publicKeyLine, publicKeyOf } from './public-key.ts'
import { sshString, sshUint32 } from './wire.ts'

export interface KeyFiles {
  /** For `IdentityFile`. */
  readonly privateKey: string
  /** Its `.pub`: one line. */
  readonly publicKey: string
}

const magic = 'openssh-key-v1\0'
/** What the secret part is a multiple of, where nothing encrypts it. */
const block = 8
const lineLength = 70

/** `comment`: what the key is for, for whoever finds it. */
export function newKey(comment: string): KeyFiles {
  const { privateKey } = generateKeyPairSync('ed25519')
  const point = publicKeyOf(privateKey)
  const { d = '' } = privateKey.export({ format: 'jwk' })
  const check = randomBytes(4)
  const secret = Buffer.concat([
    ...[check, check, sshString(ed25519), sshString(point)],
    sshString(Buffer.concat([Buffer.from(d, 'base64url'), point])),
    sshString(comment),
  ])
  const missing = (block - (secret.length % block)) % block
  const padding = Buffer.from(Array.from({ length: missing }, (_, at) => at + 1))
  const file = Buffer.concat([
    ...[Buffer.from(magic, 'latin1'), sshString('none'), sshString('none'), sshString(''), sshUint32(1)],
    ...[sshString(publicKeyBlob(point)), sshString(Buffer.concat([secret, padding]))],
  ])
  return { privateKey: armoured(file), publicKey: publicKeyLine(point, comment) }
}

function armoured(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? []
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n')
}

/**
 * OpenSSH certificates of Ed25519 keys, signed by Ed25519 keys (openssh-portable, PROTOCOL.certkeys). Encoded here: the one library that does it has had no
 * release since 2023 and brings curves of its own, and `ssh-keygen -s` wants the key of the authority in a file and a process for each.
 */
import { type KeyObject, randomBytes, sign } from 'node:crypto'
import type { Timestamp } from '#lib/clock.ts'
import { ed25519, publicKeyBlob, publicKeyOf, type SshPublicKey } from './public-key.ts'
import { sshString, sshUint32, sshUint64 } from './wire.ts'

export interface CertificateContent {
  /** Logs a person in, or stands for a host. */
  readonly role: 'user' | 'host'
  readonly key: SshPublicKey
  /** 64 bits. */
  readonly serial: bigint
  /** What sshd writes into its log for whoever logs in by it. */
  readonly keyId: string
  /** Who, or which hosts, it is good for. One at least: without any it would be good for all. */
  readonly principals: readonly [string, ...string[]]
  /** Good from this second, */
  readonly from: Timestamp
  /** and no longer in this one. */
  readonly until: Timestamp
  /** What its holder may have; of users alone, and without any he may run commands and nothing else. */
  readonly extensions: readonly Extension[]
}

export type Extension = 'permit-agent-forwarding' | 'permit-port-forwarding' | 'permit-pty'

const certificateType = `${ed25519}-cert-v01@openssh.com`
const roles = { user: 1, host: 2 } as const
const nonceBytes = 32
const serialBytes = 8

/** One that nobody can guess, so that two replicas need not agree on any. */
export function randomSerial(): bigint {
  return randomBytes(serialBytes).readBigUInt64BE()
}

/** The line that `CertificateFile` and `HostCertificate` want. `nonce`: 32 bytes of chance, other than for tests. */
export function signCertificate(
  content: CertificateContent,
  authority: KeyObject,
  nonce: Buffer = randomBytes(nonceBytes),
): string {
  const { role, key, serial, keyId, principals, extensions } = content
  const body = Buffer.concat([
    sshString(certificateType),
    sshString(nonce),
    sshString(key),
    sshUint64(serial),
    sshUint32(roles[role]),
    sshString(keyId),
    sshString(Buffer.concat(principals.map((name) => sshString(name)))),
    sshUint64(seconds(content.from)),
    sshUint64(seconds(content.until)),
    // Critical options: there are none.
    sshString(''),
    sshString(Buffer.concat(inOrder(extensions).map((name) => Buffer.concat([sshString(name), sshString('')])))),
    // Reserved.
    sshString(''),
    sshString(publicKeyBlob(publicKeyOf(authority))),
  ])
  const signature = Buffer.concat([sshString(ed25519), sshString(sign(null, body, authority))])
  return `${certificateType} ${Buffer.concat([body, sshString(signature)]).toString('base64')}`
}

function seconds(time: Timestamp): bigint {
  return BigInt(Math.floor(time / 1000))
}

/** Each once and in the order of its bytes, or sshd takes the certificate for forged. */
function inOrder(extensions: readonly Extension[]): readonly Extension[] {
  return [...new Set(extensions)].sort()
}

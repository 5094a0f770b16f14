import { execFile } from 'node:child_process'
import { generateKeyPairSync, verify } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CertificateContent, type Extension, randomSerial, signCertificate } from '#ssh/certificate.ts'
import { fingerprintOf, parsePublicKey, publicKeyBlob, publicKeyLine, publicKeyOf } from '#ssh/public-key.ts'
import { readStrings, sshString } from '#ssh/wire.ts'
import { describeWith } from '#test/support/real-parts.ts'

const run = promisify(execFile)

function newKey() {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { privateKey, publicKey: publicKeyOf(privateKey) }
}

const authority = newKey()
const holder = newKey()

function content(change: Partial<CertificateContent> = {}): CertificateContent {
  return {
    role: 'user',
    key: holder.publicKey,
    serial: 7n,
    keyId: 'user=alice session=abc',
    principals: ['ws:team-a/nb1'],
    from: Date.parse('2026-01-02T03:04:05Z'),
    until: Date.parse('2026-01-02T03:14:05Z'),
    extensions: ['permit-pty', 'permit-port-forwarding'],
    ...change,
  }
}

/** What OpenSSH itself reads, by its own labels. */
async function readByOpenSsh(certificates: readonly string[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-certificate-'))
  try {
    const file = join(folder, 'certificates')
    await writeFile(file, certificates.map((line) => `${line}\n`).join(''))
    const { stdout } = await run('ssh-keygen', ['-L', '-f', file], { env: { TZ: 'UTC', PATH: process.env.PATH } })
    return certificates.length === 1 ? [stdout] : stdout.split(/^\S+:\d+:?$/m).filter((part) => part.trim() !== '')
  } finally {
    await rm(folder, { recursive: true })
  }
}

describeWith('ssh', 'a certificate', () => {
  test('says to OpenSSH exactly what was put into it', async () => {
    const [said = ''] = await readByOpenSsh([signCertificate(content(), authority.privateKey)])
    const facts = said.split('\n').map((line) => line.trim())
    expect(facts.slice(1)).toEqual([
      'Type: ssh-ed25519-cert-v01@openssh.com user certificate',
      `Public key: ED25519-CERT ${fingerprintOf(holder.publicKey)}`,
      `Signing CA: ED25519 ${fingerprintOf(authority.publicKey)} (using ssh-ed25519)`,
      'Key ID: "user=alice session=abc"',
      'Serial: 7',
      'Valid: from 2026-01-02T03:04:05 to 2026-01-02T03:14:05',
      'Principals:',
      'ws:team-a/nb1',
      'Critical Options: (none)',
      'Extensions:',
      'permit-port-forwarding',
      'permit-pty',
      '',
    ])
  })

  test('whatever is in it, OpenSSH reads the same, and its signature is good', async () => {
    const name = fc.stringMatching(/^[a-z0-9:/.-]{1,60}$/)
    const arbitrary = fc.record({
      role: fc.constantFrom('user' as const, 'host' as const),
      serial: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      keyId: fc.stringMatching(/^[!#-[\]-~]{0,80}$/),
      principals: fc.tuple(name, name, name),
      from: fc.integer({ min: 1_000_000_000, max: 2_000_000_000 }).map((time) => time * 1000),
      extensions: fc.subarray<Extension>(['permit-agent-forwarding', 'permit-pty', 'permit-port-forwarding']),
    })
    const contents = fc.sample(arbitrary, 200).map((some) => content({ ...some, until: some.from + 600_000 }))
    const read = await readByOpenSsh(contents.map((some) => signCertificate(some, authority.privateKey)))
    expect(read).toHaveLength(contents.length)
    for (const [at, some] of contents.entries()) {
      const lines = (read[at] ?? '').split('\n').map((line) => line.trim())
      expect(lines).toContain(`Type: ssh-ed25519-cert-v01@openssh.com ${some.role} certificate`)
      expect(lines).toContain(`Serial: ${some.serial}`)
      expect(lines).toContain(`Key ID: "${some.keyId}"`)
      const times = [some.from, some.until].map((time) => new Date(time).toISOString().slice(0, 19))
      expect(lines).toContain(`Valid: from ${times[0]} to ${times[1]}`)
      const principals = lines.slice(lines.indexOf('Principals:') + 1, lines.indexOf('Critical Options: (none)'))
      expect(principals).toEqual(some.principals)
    }
  })

  test('is signed over every byte of it', () => {
    const blob = Buffer.from(signCertificate(content(), authority.privateKey).split(' ')[1] ?? '', 'base64')
    const signatureLength = sshString(Buffer.concat([sshString('ssh-ed25519'), sshString(Buffer.alloc(64))])).length
    const body = blob.subarray(0, -signatureLength)
    const signature = blob.subarray(-64)
    expect(verify(null, body, authority.privateKey, signature)).toBe(true)
    for (const at of [0, 40, 90, body.length - 1]) {
      const changed = Buffer.from(body)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(verify(null, changed, authority.privateKey, signature)).toBe(false)
    }
  })

  test('has a nonce and a serial that nobody can guess', () => {
    const two = [1, 2].map(() => signCertificate(content(), authority.privateKey))
    expect(two[0]).not.toBe(two[1])
    expect(new Set(Array.from({ length: 100 }, randomSerial)).size).toBe(100)
  })
})

describe('a public key', () => {
  test('is read as OpenSSH writes it, with or without a comment', () => {
    for (const line of [publicKeyLine(holder.publicKey), publicKeyLine(holder.publicKey, 'alice@laptop with spaces')]) {
      expect(parsePublicKey(line)).toEqual({ kind: 'key', key: holder.publicKey })
    }
  })

  test('of another kind is refused by its kind', () => {
    const kinds = [
      'ssh-rsa',
      'ecdsa-sha2-nistp256',
      'sk-ssh-ed25519@openssh.com',
      'sk-ecdsa-sha2-nistp256@openssh.com',
      'ssh-dss',
      'ssh-ed25519-cert-v01@openssh.com',
    ]
    for (const kind of kinds) {
      expect(parsePublicKey(`${kind} AAAA`)).toEqual({ kind: 'refused', reason: 'key_type_refused' })
    }
  })

  test('that says one kind and holds another is refused', () => {
    const other = Buffer.concat([sshString('ssh-rsa'), sshString(holder.publicKey)]).toString('base64')
    expect(parsePublicKey(`ssh-ed25519 ${other}`)).toEqual({ kind: 'refused', reason: 'key_malformed' })
  })

  test('that is cut off, longer, or of no base64 is refused, whatever it is', () => {
    const blob = publicKeyBlob(holder.publicKey)
    const malformed = { kind: 'refused', reason: 'key_malformed' }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        fc.pre(!Buffer.from(bytes).equals(blob))
        const parsed = parsePublicKey(`ssh-ed25519 ${Buffer.from(bytes).toString('base64')}`)
        const strings = readStrings(Buffer.from(bytes))
        const isOne = strings?.length === 2 && strings[0]?.toString() === 'ssh-ed25519' && strings[1]?.length === 32
        expect(parsed.kind === 'key').toBe(isOne)
      }),
    )
    for (let length = 0; length < blob.length; length += 1) {
      expect(parsePublicKey(`ssh-ed25519 ${blob.subarray(0, length).toString('base64')}`)).toEqual(malformed)
    }
    const line = publicKeyLine(holder.publicKey)
    const longer = Buffer.concat([blob, sshString('')]).toString('base64')
    const wrong = [`${line}=`, `${line}A`, line.replace(' ', '\n'), `${line}\n${line}`, `x${line}`, '', 'ssh-ed25519']
    for (const text of [...wrong, `ssh-ed25519 ${longer}`, `${line} ${'c'.repeat(2000)}`]) {
      expect(parsePublicKey(text)).toMatchObject({ kind: 'refused' })
    }
  })
})

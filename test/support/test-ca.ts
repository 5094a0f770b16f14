/** A certificate authority for one test run, made by openssl in a folder of the test. */
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

export interface IssuedCertificate {
  /** PEM: the certificate and its authority's. */
  readonly certFile: string
  readonly keyFile: string
}

export interface TestCa {
  /** PEM, for `ca` of `node:tls` and `NODE_EXTRA_CA_CERTS`. */
  readonly caFile: string
  /** For Chromium's `--ignore-certificate-errors-spki-list`, which then takes what this authority has issued. */
  readonly spki: string
  /** A certificate of a server or a client, good for 30 days, for DNS names (`*.example.test` too) and IP addresses. */
  issue(names: readonly [string, ...string[]]): IssuedCertificate
}

/** `dir` is made if it isn't there; removing it is the test's. Throws when openssl can't be run. */
export function createTestCa(dir: string): TestCa {
  mkdirSync(dir, { recursive: true })
  const caFile = join(dir, 'ca.pem')
  const caKeyFile = join(dir, 'ca.key')
  openssl(
    'req',
    '-x509',
    '-subj',
    '/CN=Gatehouse test authority',
    '-days',
    '30',
    '-keyout',
    caKeyFile,
    '-out',
    caFile,
    ...newKey,
    '-addext',
    'basicConstraints=critical,CA:true',
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
  )
  return {
    caFile,
    spki: spkiOf(caFile),
    issue(names) {
      const base = join(dir, randomUUID())
      const [certFile, keyFile] = [`${base}.pem`, `${base}.key`]
      const [requestFile, extensionsFile] = [`${base}.csr`, `${base}.ext`]
      writeFileSync(extensionsFile, leafExtensions(names))
      openssl('req', '-new', '-subj', '/CN=Gatehouse test', '-keyout', keyFile, '-out', requestFile, ...newKey)
      openssl(
        'x509',
        '-req',
        '-in',
        requestFile,
        '-CA',
        caFile,
        '-CAkey',
        caKeyFile,
        '-set_serial',
        `0x${randomUUID().replaceAll('-', '')}`,
        '-days',
        '30',
        '-extfile',
        extensionsFile,
        '-out',
        certFile,
      )
      // Chromium looks for the authority's key among the certificates that the server sends.
      appendFileSync(certFile, readFileSync(caFile))
      return { certFile, keyFile }
    },
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function leafExtensions(names: readonly string[]): string {
  const alternatives = names.map((name) => `${isIP(name) ? 'IP' : 'DNS'}:${name}`).join(',')
  return [
    'basicConstraints=critical,CA:false',
    // Of the many that ask nobody who he is, those of replicas are asked for on both sides.
    'extendedKeyUsage=serverAuth,clientAuth',
    `subjectAltName=${alternatives}`,
    '',
  ].join('\n')
}

function spkiOf(certFile: string): string {
  const key = new X509Certificate(readFileSync(certFile)).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(key).digest('base64')
}

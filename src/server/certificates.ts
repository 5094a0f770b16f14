/** Certificates from files: chosen by the name a client asks for, read again when the files change, kept when what is new is no good. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { GatewayError, messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { CertificateSettings } from '#settings/settings.ts'

/** Changes are found by content, by asking: Kubernetes swaps a symbolic link two folders up, which file watches miss. */
const lookAgainAfter: Milliseconds = 5_000

/** PEM, as `node:tls` takes it. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

interface Loaded {
  readonly settings: CertificateSettings
  readonly pair: KeyPair
  readonly context: SecureContext
  readonly certificate: X509Certificate
  /** Why the files as they are now can't be used; kept so that it is logged once. */
  readonly fault: string | undefined
}

export interface Certificates {
  /** For clients that ask for no name. */
  readonly fallback: KeyPair
  /** For the name that a client asks for; the fallback where no certificate is for it. Never throws (CVE-2026-21637). */
  contextFor(serverName: string): SecureContext
}

export interface CertificateParts {
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'error'>
  /** Ends the looking for changes. */
  readonly signal: AbortSignal
  /** The fallback is another one now. */
  readonly onFallback: (pair: KeyPair) => void
}

/** Throws `invalid_settings` when there is none, or one that can't be read or doesn't fit its key. */
export async function openCertificates(
  settings: readonly CertificateSettings[],
  parts: CertificateParts,
): Promise<Certificates> {
  const loaded = await Promise.all(settings.map(loadFirst))
  const fallback = (): Loaded => {
    const one = loaded.find((candidate) => candidate.settings.serverNames.length === 0) ?? loaded[0]
    if (!one) throw new GatewayError('invalid_settings', 'a TLS listener needs a certificate')
    return one
  }
  fallback()
  void follow(loaded, parts, () => parts.onFallback(fallback().pair))
  return {
    get fallback() {
      return fallback().pair
    },
    contextFor: (serverName) => (choose(loaded, serverName.toLowerCase()) ?? fallback()).context,
  }
}

/**
 * Names given in the settings go before names in certificates, exact ones before wildcards. A certificate without names in the settings
 * is for those it holds.
 */
function choose(loaded: readonly Loaded[], name: string): Loaded | undefined {
  const wildcard = `*${name.slice(name.indexOf('.'))}`
  return (
    loaded.find(({ settings }) => settings.serverNames.includes(name)) ??
    loaded.find(({ settings }) => name.includes('.') && settings.serverNames.includes(wildcard)) ??
    loaded.find(({ settings, certificate }) => settings.serverNames.length === 0 && isFor(certificate, name))
  )
}

function isFor(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name, { subject: 'never' }) !== undefined
}

async function loadFirst(settings: CertificateSettings): Promise<Loaded> {
  try {
    const pair = await read(settings)
    return { settings: inLowerCase(settings), pair, ...parse(pair), fault: undefined }
  } catch (cause) {
    const message = `certificate ${settings.certFile} with key ${settings.keyFile}: ${messageOf(cause)}`
    throw new GatewayError('invalid_settings', message, { cause })
  }
}

function inLowerCase(settings: CertificateSettings): CertificateSettings {
  return { ...settings, serverNames: settings.serverNames.map((name) => name.toLowerCase()) }
}

async function read(settings: CertificateSettings): Promise<KeyPair> {
  const [cert, key] = await Promise.all([readFile(settings.certFile, 'utf8'), readFile(settings.keyFile, 'utf8')])
  return { cert, key }
}

/** Throws what OpenSSL says, also when key and certificate don't belong together. */
function parse(pair: KeyPair): Pick<Loaded, 'context' | 'certificate'> {
  const context = createSecureContext({ ...pair, minVersion: 'TLSv1.2' })
  return { context, certificate: new X509Certificate(pair.cert) }
}

/** Until the signal ends it. Whatever goes wrong with one file leaves all that is in use in use. */
async function follow(loaded: Loaded[], parts: CertificateParts, onChange: () => void): Promise<void> {
  const { clock, log, signal } = parts
  const wait = () => sleep(clock, lookAgainAfter, signal).catch(() => undefined)
  for (await wait(); !signal.aborted; await wait()) {
    for (const [index, current] of loaded.entries()) {
      const next = await reload(current, log)
      if (next === current) continue
      loaded[index] = next
      if (next.context !== current.context) onChange()
    }
  }
}

async function reload(current: Loaded, log: CertificateParts['log']): Promise<Loaded> {
  const { certFile } = current.settings
  try {
    const pair = await read(current.settings)
    if (pair.cert === current.pair.cert && pair.key === current.pair.key) {
      return current.fault === undefined ? current : { ...current, fault: undefined }
    }
    const next = { ...current, pair, ...parse(pair), fault: undefined }
    log.info({ component: 'listener', file: certFile }, 'certificate read again')
    return next
  } catch (error) {
    const fault = messageOf(error)
    if (fault !== current.fault) {
      log.error(
        { component: 'listener', file: certFile, error },
        'certificate is no good, the last good one stays in use',
      )
    }
    return { ...current, fault }
  }
}

/**
 * The certificate that ssh is given for one alias, kept until some minutes before its end. What is known of it stands behind it on its one line, so that both are
 * written at once. To look at one asks nobody, and loads nothing: ssh waits for it.
 */
import { stat } from 'node:fs/promises'
import { codeOf, readPrivateFile, writePrivateFile } from '#cli/client/private-file.ts'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { SshPlaces } from './places.ts'

/** What one has to be of to be used again. */
export interface CertificateUse {
  /** Name of the login's session. */
  readonly session: string
  readonly agentForwarding: boolean
}

interface Kept extends CertificateUse {
  /** From then on there is to be another one; by this machine's clock. */
  readonly renewAt: Timestamp
}

const form = /^ssh-ed25519-cert-v01@openssh\.com [A-Za-z0-9+/]+=* gatehouse,([^,\s]+),(agent|plain),(\d+)\n$/
/** Before its end by this machine's clock. */
const margin: Milliseconds = 30_000

/** Is there one for this alias that ssh can be let have, with its key and what it knows hosts by? */
export async function hasCertificate(
  places: SshPlaces,
  alias: string,
  { session, agentForwarding, now, platform }: CertificateUse & { readonly now: Timestamp; readonly platform: string },
): Promise<boolean> {
  const text = await readPrivateFile(places.certificate(alias), { platform, secret: false })
  const kept = text === undefined ? undefined : parse(text)
  if (kept?.session !== session || kept.agentForwarding !== agentForwarding || now >= kept.renewAt) return false
  return (await isThere(places.key)) && (await isThere(places.knownHosts))
}

export interface Signed extends CertificateUse {
  readonly certificate: string
  readonly validFrom: Timestamp
  readonly validUntil: Timestamp
  readonly now: Timestamp
}

/** `undefined` for what is no certificate. Half of its time, whatever this machine's clock says of the gateway's. */
export function certificateLine({ certificate, validFrom, validUntil, now, ...use }: Signed): string | undefined {
  const renewAt = Math.floor(Math.min(now + (validUntil - validFrom) / 2, validUntil - margin))
  const line = `${certificate} gatehouse,${use.session},${use.agentForwarding ? 'agent' : 'plain'},${Math.max(renewAt, 0)}\n`
  return parse(line) ? line : undefined
}

export async function writeCertificate(places: SshPlaces, alias: string, line: string): Promise<void> {
  await writePrivateFile(places.certificate(alias), line)
}

function parse(text: string): Kept | undefined {
  const [, session, agent, renewAt] = form.exec(text) ?? []
  if (session === undefined) return undefined
  return { session, agentForwarding: agent === 'agent', renewAt: Number(renewAt) }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

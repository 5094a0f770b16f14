/** A new certificate of the gateway for one workspace, with what its host is known by: both are there before ssh reads them. */
import { CliFault, isCliFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import type { Deployment } from '#cli/client/deployments.ts'
import { takeLock } from '#cli/client/file-lock.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { readPrivateFile, writePrivateFile } from '#cli/client/private-file.ts'
import { readTrust } from '#cli/client/ssh-trust.ts'
import { unknownWorkspace } from '#cli/client/workspace-argument.ts'
import { SshCertificateSchema } from '#surface/ssh-messages.ts'
import { paths } from '#surface/urls.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { sshAlias } from '#workspace/ssh-alias.ts'
import { certificateLine, hasCertificate, writeCertificate } from './certificate-file.ts'
import { machineKey } from './machine-key.ts'
import { placesOf, type SshPlaces } from './places.ts'

export interface MintWish {
  readonly deployment: Deployment
  /** What it calls itself in aliases. */
  readonly sshName: string
  readonly ref: WorkspaceRef
  readonly agentForwarding: boolean
}

/** By one process of all that find it missing. Throws as the gateway refuses, and `no_gateway` for what is no certificate for this alias. */
export async function mintCertificate(
  io: PersonIo,
  { deployment, sshName, ref, agentForwarding }: MintWish,
): Promise<void> {
  const places = placesOf(io, deployment)
  const alias = sshAlias(ref, sshName)
  const client = await openClient(io, deployment.name)
  const publicKey = await machineKey(io, places)
  await using _lock = await takeLock(places.lock({ alias }), { ...io, longest: 60_000 })
  const { session } = client
  const use = { session, agentForwarding, now: io.clock.now() }
  if (await hasCertificate(places, alias, { ...use, platform: io.platform })) return
  const wish = { publicKey, workspaces: [ref], agentForwarding }
  const signed = await client.post(paths.sshCertificate, SshCertificateSchema, wish).catch((error: unknown) => {
    throw isCliFault(error, 'not_found') ? unknownWorkspace(refKey(ref), error.requestId) : error
  })
  const { certificate, validFrom, validUntil } = signed
  const trust = readTrust(signed.trust)
  const times = { validFrom: Date.parse(validFrom), validUntil: Date.parse(validUntil), now: io.clock.now() }
  const line = certificateLine({ ...use, certificate, ...times })
  if (line === undefined || trust?.sshName !== sshName || signed.workspaces[0]?.alias !== alias)
    throw new CliFault('no_gateway', `${deployment.url} gave no certificate for '${alias}'`, {
      hint: 'Is it called otherwise by now? "gatehouse config-ssh" asks.',
    })
  await writeKnownHosts(io, places, trust.knownHosts)
  await writeCertificate(places, alias, line)
}

export async function writeKnownHosts({ platform }: PersonIo, places: SshPlaces, text: string): Promise<void> {
  const before = await readPrivateFile(places.knownHosts, { platform, secret: false })
  if (before !== text) await writePrivateFile(places.knownHosts, text)
}

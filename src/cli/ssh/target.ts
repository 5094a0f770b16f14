/** The workspace that a command of ssh is about, by its name or its alias, with a file of its own for ssh: the person's own is neither needed nor read. */
import { deploymentOfAlias } from '#cli/client/alias-deployment.ts'
import { type Client, openClient } from '#cli/client/client.ts'
import { readDeployments } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { readPrivateFile, writePrivateFile } from '#cli/client/private-file.ts'
import { findWorkspace } from '#cli/client/workspace-argument.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { parseSshAlias, sshAlias } from '#workspace/ssh-alias.ts'
import { askBlock, blockOf, textOf } from './blocks.ts'
import type { ConfigBlock } from './config-text.ts'

export interface SshTarget {
  readonly client: Client
  readonly ref: WorkspaceRef
  readonly alias: string
  /** Of its deployment. */
  readonly block: ConfigBlock
  /** For `-F`. */
  readonly config: string
}

export interface TargetNamed {
  readonly deployment?: string | undefined
  readonly namespace?: string | undefined
}

/** Throws `usage`, `not_found`, `not_logged_in`, … */
export async function findTarget(io: PersonIo, text: string | undefined, named: TargetNamed): Promise<SshTarget> {
  const alias = parseSshAlias(text ?? '')
  const name = alias ? (await deploymentOfAlias(io, alias, named.deployment)).name : named.deployment
  const client = await openClient(io, name)
  const ref = alias?.ref ?? (await findWorkspace(client, text, named.namespace))
  return targetOf(io, client, ref)
}

async function targetOf(io: PersonIo, client: Client, ref: WorkspaceRef): Promise<SshTarget> {
  // It may have been asked meanwhile.
  const { all } = await readDeployments(io)
  const deployment = all.find((one) => one.name === client.deployment.name) ?? client.deployment
  const block = blockOf(io, deployment) ?? (await askBlock(io, deployment))
  const { config } = block.places
  const text = textOf(io, [block], false)
  const before = await readPrivateFile(config, { platform: io.platform, secret: false })
  if (before !== text) await writePrivateFile(config, text)
  return { client, ref, alias: sshAlias(ref, block.sshName), block, config }
}

/** Which deployments have a place in our `ssh_config`, and what is to be written there. */
import { type CliFault, isCliFault, usageFault } from '#cli/client/cli-fault.ts'
import { type Deployment, readDeployments } from '#cli/client/deployments.ts'
import { readLogin } from '#cli/client/logins.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { askTrust, keepTrust } from '#cli/client/ssh-trust.ts'
import { type ConfigBlock, configText } from './config-text.ts'
import { folderToSay } from './given-folder.ts'
import { writeKnownHosts } from './mint.ts'
import { placesOf } from './places.ts'

export interface Known {
  readonly deployment: Deployment
  readonly block: ConfigBlock
}

/** By what its gateway said once; `undefined` where it was never asked. */
export function blockOf(io: PersonIo, { name, sshName, sshUser }: Deployment): ConfigBlock | undefined {
  if (sshName === undefined || sshUser === undefined) return undefined
  return { name, sshName, user: sshUser, places: placesOf(io, { name }) }
}

/** Asks its gateway, and keeps what it says. `write: false`: changes nothing here. Throws as `askTrust`. */
export async function askBlock(
  io: PersonIo,
  deployment: Deployment,
  { write }: { readonly write: boolean },
): Promise<Known> {
  const { sshName, user, knownHosts } = await askTrust(io, deployment)
  const places = placesOf(io, deployment)
  const said = { sshName, sshUser: user }
  if (!write) return { deployment: { ...deployment, ...said }, block: { name: deployment.name, sshName, user, places } }
  await writeKnownHosts(io, places, knownHosts)
  return { deployment: await keepTrust(io, deployment, said), block: { name: deployment.name, sshName, user, places } }
}

/**
 * Of all at which somebody is logged in, and of those that are only known from before. One that is not reached now stays as it was. Throws `usage` when two that
 * are logged in call themselves the same.
 */
export async function allBlocks(
  io: PersonIo,
  {
    write,
    onUnreached,
  }: { readonly write: boolean; readonly onUnreached: (deployment: Deployment, fault: CliFault) => void },
): Promise<readonly ConfigBlock[]> {
  const active: ConfigBlock[] = []
  const idle: ConfigBlock[] = []
  for (const deployment of (await readDeployments(io)).all) {
    const before = blockOf(io, deployment)
    if (!(await readLogin(io, deployment))) {
      if (before) idle.push(before)
      continue
    }
    const asked = await reached(io, deployment, write)
    if ('block' in asked) active.push(asked.block)
    else if (before) active.push(before)
    if (!('block' in asked)) onUnreached(deployment, asked)
  }
  return distinct(active, idle)
}

/** A fault of the way there is a value; the next time it may be over. */
async function reached(io: PersonIo, deployment: Deployment, write: boolean): Promise<Known | CliFault> {
  try {
    return await askBlock(io, deployment, { write })
  } catch (error) {
    if (isCliFault(error) && error.exitCode === 5) return error
    throw error
  }
}

function distinct(active: readonly ConfigBlock[], idle: readonly ConfigBlock[]): readonly ConfigBlock[] {
  const byWord = new Map<string, ConfigBlock>()
  for (const block of active) {
    const other = byWord.get(block.sshName)
    if (other)
      throw usageFault(
        `'${other.name}' and '${block.name}' both call themselves '${block.sshName}' in aliases: log out at one of them`,
      )
    byWord.set(block.sshName, block)
  }
  for (const block of idle) if (!byWord.has(block.sshName)) byWord.set(block.sshName, block)
  return [...byWord.values()]
}

export function textOf(io: PersonIo, blocks: readonly ConfigBlock[], agentForwarding: boolean): string {
  const { platform } = io
  return configText({ blocks, program: io.program(), folder: folderToSay(io), platform, agentForwarding })
}

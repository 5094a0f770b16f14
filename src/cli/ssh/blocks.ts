/** Which deployments have a place in our `ssh_config`, and what is to be written there. */
import { CliFault, isCliFault, usageFault } from '#cli/client/cli-fault.ts'
import { type Deployment, readDeployments } from '#cli/client/deployments.ts'
import { readLogin } from '#cli/client/logins.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { askTrust, type GatewayTrust, keepTrust } from '#cli/client/ssh-trust.ts'
import { type ConfigBlock, configText } from './config-text.ts'
import { folderToSay } from './given-folder.ts'
import { writeKnownHosts } from './mint.ts'
import { placesOf } from './places.ts'

/** By what its gateway said once; `undefined` where it was never asked. */
export function blockOf(io: PersonIo, { name, sshName, sshUser }: Deployment): ConfigBlock | undefined {
  if (sshName === undefined || sshUser === undefined) return undefined
  return { name, sshName, user: sshUser, places: placesOf(io, { name }) }
}

/** Asks its gateway, and keeps what it says. Throws as `askTrust`. */
export async function askBlock(io: PersonIo, deployment: Deployment): Promise<ConfigBlock> {
  return believe(io, deployment, await askTrust(io, deployment), { write: true })
}

/** `write: false`: changes nothing here. */
async function believe(
  io: PersonIo,
  deployment: Deployment,
  { sshName, user, knownHosts }: GatewayTrust,
  { write }: { readonly write: boolean },
): Promise<ConfigBlock> {
  const { name } = deployment
  const places = placesOf(io, deployment)
  if (write) {
    await writeKnownHosts(io, places, knownHosts)
    await keepTrust(io, deployment, { sshName, sshUser: user })
  }
  return { name, sshName, user, places }
}

/**
 * Of all at which somebody is logged in, and of those that are only known from before. One that does not say now what ssh has to know of it stays as it was, whatever
 * the reason: no gateway decides over the hosts of another. Throws `usage` when two call themselves the same.
 */
export async function allBlocks(
  io: PersonIo,
  {
    write,
    onSilent,
  }: { readonly write: boolean; readonly onSilent: (deployment: Deployment, fault: CliFault) => void },
): Promise<readonly ConfigBlock[]> {
  const blocks: ConfigBlock[] = []
  const called: Called[] = []
  for (const deployment of (await readDeployments(io)).all) {
    const before = blockOf(io, deployment)
    const said = (await readLogin(io, deployment)) && (await trustOf(io, deployment))
    if (said instanceof CliFault) onSilent(deployment, said)
    const block = said && !(said instanceof CliFault) ? await believe(io, deployment, said, { write }) : before
    if (block) blocks.push(block)
    called.push({ name: deployment.name, sshName: block?.sshName ?? deployment.sshName })
  }
  refuseTwins(called)
  return blocks
}

interface Called {
  readonly name: string
  /** `undefined`: it was never asked. */
  readonly sshName: string | undefined
}

/** What it says, or why it says nothing: the next time it may. */
async function trustOf(io: PersonIo, deployment: Deployment): Promise<GatewayTrust | CliFault> {
  try {
    return await askTrust(io, deployment)
  } catch (error) {
    if (isCliFault(error) && error.code !== 'interrupted') return error
    throw error
  }
}

/** Whether somebody is logged in there or not: else whoever waits for a logout takes over the aliases of another gateway, and what its hosts are known by. */
function refuseTwins(all: readonly Called[]): void {
  const byWord = new Map<string, string>()
  for (const { name, sshName } of all) {
    if (sshName === undefined) continue
    const other = byWord.get(sshName)
    if (other !== undefined)
      throw usageFault(
        `'${other}' and '${name}' both call themselves '${sshName}' in aliases: forget the one that you do not mean, by "gatehouse logout --forget --deployment NAME"`,
      )
    byWord.set(sshName, name)
  }
}

export function textOf(io: PersonIo, blocks: readonly ConfigBlock[], agentForwarding: boolean): string {
  const { platform } = io
  return configText({ blocks, program: io.program(), folder: folderToSay(io), platform, agentForwarding })
}

/**
 * What a gateway says of itself for ssh: its word in aliases, who somebody is in its workspaces, and whose certificates of hosts count. It is believed for
 * names of its own alone: each line is made anew, for the aliases of that word.
 */
import { isUserName } from '#lib/user-name.ts'
import { parsePublicKey, publicKeyLine } from '#ssh/public-key.ts'
import { paths } from '#surface/urls.ts'
import { aliasPattern, isDeployment } from '#workspace/ssh-alias.ts'
import { call } from './api-call.ts'
import { CliFault, isCliFault } from './cli-fault.ts'
import { type Deployment, readDeployments, recordOf, writeDeployments } from './deployments.ts'
import type { PersonIo } from './person-io.ts'

export interface GatewayTrust {
  readonly sshName: string
  readonly user: string
  /** The whole of `known_hosts`. */
  readonly knownHosts: string
}

/** More than overlap at any time. */
const mostLines = 10

/** Throws `no_gateway` for what is none, and as {@link call}. */
export async function askTrust(io: PersonIo, deployment: Deployment): Promise<GatewayTrust> {
  const { body, requestId } = await call(deployment, io, {
    ...{ method: 'GET', path: paths.sshTrust },
    authorization: undefined,
  })
  const trust = readTrust(body)
  if (trust) return trust
  throw new CliFault('no_gateway', `${deployment.url} does not say what ssh has to know of it`, {
    requestId,
    hint: 'Its version may not go with this one: get the command line that it serves itself.',
  })
}

/** `undefined` where anything of it is not as it should be. */
export function readTrust(value: unknown): GatewayTrust | undefined {
  const { deployment, user, knownHosts } = recordOf(value) ?? {}
  if (typeof deployment !== 'string' || !isDeployment(deployment)) return undefined
  if (typeof user !== 'string' || !isUserName(user)) return undefined
  if (!Array.isArray(knownHosts) || knownHosts.length === 0 || knownHosts.length > mostLines) return undefined
  const start = `@cert-authority ${aliasPattern(deployment)} `
  const lines = knownHosts.map((line) => {
    const parsed =
      typeof line === 'string' && line.startsWith(start) ? parsePublicKey(line.slice(start.length)) : undefined
    return parsed?.kind === 'key' ? `${start}${publicKeyLine(parsed.key)}\n` : undefined
  })
  return lines.includes(undefined) ? undefined : { sshName: deployment, user, knownHosts: lines.join('') }
}

/** With what the gateway calls itself, for the next time. Read again right before, for what others have written meanwhile. */
export async function keepTrust(
  io: PersonIo,
  deployment: Deployment,
  said: Pick<Deployment, 'sshName' | 'sshUser'>,
): Promise<Deployment> {
  const { name, url } = deployment
  const { current, all } = await readDeployments(io)
  const known = all.map((one) => (one.name === name && one.url === url ? { ...one, ...said } : one))
  await writeDeployments(io, { current, all: known }).catch((error: unknown) => {
    // It is only asked again the next time.
    if (!isCliFault(error, 'not_written')) throw error
  })
  return { ...deployment, ...said }
}

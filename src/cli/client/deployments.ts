/** The gateways that a person works with, by names of their own, in `config.json` of the config folder. It holds no secret. */
import { join } from 'node:path'
import { isDnsLabel } from '#lib/dns-name.ts'
import { parseUrl } from '#lib/url.ts'
import { isUserName } from '#lib/user-name.ts'
import { isDeployment } from '#workspace/ssh-alias.ts'
import { CliFault } from './cli-fault.ts'
import { configFolder } from './config-folder.ts'
import type { PersonIo } from './person-io.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

export interface Deployment {
  /** A DNS label in lower case: it is part of host names for ssh. */
  readonly name: string
  /** `https://ws.example.com`, without a path. */
  readonly url: string
  /** PEM of further authorities that its certificate may come from; an absolute path. */
  readonly caFile?: string
  /** What it calls itself in aliases for ssh, once it was asked. */
  readonly sshName?: string
  /** Who somebody is in its workspaces, as it says. */
  readonly sshUser?: string
}

export interface Deployments {
  /** What is meant where none is named. */
  readonly current: string | undefined
  readonly all: readonly Deployment[]
}

/** Chooses a deployment, as `--deployment` does. */
export const deploymentVariable = 'GATEHOUSE_CLI_DEPLOYMENT'

const none: Deployments = { current: undefined, all: [] }

export async function readDeployments(io: PersonIo): Promise<Deployments> {
  const path = fileOf(io)
  const text = await readPrivateFile(path, { platform: io.platform, secret: false })
  if (text === undefined) return none
  const parsed = parseDeployments(text)
  if (parsed) return parsed
  throw new CliFault('config_unreadable', `${path} is not what Gatehouse writes there`, {
    hint: 'Remove it, and log in again.',
  })
}

export async function writeDeployments(io: PersonIo, { current, all }: Deployments): Promise<void> {
  const deployments = Object.fromEntries(all.map(({ name, ...rest }) => [name, rest]))
  await writePrivateFile(fileOf(io), `${JSON.stringify({ version: 1, current, deployments }, null, 2)}\n`)
}

/** The one of this name; without a name that of {@link deploymentVariable}, the current one, or the only one. Throws `no_deployment`. */
export function pickDeployment({ current, all }: Deployments, named: string | undefined): Deployment {
  const name = named ?? current
  const found = name === undefined && all.length === 1 ? all[0] : all.find((one) => one.name === name)
  if (found) return found
  const known = all.map((one) => one.name).join(', ')
  if (all.length === 0)
    throw new CliFault('no_deployment', 'no gateway is known here', { hint: 'Run "gatehouse login https://…".' })
  throw new CliFault(
    'no_deployment',
    name === undefined ? 'say which gateway' : `there is no deployment '${name}' here`,
    {
      hint: `Known: ${known}.`,
    },
  )
}

/** `undefined` unless it is an origin: https, or http on this machine alone. */
export function parseGatewayUrl(text: string): string | undefined {
  const url = parseUrl(text.includes('://') ? text : `https://${text}`)
  if (url?.username !== '' || url.password !== '') return undefined
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '') return undefined
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isThisMachine(url.hostname))) return undefined
  return url.origin
}

/** By name or address; what is sent there stays here. */
export function isThisMachine(hostname: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname)
}

function fileOf(io: PersonIo): string {
  return join(configFolder(io), 'config.json')
}

function parseDeployments(text: string): Deployments | undefined {
  const file = recordOf(parseJson(text))
  const entries = recordOf(file?.deployments)
  if (!file || !entries || file.version !== 1) return undefined
  const all: Deployment[] = []
  for (const [name, value] of Object.entries(entries)) {
    const entry = recordOf(value)
    const deployment = entry && parseDeployment(name, entry)
    if (!deployment) return undefined
    all.push(deployment)
  }
  return { current: typeof file.current === 'string' ? file.current : undefined, all }
}

function parseDeployment(name: string, entry: Readonly<Record<string, unknown>>): Deployment | undefined {
  const { caFile, sshName, sshUser } = entry
  const url = typeof entry.url === 'string' ? parseGatewayUrl(entry.url) : undefined
  if (url === undefined || !isDnsLabel(name)) return undefined
  return {
    ...{ name, url },
    ...(typeof caFile === 'string' ? { caFile } : {}),
    ...(typeof sshName === 'string' && isDeployment(sshName) ? { sshName } : {}),
    ...(typeof sshUser === 'string' && isUserName(sshUser) ? { sshUser } : {}),
  }
}

/** `undefined` for anything but an object. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  // An object has unknown values under whatever keys it has.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
}

/** `undefined` for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * `gatehouse ssh-host`: beside the SSH server of a workspace, in its pod. Keeps the folder that the server reads as docs/ssh-image.md has it: a key of
 * the pod's own, its certificate, and who may enter. The pod says who it is by a token of its ServiceAccount, which the kubelet renews.
 */
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { call } from '#cli/client/api-call.ts'
import { readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault, usageFault } from '#cli/client/cli-fault.ts'
import { fitting } from '#cli/client/client.ts'
import { type Deployment, parseGatewayUrl } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { codeOf, writePrivateFile } from '#cli/client/private-file.ts'
import { messageOf } from '#errors.ts'
import { type Milliseconds, sleep } from '#lib/clock.ts'
import { Secret } from '#settings/secret.ts'
import { newKey } from '#ssh/private-key.ts'
import { SshHostCertificateSchema, type SshHostCertificateView } from '#surface/ssh-messages.ts'
import { paths } from '#surface/urls.ts'

/** The machine of the pod, beside what all commands see of one. */
export interface HostIo {
  /** `SIGHUP` for that process, by which sshd reads its files again. Throws where there is none. */
  readonly reload: (pid: number) => void
}

interface Host {
  /** `at`: where it is connected to, if that is not where its name leads. */
  readonly gateway: Deployment & { readonly at?: { readonly host: string; readonly port: number } }
  readonly folder: string
  readonly tokenFile: string
  readonly pidFile: string | undefined
}

/** Long before the certificate is over, which is good for an hour; and within the day in which a new authority signs nothing yet. */
const renewEvery: Milliseconds = 10 * 60_000
/** That many pods which were started at once do not come together for ever. */
const spread = 0.1
const firstRetry: Milliseconds = 2_000
const longestRetry: Milliseconds = 60_000

const options = {
  gateway: { type: 'string' },
  folder: { type: 'string', default: '/run/gatehouse-ssh' },
  'token-file': { type: 'string', default: '/var/run/gatehouse/token' },
  connect: { type: 'string' },
  'ca-file': { type: 'string' },
  'pid-file': { type: 'string' },
  once: { type: 'boolean', default: false },
} as const

/** Until it is told to end; with `--once` until the files are there, or could not be had. */
export async function sshHost(args: readonly string[], io: PersonIo, machine: HostIo = thisMachine): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 0, names: [] })
  const url = parseGatewayUrl(values.gateway ?? '')
  if (url === undefined) throw usageFault('name the gateway: --gateway https://HOST')
  const { connect, folder, 'ca-file': caFile, 'token-file': tokenFile, 'pid-file': pidFile } = values
  const at = connect === undefined ? {} : { at: placeOf(connect) }
  const gateway = { name: 'gateway', url, ...at, ...(caFile === undefined ? {} : { caFile }) }
  const host: Host = { gateway, folder, tokenFile, pidFile }
  if (values.once) {
    await renew(host, io, machine)
    return 0
  }
  return keepRenewing(host, io, machine)
}

function placeOf(text: string) {
  const [, host = '', port = ''] = /^(.+):([0-9]{1,5})$/.exec(text) ?? []
  if (host === '' || Number(port) > 65_535) throw usageFault(`--connect is HOST:PORT, not '${text}'`)
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

async function keepRenewing(host: Host, io: PersonIo, machine: HostIo): Promise<number> {
  const { signal, clock, stderr } = io
  let failures = 0
  while (!signal.aborted) {
    try {
      await renew(host, io, machine)
      failures = 0
    } catch (error) {
      if (signal.aborted) break
      failures += 1
      stderr.write(`gatehouse ssh-host: ${messageOf(error)}${failures === 1 ? '; it is tried again' : ''}\n`)
    }
    const delay = failures === 0 ? renewEvery : Math.min(longestRetry, firstRetry * 2 ** (failures - 1))
    await sleep(clock, delay * (1 - spread * Math.random()), signal).catch(() => undefined)
  }
  return 0
}

/** The certificate is written last: where it is new, all that goes with it is there. */
async function renew(host: Host, io: PersonIo, machine: HostIo): Promise<void> {
  const publicKey = await keyOf(host)
  const token = new Secret((await read(host.tokenFile)).trim())
  const wish = { method: 'POST', path: paths.sshHostCertificate, body: { publicKey }, authorization: token } as const
  const given = await fitting(host.gateway, await call(host.gateway, io, wish), SshHostCertificateSchema)
  refuseOdd(given)
  await write(host, 'user_authorities', given.trust.userAuthorities)
  await write(host, 'principals', given.principals)
  // Whoever runs the workspace writes into it; without it sshd lets nobody in.
  if (!(await isThere(join(host.folder, 'revoked_keys')))) await write(host, 'revoked_keys', [])
  await write(host, 'host_key-cert.pub', [given.certificate])
  if (host.pidFile !== undefined) await reload(host.pidFile, machine)
}

/** Made once, and the pod's own: it never leaves it. */
async function keyOf(host: Host): Promise<string> {
  const path = join(host.folder, 'host_key.pub')
  if (await isThere(path)) return (await read(path)).trim()
  const { privateKey, publicKey } = newKey('workspace')
  await writePrivateFile(join(host.folder, 'host_key'), privateKey)
  await write(host, 'host_key.pub', [publicKey])
  return publicKey
}

/** Lines with a line in them could let in whom the gateway never named. */
function refuseOdd({ certificate, principals, trust }: SshHostCertificateView): void {
  const lines = [certificate, ...principals, ...trust.userAuthorities]
  const isOdd =
    principals.length === 0 || trust.userAuthorities.length === 0 || lines.some((line) => !oneLine.test(line))
  if (isOdd) throw new CliFault('no_gateway', 'the gateway gave something that is no certificate with its trust')
}

const oneLine = /^[\x20-\x7e]+$/

function write({ folder }: Host, name: string, lines: readonly string[]): Promise<void> {
  return writePrivateFile(join(folder, name), lines.map((line) => `${line}\n`).join(''))
}

/** Before sshd runs there is no such file, and nothing to tell. A number that is another program's by now is left alone. */
async function reload(pidFile: string, { reload: signal }: HostIo): Promise<void> {
  const pid = Number(await read(pidFile).catch(() => ''))
  if (!Number.isSafeInteger(pid) || pid <= 1) return
  const name = await read(`/proc/${pid}/comm`).catch(() => '')
  if (name.trim() === 'sshd') signal(pid)
}

const thisMachine: HostIo = { reload: (pid) => void process.kill(pid, 'SIGHUP') }

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new CliFault('not_read', `${path} could not be read: ${codeOf(error) ?? messageOf(error)}`)
  })
}

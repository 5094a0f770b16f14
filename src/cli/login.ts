/** `gatehouse login`: somebody agrees in a browser that this machine speaks for him, and the machine gets a secret of its own (RFC 8252, RFC 7636). */
import { createHash, randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { call } from '#cli/client/api-call.ts'
import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault, usageFault } from '#cli/client/cli-fault.ts'
import { findDeployment, fitting } from '#cli/client/client.ts'
import {
  type Deployment,
  type Deployments,
  parseGatewayUrl,
  readDeployments,
  writeDeployments,
} from '#cli/client/deployments.ts'
import { takeLock } from '#cli/client/file-lock.ts'
import { type Login, loginLock, readLoginToEnd, writeLogin } from '#cli/client/logins.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { keptLogin } from '#cli/client/renewal.ts'
import { isDnsLabel } from '#lib/dns-name.ts'
import { printable } from '#observe/printable.ts'
import { Secret } from '#settings/secret.ts'
import { CliTokenSchema } from '#surface/messages.ts'
import { api, paths } from '#surface/urls.ts'
import { loginListener } from './login-listener.ts'

const options = {
  ...commonOptions,
  name: { type: 'string' },
  'ca-file': { type: 'string' },
  'no-browser': { type: 'boolean', default: false },
  device: { type: 'string' },
} as const

interface Wish {
  readonly deployment: Deployment
  readonly device: string
  readonly isElsewhere: boolean
}

export async function login(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 0, names: ['URL'] })
  const [url] = positionals
  const deployment = await deploymentOf({ ...values, url, caFile: values['ca-file'] }, io)
  const isElsewhere = values['no-browser']
  const kept = await keep(
    io,
    deployment,
    await ask({ deployment, device: values.device ?? io.machine, isElsewhere }, io),
  )
  const until = new Date(kept.notAfter).toISOString()
  io.stderr.write(
    `Logged in at ${deployment.name} (${deployment.url}) as ${printable(kept.username)}, until ${until} at most.\n`,
  )
  return 0
}

interface Named {
  readonly url: string | undefined
  readonly name?: string | undefined
  readonly deployment?: string | undefined
  readonly caFile: string | undefined
}

async function deploymentOf({ url: text, name, deployment: known, caFile }: Named, io: PersonIo): Promise<Deployment> {
  const trust = caFile === undefined ? {} : { caFile: resolve(io.cwd(), caFile) }
  if (text === undefined) return { ...(await findDeployment(io, known ?? name)), ...trust }
  const url = parseGatewayUrl(text)
  if (url === undefined) throw usageFault(`'${text}' is no URL of a gateway: https://HOST, or http://localhost:PORT`)
  const { all } = await readDeployments(io)
  const same = all.find((one) => one.url === url)
  const own = name ?? known ?? same?.name ?? nameOf(url)
  if (!isDnsLabel(own))
    throw usageFault(`'${own}' is no name: small letters, digits and hyphens; choose one with --name`)
  const other = all.find((one) => one.name === own)
  if (other && other.url !== url) throw usageFault(`'${own}' is ${other.url} already; choose another name with --name`)
  return { ...other, name: own, url, ...trust }
}

/** The first part of its host. An address has none that says anything. */
function nameOf(url: string): string {
  const { hostname } = new URL(url)
  return /^[\d.]+$|:/.test(hostname) ? 'gatehouse' : (hostname.split('.')[0] ?? 'gatehouse')
}

interface Grant {
  readonly code: string
  readonly verifier: string
}

async function ask({ deployment, device, isElsewhere }: Wish, io: PersonIo): Promise<Grant> {
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const urlFor = (redirectUri: string) => {
    const request = {
      redirect_uri: redirectUri,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state,
      device,
    }
    return `${deployment.url}${paths.cliAuthorize}?${new URLSearchParams(request)}`
  }
  if (isElsewhere) return { code: await typedCode(urlFor(paths.cliCode), io), verifier }
  await using listener = await loginListener(state, io)
  const url = urlFor(listener.redirectUri)
  const isOpen = await io.openBrowser(url)
  if (!isOpen) return { code: await typedCode(urlFor(paths.cliCode), io), verifier }
  io.stderr.write(
    `Agree in the browser that was opened. If none was, open this address on this machine:\n\n  ${url}\n\n`,
  )
  return { code: await listener.code, verifier }
}

/** Where no browser can reach this machine: the person carries the code, which is worth nothing to anybody else. */
async function typedCode(url: string, { stderr, readLine, signal }: PersonIo): Promise<string> {
  stderr.write(
    `Open this address in a browser, on any machine:\n\n  ${url}\n\nThen type or paste the code that it shows: `,
  )
  const interrupted = Promise.withResolvers<undefined>()
  signal.addEventListener('abort', () => interrupted.resolve(undefined), { once: true })
  const line = await Promise.race([readLine(), interrupted.promise])
  const code = (line ?? '').replaceAll(/\s/g, '')
  if (code === '') throw new CliFault('not_logged_in', 'no code was given')
  return code
}

async function keep(io: PersonIo, deployment: Deployment, grant: Grant): Promise<Login> {
  const answer = await call(deployment, io, {
    method: 'POST',
    path: paths.cliToken,
    body: grant,
    authorization: undefined,
  })
  const { secret, username, session, expiresAt, notAfter } = await fitting(deployment, answer, CliTokenSchema)
  const own = { secret: new Secret(secret), username, session, url: deployment.url }
  const login = keptLogin(io, own, { expiresAt, notAfter })
  if (!login) throw new CliFault('no_gateway', `${deployment.url} gave a login without an end`)
  await using _lock = await takeLock(loginLock(io, deployment), { ...io, longest: 60_000 })
  const before = await readLoginToEnd(io, deployment)
  await writeLogin(io, deployment, login)
  await writeDeployments(io, withDeployment(await readDeployments(io), deployment))
  if (before) await endSession(io, deployment, before, login)
  return login
}

/**
 * What it calls itself in aliases stays known, as of this URL alone: `config-ssh` asks again, and until then no other one may call itself the same. By what is there
 * now, for what others have written meanwhile.
 */
export function withDeployment(
  { all }: Deployments,
  { sshName: _, sshUser: __, ...deployment }: Deployment,
): Deployments {
  const others = all.filter(({ name }) => name !== deployment.name)
  const before = all.find(({ name, url }) => name === deployment.name && url === deployment.url)
  return { current: deployment.name, all: [...others, { ...before, ...deployment }] }
}

/** Of the login that this one takes the place of. It would end by itself, so that a fault is no reason not to be logged in. */
async function endSession(io: PersonIo, deployment: Deployment, before: Login, { secret }: Login): Promise<void> {
  try {
    await call(deployment, io, { method: 'DELETE', path: api.session(before.session), authorization: secret })
  } catch (error) {
    if (error instanceof CliFault && error.code === 'not_found') return
    io.stderr.write(`The login before could not be ended, and ends at ${new Date(before.expiresAt).toISOString()}.\n`)
  }
}

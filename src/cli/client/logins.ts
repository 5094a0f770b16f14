/** The logins of this machine: one file for each deployment, for its owner alone. A login is sent nowhere but to the URL that gave it. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Timestamp } from '#lib/clock.ts'
import { Secret } from '#settings/secret.ts'
import { configFolder } from './config-folder.ts'
import { type Deployment, parseJson, recordOf } from './deployments.ts'
import type { PersonIo } from './person-io.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

export interface Login {
  /** Sent as `Authorization: Bearer`. */
  readonly secret: Secret
  readonly username: string
  /** Name of the session, as the page of one's sessions lists it. */
  readonly session: string
  /** Good until then, unless it is renewed. */
  readonly expiresAt: Timestamp
  /** From then on it is to be renewed; by this machine's clock. */
  readonly renewAt: Timestamp
  /** Never good past this. */
  readonly notAfter: Timestamp
  /** The gateway that gave it. */
  readonly url: string
}

/** `undefined` where there is none, or one of another gateway. Throws `login_exposed` when others may have read it. */
export async function readLogin(io: PersonIo, deployment: Deployment): Promise<Login | undefined> {
  return loginIn(io, deployment, { secret: true })
}

/** To end it, and for nothing else: whether others may have read it or not. */
export async function readLoginToEnd(io: PersonIo, deployment: Deployment): Promise<Login | undefined> {
  return loginIn(io, deployment, { secret: false })
}

async function loginIn(
  io: PersonIo,
  deployment: Deployment,
  { secret }: { secret: boolean },
): Promise<Login | undefined> {
  const text = await readPrivateFile(loginFile(io, deployment), { platform: io.platform, secret })
  const login = text === undefined ? undefined : parseLogin(text)
  return login?.url === deployment.url ? login : undefined
}

export async function writeLogin(io: PersonIo, deployment: Deployment, login: Login): Promise<void> {
  const { secret, expiresAt, renewAt, notAfter, ...rest } = login
  const times = { expiresAt: written(expiresAt), renewAt: written(renewAt), notAfter: written(notAfter) }
  const text = JSON.stringify({ ...rest, ...times, secret: secret.reveal() }, null, 2)
  await writePrivateFile(loginFile(io, deployment), `${text}\n`)
}

export async function removeLogin(io: PersonIo, deployment: Deployment): Promise<void> {
  await rm(loginFile(io, deployment), { force: true })
}

/** Whoever changes the login holds it. */
export function loginLock(io: PersonIo, deployment: Deployment): string {
  return join(configFolder(io), 'logins', `${deployment.name}.lock`)
}

function loginFile(io: PersonIo, deployment: Deployment): string {
  return join(configFolder(io), 'logins', `${deployment.name}.json`)
}

function written(time: Timestamp): string {
  return new Date(time).toISOString()
}

function parseLogin(text: string): Login | undefined {
  const file = recordOf(parseJson(text))
  const word = (key: string) => (typeof file?.[key] === 'string' ? file[key] : undefined)
  const [secret, username, session, url] = ['secret', 'username', 'session', 'url'].map(word)
  const [expiresAt, renewAt, notAfter] = ['expiresAt', 'renewAt', 'notAfter'].map((key) => Date.parse(word(key) ?? ''))
  if (secret === undefined || username === undefined || session === undefined || url === undefined) return undefined
  if (!isTime(expiresAt) || !isTime(renewAt) || !isTime(notAfter)) return undefined
  return { secret: new Secret(secret), username, session, url, expiresAt, renewAt, notAfter }
}

function isTime(time: number | undefined): time is number {
  return time !== undefined && !Number.isNaN(time)
}

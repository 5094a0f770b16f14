/**
 * Keeping a login: once half of its life is over the gateway is asked to renew it, by one process of all that find it so. The others go on with
 * what they have, since the secret stays the same; a gateway that does not answer takes nothing away.
 */
import type { Milliseconds } from '#lib/clock.ts'
import { paths } from '#surface/urls.ts'
import { call } from './api-call.ts'
import { CliFault, isCliFault } from './cli-fault.ts'
import { type Deployment, recordOf } from './deployments.ts'
import { takeLock, tryLock } from './file-lock.ts'
import { type Login, loginLock, readLogin, removeLogin, writeLogin } from './logins.ts'
import type { PersonIo } from './person-io.ts'

/** Longer than any call of the gateway may take. */
const longestHeld: Milliseconds = 60_000

/**
 * The login to go on with. Throws `login_over` when the gateway says so, and never because it says nothing; `not_written` where a login that is over
 * would have to be kept in a folder that cannot be written.
 */
export async function renewedLogin(io: PersonIo, deployment: Deployment, login: Login): Promise<Login> {
  const now = io.clock.now()
  if (now < login.renewAt) return login
  if (now >= login.expiresAt) return renewedUnder(takeLock, io, deployment, login)
  try {
    return await renewedUnder(tryLock, io, deployment, login)
  } catch (error) {
    if (isCliFault(error, 'not_written')) return login
    throw error
  }
}

/** By {@link takeLock} for one that is over: there is nothing to go on with meanwhile. */
async function renewedUnder(take: typeof tryLock, io: PersonIo, deployment: Deployment, login: Login): Promise<Login> {
  await using lock = await take(loginLock(io, deployment), { ...io, longest: longestHeld })
  if (!lock) return login
  const latest = await readLogin(io, deployment)
  if (!latest) throw loginOver(deployment)
  if (io.clock.now() < latest.renewAt) return latest
  // Awaited here: the lock is held until it is written.
  return await renew(io, deployment, latest)
}

async function renew(io: PersonIo, deployment: Deployment, login: Login): Promise<Login> {
  try {
    const { body } = await call(deployment, io, { method: 'POST', path: paths.cliRenew, authorization: login.secret })
    const { expiresAt, notAfter } = recordOf(body) ?? {}
    const renewed = keptLogin(io, login, { expiresAt, notAfter })
    if (!renewed) return login
    await writeLogin(io, deployment, renewed)
    return renewed
  } catch (error) {
    if (isCliFault(error, 'unauthorized')) {
      await removeLogin(io, deployment)
      throw loginOver(deployment, error.requestId)
    }
    if (isCliFault(error, 'unreachable', 'proxy_failed', 'certificate_refused', 'timed_out', 'no_gateway')) return login
    if (isCliFault(error) && (error.status ?? 0) >= 400) return login
    throw error
  }
}

/** With the times that the gateway gave, and half of what is left as the moment of the next renewal; `undefined` when they are none. */
export function keptLogin(
  { clock }: Pick<PersonIo, 'clock'>,
  login: Omit<Login, 'expiresAt' | 'notAfter' | 'renewAt'>,
  times: { readonly expiresAt: unknown; readonly notAfter: unknown },
): Login | undefined {
  const [expiresAt, notAfter] = [timeOf(times.expiresAt), timeOf(times.notAfter)]
  if (expiresAt === undefined || notAfter === undefined) return undefined
  // At its horizon nothing renews it any more.
  const renewAt = expiresAt >= notAfter ? notAfter : clock.now() + Math.max(expiresAt - clock.now(), 0) / 2
  return { ...login, expiresAt, notAfter, renewAt }
}

function timeOf(value: unknown): number | undefined {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

export function notLoggedIn({ name, url }: Deployment): CliFault {
  return new CliFault('not_logged_in', `nobody is logged in at ${name} (${url})`, { hint: hintOf(name) })
}

/** The gateway knows it no more: it ended, or was ended. */
export function loginOver({ name, url }: Deployment, requestId?: string): CliFault {
  return new CliFault('login_over', `the login at ${name} (${url}) is over`, { requestId, hint: hintOf(name) })
}

function hintOf(name: string): string {
  return `Run "gatehouse login --deployment ${name}".`
}

/** `gatehouse logout`: ends the login at the gateway, with all that it has open, and forgets it here. */
import { rm } from 'node:fs/promises'
import { call } from '#cli/client/api-call.ts'
import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault } from '#cli/client/cli-fault.ts'
import { findDeployment } from '#cli/client/client.ts'
import { type Deployment, readDeployments, writeDeployments } from '#cli/client/deployments.ts'
import { takeLock } from '#cli/client/file-lock.ts'
import { type Login, loginLock, readLoginToEnd, removeLogin } from '#cli/client/logins.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { placesOf } from '#cli/ssh/places.ts'
import { api } from '#surface/urls.ts'

export async function logout(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, { ...commonOptions, forget: { type: 'boolean', default: false } })
  takePositionals(positionals, { least: 0, names: [] })
  const deployment = await findDeployment(io, values.deployment)
  await using _lock = await takeLock(loginLock(io, deployment), { ...io, longest: 60_000 })
  const login = await readLoginToEnd(io, deployment)
  try {
    // First, while there is the secret that ends it, and before its last certificate could be asked for.
    if (login) await endSession(io, deployment, login)
  } finally {
    await removeKeys(io, deployment)
    await removeLogin(io, deployment)
    if (values.forget) await forget(io, deployment)
  }
  const { name, url } = deployment
  io.stderr.write(login ? `Logged out at ${name} (${url}).\n` : `Nobody was logged in at ${name}.\n`)
  return 0
}

/** Keys and certificates are of that login. One that can't be removed is no reason to keep the login. */
async function removeKeys(io: PersonIo, deployment: Deployment): Promise<void> {
  const { folder } = placesOf(io, deployment)
  try {
    // Some times, for a certificate that was asked for before and is written meanwhile.
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  } catch (error) {
    io.stderr.write(`${folder} could not be removed, and is of no more use: remove it yourself. ${String(error)}\n`)
  }
}

/** Its name, its URL and what it calls itself: another one may be called so from here on. */
async function forget(io: PersonIo, { name }: Deployment): Promise<void> {
  const { current, all } = await readDeployments(io)
  const others = all.filter((one) => one.name !== name)
  await writeDeployments(io, { current: current === name ? undefined : current, all: others })
}

/** A gateway that is not reached goes on believing whoever has the secret: that must be known. */
async function endSession(io: PersonIo, deployment: Deployment, { session, secret, expiresAt }: Login): Promise<void> {
  try {
    await call(deployment, io, { method: 'DELETE', path: api.session(session), authorization: secret })
  } catch (error) {
    if (!(error instanceof CliFault)) throw error
    if (error.code === 'unauthorized' || error.code === 'not_found') return
    throw new CliFault(error.code, `forgotten here, but not ended at ${deployment.url}: ${error.message}`, {
      hint: `It ends there by itself at ${new Date(expiresAt).toISOString()}; the page of your sessions ends it now.`,
      requestId: error.requestId,
    })
  }
}

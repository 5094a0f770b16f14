/** `gatehouse logout`: ends the login at the gateway, with all that it has open, and forgets it here. */
import { rm } from 'node:fs/promises'
import { call } from '#cli/client/api-call.ts'
import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault } from '#cli/client/cli-fault.ts'
import { findDeployment } from '#cli/client/client.ts'
import type { Deployment } from '#cli/client/deployments.ts'
import { takeLock } from '#cli/client/file-lock.ts'
import { type Login, loginLock, readLoginToEnd, removeLogin } from '#cli/client/logins.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { placesOf } from '#cli/ssh/places.ts'
import { api } from '#surface/urls.ts'

export async function logout(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, commonOptions)
  takePositionals(positionals, { least: 0, names: [] })
  const deployment = await findDeployment(io, values.deployment)
  await using _lock = await takeLock(loginLock(io, deployment), { ...io, longest: 60_000 })
  const login = await readLoginToEnd(io, deployment)
  await removeLogin(io, deployment)
  // Keys and certificates are of that login; what ssh is configured with says "not logged in" from here on.
  await rm(placesOf(io, deployment).folder, { recursive: true, force: true })
  if (!login) {
    io.stderr.write(`Nobody was logged in at ${deployment.name}.\n`)
    return 0
  }
  await endSession(io, deployment, login)
  io.stderr.write(`Logged out at ${deployment.name} (${deployment.url}).\n`)
  return 0
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

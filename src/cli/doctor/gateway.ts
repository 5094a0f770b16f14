/** Is the gateway reached, by whatever lies in between, and is somebody logged in there? */
import { call } from '#cli/client/api-call.ts'
import { CliFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import type { Deployment } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { proxyFor } from '#cli/client/proxy-choice.ts'
import { api } from '#surface/urls.ts'
import type { Finding } from './probes.ts'

export async function checkGateway(io: PersonIo, deployment: Deployment): Promise<readonly Finding[]> {
  const check = `gateway ${deployment.name}`
  try {
    const way = wayTo(io, deployment)
    await answers(io, deployment)
    return [{ check, verdict: 'ok', found: `${deployment.url} answers${way}` }, await checkLogin(io, deployment)]
  } catch (error) {
    if (!(error instanceof CliFault)) throw error
    const { message, hint } = error
    return [
      { check, verdict: 'missing', found: message, remedy: hint ?? 'Is its name right, and is the network there?' },
    ]
  }
}

/** Any answer of a Gatehouse will do, that nobody is logged in among them. */
async function answers(io: PersonIo, deployment: Deployment): Promise<void> {
  try {
    await call(deployment, io, { method: 'GET', path: api.whoami, authorization: undefined })
  } catch (error) {
    if (!(error instanceof CliFault && error.code === 'unauthorized')) throw error
  }
}

/** Named by variable, since its value may hold a password. */
function wayTo({ env }: PersonIo, { url, caFile }: Deployment): string {
  const proxy = proxyFor(new URL(url), env)
  const parts = [
    proxy && `through the proxy of ${proxy.variable} (${proxy.host}:${proxy.port})`,
    env.NODE_EXTRA_CA_CERTS && `with the authorities of NODE_EXTRA_CA_CERTS (${env.NODE_EXTRA_CA_CERTS})`,
    caFile && `with the authorities of ${caFile}`,
  ].filter((part) => part !== undefined && part !== '')
  return parts.length === 0 ? '' : `, ${parts.join(', ')}`
}

async function checkLogin(io: PersonIo, { name }: Deployment): Promise<Finding> {
  const check = `login ${name}`
  try {
    const client = await openClient(io, name)
    await client.send({ method: 'GET', path: api.whoami })
    return { check, verdict: 'ok', found: `logged in as ${client.username}` }
  } catch (error) {
    if (!(error instanceof CliFault)) throw error
    return {
      check,
      verdict: 'missing',
      found: error.message,
      ...(error.hint === undefined ? {} : { remedy: error.hint }),
    }
  }
}

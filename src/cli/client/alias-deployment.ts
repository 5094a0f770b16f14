/**
 * Which of the gateways known here an alias of SSH is of. An alias names a deployment by the word that this one has for itself, so that it never leads to a
 * workspace of the same name elsewhere. A gateway is asked for its word once, and it is kept beside its URL until `config-ssh` asks again.
 */
import { paths } from '#surface/urls.ts'
import { isDeployment, type SshAlias, sshAlias } from '#workspace/ssh-alias.ts'
import { call } from './api-call.ts'
import { CliFault, usageFault } from './cli-fault.ts'
import { findDeployment } from './client.ts'
import { type Deployment, deploymentVariable, readDeployments, recordOf } from './deployments.ts'
import { readLogin } from './logins.ts'
import type { PersonIo } from './person-io.ts'
import { keepTrust } from './ssh-trust.ts'

/**
 * `named` as `--deployment` has it: that one has to be the alias's. Throws `usage` when it is not, or several are; `no_deployment` when none is, and as
 * {@link call} where one that is logged in can't be asked. No tunnel was tried then.
 */
export async function deploymentOfAlias(io: PersonIo, alias: SshAlias, named: string | undefined): Promise<Deployment> {
  const said = sshAlias(alias.ref, alias.deployment)
  const chosen = named ?? io.env[deploymentVariable] ?? ''
  if (chosen !== '') {
    const one = await findDeployment(io, chosen)
    const word = await wordOf(io, one)
    if (word === alias.deployment) return one
    throw usageFault(`'${said}' is not of the deployment '${chosen}', which is called '${word}' in aliases`)
  }
  const fitting = await thoseCalled(io, alias.deployment)
  const [only, other] = fitting
  if (only && !other) return only
  if (only) throw usageFault(`'${said}' may be of ${fitting.map(({ name }) => name).join(', ')}: say --deployment`)
  throw new CliFault('no_deployment', `nobody is logged in at a gateway that is called '${alias.deployment}'`, {
    hint: `'${said}' is of that one: run "gatehouse login https://…" for it, or "gatehouse config-ssh" where one that is known here is called so by now.`,
  })
}

/** Whoever has a word of its own is known by it; of the others those alone are asked where somebody is logged in. */
async function thoseCalled(io: PersonIo, word: string): Promise<readonly Deployment[]> {
  const found: Deployment[] = []
  for (const one of (await readDeployments(io)).all) {
    if (one.sshName === undefined && !(await readLogin(io, one))) continue
    if ((await wordOf(io, one)) === word) found.push(one)
  }
  return found
}

/** As `known_hosts` and aliases have it. Throws `no_gateway`, and as {@link call}. */
export async function wordOf(io: PersonIo, deployment: Deployment): Promise<string> {
  if (deployment.sshName !== undefined) return deployment.sshName
  const { body, requestId } = await call(deployment, io, {
    ...{ method: 'GET', path: paths.sshTrust },
    authorization: undefined,
  })
  const word = recordOf(body)?.deployment
  if (typeof word !== 'string' || !isDeployment(word))
    throw new CliFault('no_gateway', `${deployment.url} does not say what it is called in aliases`, { requestId })
  await keepTrust(io, deployment, { sshName: word })
  return word
}

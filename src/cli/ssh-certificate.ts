/**
 * `gatehouse ssh-certificate`: what `Match … exec` of our `ssh_config` runs, so that key, certificate and known hosts are there when ssh reads them. Where they are,
 * it reads three files and nobody is asked; all else is loaded when it is needed. Says nothing on standard output.
 */
import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { isCliFault, usageFault } from '#cli/client/cli-fault.ts'
import { readDeployments } from '#cli/client/deployments.ts'
import { readLogin } from '#cli/client/logins.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { hasCertificate } from '#cli/ssh/certificate-file.ts'
import { inConfigFolder } from '#cli/ssh/given-folder.ts'
import { placesOf } from '#cli/ssh/places.ts'
import { parseSshAlias, type SshAlias, sshAlias } from '#workspace/ssh-alias.ts'

/** The ProxyCommand runs in any case, and says these once more: once is enough. */
const toldByTunnel = ['not_logged_in', 'login_over', 'no_deployment', 'not_found', 'forbidden']

const options = {
  ...commonOptions,
  'agent-forwarding': { type: 'boolean', default: false },
  'config-folder': { type: 'string' },
} as const

export async function sshCertificate(args: readonly string[], given: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['alias'] })
  const io = inConfigFolder(given, values['config-folder'])
  const alias = parseSshAlias(positionals[0] ?? '')
  if (!alias) throw usageFault('an alias is NAME.NAMESPACE.DEPLOYMENT.gatehouse')
  const agentForwarding = values['agent-forwarding']
  if (await isCached(io, alias, { deployment: values.deployment, agentForwarding })) return 0
  try {
    await mint(io, alias, { deployment: values.deployment, agentForwarding })
    return 0
  } catch (error) {
    if (isCliFault(error, ...toldByTunnel)) return error.exitCode
    throw error
  }
}

interface Wish {
  readonly deployment: string | undefined
  readonly agentForwarding: boolean
}

async function mint(io: PersonIo, alias: SshAlias, wish: Wish): Promise<void> {
  const [{ deploymentOfAlias }, { mintCertificate }] = await Promise.all([
    import('#cli/client/alias-deployment.ts'),
    import('#cli/ssh/mint.ts'),
  ])
  const deployment = await deploymentOfAlias(io, alias, wish.deployment)
  const { deployment: sshName, ref } = alias
  await mintCertificate(io, { deployment, sshName, ref, agentForwarding: wish.agentForwarding })
}

/** What can't be told is no fault: whoever asks for a new one says what is wrong. */
async function isCached(io: PersonIo, alias: SshAlias, { deployment: name, agentForwarding }: Wish): Promise<boolean> {
  const deployment = (await readDeployments(io)).all.find((one) => one.name === name)
  if (deployment?.sshName !== alias.deployment) return false
  const login = await readLogin(io, deployment)
  if (!login || io.clock.now() >= login.expiresAt) return false
  return hasCertificate(placesOf(io, deployment), sshAlias(alias.ref, alias.deployment), {
    ...{ session: login.session, agentForwarding },
    ...{ now: io.clock.now(), platform: io.platform },
  })
}

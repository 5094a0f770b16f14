/**
 * What `gatehouse ssh-certificate` was asked for, and whether that is there already: three files say so, and nobody is asked. ssh waits for it before it does anything,
 * so that nothing else is loaded here.
 */
import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { usageFault } from '#cli/client/cli-fault.ts'
import { readDeployments } from '#cli/client/deployments.ts'
import { readLogin } from '#cli/client/logins.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseSshAlias, type SshAlias, sshAlias } from '#workspace/ssh-alias.ts'
import { hasCertificate } from './certificate-file.ts'
import { inConfigFolder } from './given-folder.ts'
import { placesOf } from './places.ts'

export interface CertificateWish {
  /** With the config folder that was named. */
  readonly io: PersonIo
  readonly alias: SshAlias
  readonly deployment: string | undefined
  readonly agentForwarding: boolean
}

const options = {
  ...commonOptions,
  'agent-forwarding': { type: 'boolean', default: false },
  'config-folder': { type: 'string' },
} as const

/** Throws `usage`. */
export function readCertificateWish(args: readonly string[], given: PersonIo): CertificateWish {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['alias'] })
  const io = inConfigFolder(given, values['config-folder'])
  const alias = parseSshAlias(positionals[0] ?? '')
  if (!alias) throw usageFault('an alias is NAME.NAMESPACE.DEPLOYMENT.gatehouse')
  return { io, alias, deployment: values.deployment, agentForwarding: values['agent-forwarding'] }
}

/** What can't be told is no fault: whoever asks for a new one says what is wrong. */
export async function isCached({ io, alias, deployment: name, agentForwarding }: CertificateWish): Promise<boolean> {
  const deployment = (await readDeployments(io)).all.find((one) => one.name === name)
  if (deployment?.sshName !== alias.deployment) return false
  const login = await readLogin(io, deployment)
  if (!login || io.clock.now() >= login.expiresAt) return false
  return hasCertificate(placesOf(io, deployment), sshAlias(alias.ref, alias.deployment), {
    ...{ session: login.session, agentForwarding },
    ...{ now: io.clock.now(), platform: io.platform },
  })
}

/**
 * `gatehouse ssh-certificate`: what `Match … exec` of our `ssh_config` runs, so that key, certificate and known hosts are there when ssh reads them. What it takes to
 * get new ones is loaded when it is needed. Says nothing on standard output.
 */
import { isCliFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { type CertificateWish, isCached, readCertificateWish } from '#cli/ssh/cached-certificate.ts'

/** The ProxyCommand runs in any case, and says these once more: once is enough. */
const toldByTunnel = ['not_logged_in', 'login_over', 'no_deployment', 'not_found', 'forbidden']

export async function sshCertificate(args: readonly string[], given: PersonIo): Promise<number> {
  const wish = readCertificateWish(args, given)
  if (await isCached(wish)) return 0
  try {
    await mint(wish)
    return 0
  } catch (error) {
    if (isCliFault(error, ...toldByTunnel)) return error.exitCode
    throw error
  }
}

async function mint({ io, alias, deployment: named, agentForwarding }: CertificateWish): Promise<void> {
  const [{ deploymentOfAlias }, { mintCertificate }] = await Promise.all([
    import('#cli/client/alias-deployment.ts'),
    import('#cli/ssh/mint.ts'),
  ])
  const deployment = await deploymentOfAlias(io, alias, named)
  const { deployment: sshName, ref } = alias
  await mintCertificate(io, { deployment, sshName, ref, agentForwarding })
}

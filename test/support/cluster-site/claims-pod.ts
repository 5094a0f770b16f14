/** A second issuer of a site, as a pod behind a Service with TLS, that says of its one person what a test wants it to say. */
import { apply } from '../cluster-api.ts'
import { startProgramPod } from './program-pod.ts'
import type { ClusterSite } from './site.ts'
import { tlsSecret } from './site-secrets.ts'

export interface ClaimsPod {
  /** Its name, `claims.<namespace>.svc`. */
  readonly host: string
  readonly issuer: string
  /** Of its Service. */
  readonly address: string
  /** Beside, or instead of, `sub`, `preferred_username` and `groups` of alice; what was said before is not any more. */
  says(claims: object, forgery?: Forgery): Promise<void>
}

/** What no good issuer does with a login. */
export type Forgery = 'alg-none' | 'public-key-as-secret' | 'unknown-key' | 'wrong-state'

const files = ['../claims-program.ts', '../faulty-issuer.ts', '../free-port.ts', '../in-turn.ts'] as const

export async function startClaimsPod({ namespace, ca }: Pick<ClusterSite, 'namespace' | 'ca'>): Promise<ClaimsPod> {
  const name = 'claims'
  const host = `${name}.${namespace}.svc`
  const issuer = `https://${host}`
  await apply(await tlsSecret(namespace, 'claims-tls', { ca, names: [host] }))
  const [main, ...others] = files.map((file) => new URL(file, import.meta.url))
  if (!main) throw new Error('no program')
  const environment = { ISSUER: issuer }
  const pod = await startProgramPod({ namespace, name, files: [main, ...others], environment, tlsSecret: 'claims-tls' })
  return {
    ...{ host, issuer, address: pod.address },
    async says(claims, forgery) {
      await pod.control(`/${forgery ?? ''}`, { method: 'POST', body: JSON.stringify(claims) })
    },
  }
}

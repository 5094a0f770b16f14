/** A cluster that gives tokens to its pods, as the API server does: bound to a pod, for an audience. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { issuerKeys } from '#identity/issuer-keys.ts'
import { openPodTokens, type PodTokens } from '#identity/pod-token.ts'
import { systemClock } from '#lib/clock.ts'

const issuer = 'https://kubernetes.default.svc.cluster.local'

export interface TokenGiver {
  readonly podTokens: PodTokens
  tokenOf(pod: { readonly namespace: string; readonly uid: string }, claims: object): Promise<string>
}

export async function tokenGiver(): Promise<TokenGiver> {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }
  const keys = issuerKeys({ load: async () => ({ keys: [jwk] }), clock: systemClock })
  return {
    podTokens: openPodTokens({ keys, issuer: async () => issuer, clock: systemClock }),
    tokenOf({ namespace, uid }, claims) {
      const now = Math.floor(Date.now() / 1000)
      const said = { namespace, pod: { name: 'nb-0', uid }, serviceaccount: { name: 'default', uid: 'uid-of-account' } }
      const sub = `system:serviceaccount:${namespace}:default`
      return new SignJWT({ iss: issuer, sub, iat: now, nbf: now, exp: now + 3600, 'kubernetes.io': said, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .sign(privateKey)
    },
  }
}

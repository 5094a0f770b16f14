/** Wires whose tokens let machines in: the ServiceAccounts of this cluster, by the keys that its API server publishes, and other issuers. */
import type { LookupFunction } from 'node:net'
import { GatewayError } from '#errors.ts'
import { issuerFetch } from '#identity/issuer-fetch.ts'
import { issuerKeys } from '#identity/issuer-keys.ts'
import { issuerMetadata } from '#identity/issuer-metadata.ts'
import type { MachineIssuer } from '#identity/machine-sessions.ts'
import { issuerFrom, openPodTokens, type PodTokens } from '#identity/pod-token.ts'
import type { Clock } from '#lib/clock.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { Log } from '#observe/log.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import type { MachineSettings, Settings } from '#settings/settings.ts'

export interface MachinesParts {
  readonly settings: Settings
  readonly client: ApiClient
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

export function machineIssuers(parts: MachinesParts): readonly MachineIssuer[] {
  return parts.settings.machines.map((machine) =>
    machine.kind === 'cluster' ? ofCluster(parts, machine) : ofIssuer(parts, machine),
  )
}

/** Every ServiceAccount may read both (`system:service-account-issuer-discovery`). */
const clusterKeys = '/openid/v1/jwks'
const clusterIssuer = '/.well-known/openid-configuration'
const reviews = '/apis/authentication.k8s.io/v1/tokenreviews'

function ofCluster({ client, clock }: MachinesParts, machine: MachineSettings & { kind: 'cluster' }): MachineIssuer {
  const { tokenReview, kind: _, ...rules } = machine
  const load = () => client.get(clusterKeys, { accept: 'application/jwk-set+json, application/json' })
  const review = async (token: string) => {
    const spec = { token, audiences: [rules.audience] }
    const answer = await client.post(reviews, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec })
    return isJsonObject(answer) && isJsonObject(answer.status) && answer.status.authenticated === true
  }
  const known = { ...rules, isCluster: true, usernamePrefix: '', keys: issuerKeys({ load, clock }) }
  return tokenReview ? { ...known, review } : known
}

/** Tokens of this cluster's pods, whatever the settings say of machines: they let nobody in. */
export function podTokensOf(client: ApiClient, clock: Clock): PodTokens {
  const load = () => client.get(clusterKeys, { accept: 'application/jwk-set+json, application/json' })
  return openPodTokens({
    keys: issuerKeys({ load, clock }),
    issuer: issuerFrom(() => client.get(clusterIssuer)),
    clock,
  })
}

function ofIssuer(parts: MachinesParts, machine: MachineSettings & { kind: 'issuer' }): MachineIssuer {
  const { clock, log, settings } = parts
  const { kind: _, ...rules } = machine
  const fetch = issuerFetch(parts)
  const isHttpAllowed = settings.insecure.includes('insecureHttpIssuer')
  const about = { id: rules.issuer, issuer: rules.issuer, clientId: rules.audience, isHttpAllowed }
  const metadata = issuerMetadata({ settings: about, fetch, clock, log })
  const load = async () => {
    const { jwks_uri: uri } = await metadata()
    if (uri === undefined) throw new GatewayError('issuer_unavailable', `${rules.issuer} publishes no keys`)
    const answer = await fetch(uri, { method: 'GET', headers: {}, body: undefined, redirect: 'manual' })
    return answer.json()
  }
  return { ...rules, isCluster: false, keys: issuerKeys({ load, clock }) }
}

/**
 * Whether Gatehouse's admission policies (`config/policies`) are in force. Each refuses a share of a name of its own, whoever makes it, so that
 * a dry run tells: nothing is stored, and no right is needed that the gateway has not.
 */
import { GatewayError } from '#errors.ts'
import type { ApiClient } from './api-client.ts'
import { ApiFault } from './api-fault.ts'
import { resourcePath } from './resource-path.ts'

/**
 * `workspace-owner`: nobody writes another one's name into `created-by`; `workspace-share`: who makes a share holds the verb `share`;
 * `gateway-account`: of a Workspace our account changes `desiredStatus` alone.
 */
export const policyNames = ['workspace-owner', 'workspace-share', 'gateway-account'] as const
export type PolicyName = (typeof policyNames)[number]

const shares = { group: 'workspace.jupyter.org', version: 'v1alpha1', plural: 'workspaceshares' }

/** Throws as {@link isInForce}. */
export async function policiesInForce(client: ApiClient, namespace: string): Promise<ReadonlySet<PolicyName>> {
  const asked = await Promise.all(
    policyNames.map(async (name) => ((await isInForce(client, namespace, name)) ? [name] : [])),
  )
  return new Set(asked.flat())
}

/** Throws `store_unavailable`: then nobody knows; `store_refused` where the account may not make shares in this namespace. */
export async function isInForce(client: ApiClient, namespace: string, policy: PolicyName): Promise<boolean> {
  const object = {
    apiVersion: `${shares.group}/${shares.version}`,
    kind: 'WorkspaceShare',
    metadata: { name: `gatehouse-asks-${policy}`, namespace },
    spec: { workspaces: [{ name: 'none' }], grantees: [{ kind: 'User', name: 'nobody' }] },
  }
  try {
    await client.post(resourcePath(shares, { namespace, query: { dryRun: 'All' } }), object)
    return false
  } catch (error) {
    if (!(error instanceof ApiFault)) throw error
    // How the API server names the policy that refused (apiserver, policy/validating).
    const isOurs = error.message.includes(`ValidatingAdmissionPolicy 'gatehouse-${policy}`)
    if (isOurs && error.message.includes('this policy is in force')) return true
    if (error.message.includes('ValidatingAdmissionPolicy')) throw anotherPolicy(policy, error)
    throw error
  }
}

function anotherPolicy(policy: PolicyName, cause: ApiFault): GatewayError {
  return new GatewayError('store_refused', `whether ${policy} is in force can't be told: ${cause.message}`, { cause })
}

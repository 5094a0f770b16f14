import { expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { type ApiClient, openApiClient } from '#resources/kubernetes/api-client.ts'
import { policiesInForce } from '#resources/kubernetes/policy-probe.ts'
import { kubectl, openNamespace } from '#test/support/cluster.ts'
import { openGatewayAccount } from '#test/support/gateway-account.ts'
import { openPolicyWorld } from '#test/support/policy-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

function clientOf(file: string): ApiClient & Disposable {
  const ending = new AbortController()
  const access = kubeconfigAccess({ file, clock: systemClock })
  const client = openApiClient({ access, clock: systemClock, signal: ending.signal })
  return Object.assign(client, { [Symbol.dispose]: () => ending.abort() })
}

describeWith('cluster', 'the admission policies', () => {
  test("are found by the gateway's account where they are in force, and nowhere else; asking leaves nothing behind", async () => {
    await using guarded = await openPolicyWorld()
    await using open = await openNamespace()
    await using stranger = await openGatewayAccount(open.name)
    using client = clientOf(guarded.gateway.kubeconfig)
    using other = clientOf(stranger.kubeconfig)
    const found = await policiesInForce(client, guarded.namespace)
    expect([...found].sort()).toEqual(['gateway-account', 'workspace-owner', 'workspace-share'])
    expect([...(await policiesInForce(other, open.name))]).toEqual([])
    for (const namespace of [guarded.namespace, open.name])
      expect(await kubectl(['get', 'workspaceshares', '-n', namespace, '-o', 'name'])).toBe('')
  })
})

import { describe, expect, test } from 'vitest'
import { Policies } from '#compose/policies.ts'
import { GatewayError } from '#errors.ts'
import { createLog } from '#observe/log.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { apiFault } from '#resources/kubernetes/api-fault.ts'
import { type PolicyName, policyNames } from '#resources/kubernetes/policy-probe.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { settingsOf } from '#test/unit/settings/settings-world.ts'

const all = { owners: true, shares: true, starts: true }

/** A stand-in for an API server that answers dry runs as policies make it; `test/cluster` asks the real one. */
async function policyWorld(cluster = '{}', lacking: Readonly<Record<string, readonly PolicyName[]>> = {}) {
  const clock = fakeClock()
  const lines = memoryLines()
  const missing = new Map(Object.entries(lacking).map(([namespace, names]) => [namespace, new Set(names)]))
  const asked: string[] = []
  const state = { isUp: true }
  const post: ApiClient['post'] = async (path, body) => {
    const namespace = /namespaces\/([^/]+)\//.exec(path)?.[1] ?? ''
    const policy = policyNames.find((name) => JSON.stringify(body).includes(`"gatehouse-asks-${name}"`))
    asked.push(`${namespace} ${policy}`)
    if (!state.isUp) throw new GatewayError('store_unavailable', 'connect ECONNREFUSED')
    if (policy && missing.get(namespace)?.has(policy)) return {}
    const refused = `ValidatingAdmissionPolicy 'gatehouse-${policy}' with binding 'x' denied request: this policy is in force`
    throw apiFault(403, { kind: 'Status', reason: 'Forbidden', message: refused })
  }
  // Nothing else is asked of it.
  const client = { post } as ApiClient
  const settings = await settingsOf({ face: 'serve', file: `{sessions: {stateNamespace: ours}, cluster: ${cluster}}` })
  const ending = new AbortController()
  const log = createLog({ level: 'debug', clock, sink: lines })
  const policies = new Policies({ client, settings, clock, log })
  const running = policies.follow(ending.signal)
  return {
    ...{ clock, lines, policies, asked, state },
    lack: (namespace: string, ...names: PolicyName[]) => void missing.set(namespace, new Set(names)),
    trust: () => ({ ...policies.trust }),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await running
    },
  }
}

describe('admission policies', () => {
  test('are missed until they were found once', async () => {
    await using world = await policyWorld()
    expect(world.trust()).toEqual({ owners: false, shares: false, starts: false })
    expect(world.policies.verdict()).toBeUndefined()
    await world.policies.known
    expect(world.trust()).toEqual(all)
    expect(world.policies.missing()).toEqual([])
    expect(world.policies.verdict()).toEqual({ status: 'True', reason: 'InForce', message: '' })
  })

  test('are asked about one at a time; one that is gone is found within 18 s, all of them within 6, and as fast when they are back', async () => {
    await using world = await policyWorld()
    await world.policies.known
    let changes = 0
    using _heard = world.policies.subscribe(() => void changes++)
    world.asked.length = 0
    await world.clock.advance(18_000)
    expect(world.asked).toEqual(['ours workspace-share', 'ours gateway-account', 'ours workspace-owner'])
    world.lack('ours', 'workspace-owner')
    await world.clock.advance(18_000)
    expect(world.trust()).toEqual({ ...all, owners: false })
    world.lack('ours', ...policyNames)
    await world.clock.advance(12_000)
    expect(world.trust()).toEqual({ owners: false, shares: false, starts: false })
    expect(world.policies.missing().map(({ policy }) => policy)).toEqual(policyNames.map((name) => `gatehouse-${name}`))
    expect(world.policies.verdict()).toMatchObject({ status: 'False', reason: 'Missing' })
    expect([...world.policies.figures().values()]).toEqual([0, 0, 0])
    world.lack('ours')
    await world.clock.advance(6_000)
    expect(world.trust()).toEqual(all)
    expect(changes).toBe(3)
  })

  test('hold only where they hold in every namespace that is served', async () => {
    await using world = await policyWorld('{namespaces: [a, b]}', { b: ['workspace-share'] })
    await world.policies.known
    expect(world.trust()).toEqual({ ...all, shares: false })
    expect(new Set(world.asked.map((line) => line.split(' ')[0]))).toEqual(new Set(['a', 'b']))
    world.lack('b')
    await world.clock.advance(36_000)
    expect(world.trust()).toEqual(all)
    world.lack('a', 'gateway-account')
    await world.clock.advance(36_000)
    expect(world.trust()).toEqual({ ...all, starts: false })
  })

  test('stand as they were found last while nobody can be asked, which is said once', async () => {
    await using world = await policyWorld()
    await world.policies.known
    world.state.isUp = false
    world.lack('ours', ...policyNames)
    await world.clock.advance(60_000)
    expect(world.trust()).toEqual(all)
    expect(world.lines.text.match(/nobody could be asked/g)).toHaveLength(1)
    world.state.isUp = true
    await world.clock.advance(6_000)
    expect(world.trust()).toEqual({ owners: false, shares: false, starts: false })
  })

  test('of owners are not missed where their annotation is believed anyway', async () => {
    await using world = await policyWorld('{insecureOwnerAnnotation: true}', { ours: ['workspace-owner'] })
    await world.policies.known
    expect(world.trust()).toEqual(all)
    expect(world.policies.missing()).toEqual([])
    expect(world.policies.figures().get('gatehouse-workspace-owner')).toBe(0)
  })
})

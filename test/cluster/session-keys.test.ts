import { expect, test } from 'vitest'
import { openKeyRing } from '#identity/key-ring.ts'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { lead } from '#operator/leader.ts'
import { leaseKind } from '#operator/lease.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { type Keeping, kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { jsonSecret, plainForm } from '#resources/kubernetes/wire-form.ts'
import { kubectl, openNamespace, tryKubectl } from '#test/support/cluster.ts'
import { openGatewayAccount } from '#test/support/gateway-account.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { describeWith } from '#test/support/real-parts.ts'

const leaseName = 'gatehouse-housekeeping'

async function openWorld() {
  const namespace = await openNamespace()
  const account = await openGatewayAccount(namespace.name)
  const clock = systemClock
  const replica = () => {
    const ending = new AbortController()
    const log = createLog({ level: 'debug', clock, sink: memoryLines() })
    const access = kubeconfigAccess({ file: account.kubeconfig, clock })
    const client = openApiClient({ access, clock, signal: ending.signal })
    const resources = kubernetesResources({
      client,
      keeping: new Map<typeof keyRingKind | typeof leaseKind, Keeping>([
        [keyRingKind, { form: jsonSecret, only: keyRingName }],
        [leaseKind, { form: plainForm, only: leaseName }],
      ]),
      onUnreadable: () => undefined,
    })
    return { resources, log, clock, namespace: namespace.name, signal: ending.signal, end: () => ending.abort() }
  }
  return {
    namespace: namespace.name,
    account,
    replica,
    async [Symbol.asyncDispose]() {
      await account[Symbol.asyncDispose]()
      await namespace[Symbol.asyncDispose]()
    },
  }
}

describeWith('cluster', "with the gateway's own rights alone", () => {
  test('three replicas that start together put one key ring into the Secret that an administrator has made, and sign alike', async () => {
    await using world = await openWorld()
    const replicas = [world.replica(), world.replica(), world.replica()]
    const rings = replicas.map((replica) => openKeyRing(replica))
    await Promise.all(rings.map(({ ready }) => ready))
    const kids = rings.map((ring) => ring.all().map(({ kid }) => kid))
    expect(kids[0]).toHaveLength(1)
    expect(kids[1]).toEqual(kids[0])
    expect(kids[2]).toEqual(kids[0])
    await rings[0]?.rotateNow()
    await expect.poll(() => rings.map((ring) => ring.all().length), { timeout: 5_000 }).toEqual([2, 2, 2])
    for (const replica of replicas) replica.end()
  })

  test('a Secret with nonsense in it stands for no key, is left as it is, and counts again when it is mended', async () => {
    await using world = await openWorld()
    const replica = world.replica()
    const ring = openKeyRing(replica)
    await ring.ready
    const kids = ring.all().map(({ kid }) => kid)
    const asked = ['get', 'secret', keyRingName, '-n', world.namespace, '-o', 'jsonpath={.data.spec}']
    const write = (spec: string) =>
      kubectl(['patch', 'secret', keyRingName, '-n', world.namespace, '-p', JSON.stringify({ data: { spec } })])
    const good = await kubectl(asked)
    const nonsense = Buffer.from('{"keys": [{"kid": "../..", "secret": 7}]}').toString('base64')
    await write(nonsense)
    await expect.poll(() => ring.all(), { timeout: 5_000 }).toEqual([])
    expect(() => ring.current()).toThrow('the key ring has not been read yet')
    await expect(ring.rotateNow()).rejects.toMatchObject({ code: 'already_exists' })
    expect(await kubectl(asked)).toBe(nonsense)
    await write(good)
    await expect.poll(() => ring.all().map(({ kid }) => kid), { timeout: 5_000 }).toEqual(kids)
    replica.end()
  })

  test('no other Secret of its namespace can be read with its token', async () => {
    await using world = await openWorld()
    await kubectl(['create', 'secret', 'generic', 'other', '--from-literal=a=b', '-n', world.namespace])
    const ask = (...args: string[]) =>
      tryKubectl([...args, '-n', world.namespace], { kubeconfig: world.account.kubeconfig })
    expect(await ask('get', 'secret', 'other')).toMatchObject({ code: 1, stderr: expect.stringContaining('Forbidden') })
    expect(await ask('get', 'secrets')).toMatchObject({ code: 1, stderr: expect.stringContaining('Forbidden') })
    expect(await ask('get', 'secret', keyRingName)).toMatchObject({ code: 0 })
  })

  test('one of two replicas leads; when it is gone without a word, the other takes over within 15 s', async () => {
    await using world = await openWorld()
    const [first, second] = [world.replica(), world.replica()]
    const leading: string[] = []
    const run = (replica: typeof first, holder: string) =>
      lead({ ...replica, name: leaseName, holder }, async (signal) => {
        leading.push(holder)
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      })
    const one = run(first, 'one')
    await expect.poll(() => leading, { timeout: 10_000 }).toEqual(['one'])
    const two = run(second, 'two')
    // Its connections are cut with it, so that it can't give the lease back.
    const killedAt = Date.now()
    first.end()
    await expect.poll(() => leading, { timeout: 20_000 }).toEqual(['one', 'two'])
    expect(Date.now() - killedAt).toBeLessThan(15_000)
    second.end()
    await Promise.all([one, two])
  }, 60_000)
})

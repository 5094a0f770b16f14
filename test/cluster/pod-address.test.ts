/** The attack of `test/security/pod-address.test.ts` on a real API server, which takes any address for a pod's. */
import { type AddressInfo, createServer } from 'node:net'
import { beforeAll, expect, test } from 'vitest'
import type { Uid } from '#resources/contract.ts'
import { kubectl } from '#test/support/cluster.ts'
import { apply } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { echoContainer, testImage } from '#test/support/echo-container.ts'
import { ask, isRunning, openPodWorld, type PodWorld, uidOf, workspaceManifest } from '#test/support/pod-world.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { patience, until } from '#test/support/until.ts'

/** A workspace of his own with a pod of his own, which no scheduler knows of: its status is what he says. */
async function openLiar(world: PodWorld, spec: object = {}) {
  const { elsewhere } = world
  await apply(workspaceManifest(elsewhere, 'own'))
  const uid = (await uidOf(elsewhere, 'workspace', 'own')) as Uid
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: elsewhere,
      name: 'own',
      labels: { 'workspace.jupyter.org/workspace-name': 'own' },
      ownerReferences: [
        { apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'Workspace', name: 'own', uid, controller: true },
      ],
    },
    spec: {
      schedulerName: 'nobody',
      containers: [{ name: 'workspace', image: testImage, imagePullPolicy: 'IfNotPresent', ...echoContainer() }],
      ...spec,
    },
  })
  const find = () => world.instances().find(({ ref }) => ref.namespace === elsewhere)
  return {
    find,
    async say(podIP: string): Promise<void> {
      const state = { running: { startedAt: '2026-01-01T00:00:00Z' } }
      const containerStatuses = [
        { name: 'workspace', ready: true, restartCount: 0, image: testImage, imageID: '', state },
      ]
      const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], containerStatuses }
      await kubectl([
        ...['-n', elsewhere, 'patch', 'pod', 'own', '--subresource=status', '--type=merge'],
        ...['-p', JSON.stringify({ status })],
      ])
    },
    refused: (why: RegExp) =>
      until(
        () => {
          const found = find()
          return found?.reason === 'AddressRefused' && why.test(found.message) ? found : undefined
        },
        () => `${why} ${JSON.stringify(find())}`,
      ),
  }
}

describeWith('cluster', 'a pod that lies about its address', () => {
  beforeAll(() => installCrds())

  test('#101 leads neither to this machine nor to the API server, by whatever name of theirs', {
    timeout: patience,
  }, async () => {
    await using world = await openPodWorld()
    const liar = await openLiar(world)
    let connections = 0
    const server = createServer((socket) => {
      connections += 1
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const slices = ['-n', 'default', 'get', 'endpointslices', '-l', 'kubernetes.io/service-name=kubernetes']
    const apiServer = await kubectl([...slices, '-o', 'jsonpath={.items[0].endpoints[0].addresses[0]}'])
    const service = await kubectl(['-n', 'default', 'get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}'])
    const lies: readonly (readonly [string, RegExp])[] = [
      ['127.0.0.1', /loopback/],
      ['169.254.169.254', /link-local/],
      ['fd00:ec2::254', /metadata/],
      ['::ffff:127.0.0.1', /loopback/],
      [service, /API server/],
      [apiServer, /API server/],
    ]
    for (const [address, why] of lies) {
      await liar.say(address)
      const instance = await liar.refused(why)
      expect(instance.endpoints.get(port)).toBeUndefined()
      const endpoint = { kind: 'pod', instanceUid: instance.instanceUid, host: address, port } as const
      await expect(world.runtime.dial(endpoint, AbortSignal.timeout(5_000))).rejects.toMatchObject({
        code: 'upstream_unreachable',
      })
    }
    expect(connections).toBe(0)
    server.close()
  })

  test('#101 leads to no pod of somebody else, whose own way is shut while it lies', {
    timeout: patience,
  }, async () => {
    await using world = await openPodWorld()
    await world.put('nb', echoContainer())
    const genuine = await world.instance('nb', isRunning)
    expect((await ask(world.runtime, genuine)).pod).toBe(genuine.instanceUid)
    const endpoint = genuine.endpoints.get(8888)
    if (endpoint?.kind !== 'pod') throw new Error('no pod')
    const liar = await openLiar(world)
    await liar.say(endpoint.host)
    const lying = await liar.refused(/another pod/)
    const stolen = { ...endpoint, instanceUid: lying.instanceUid }
    for (const way of [stolen, endpoint]) {
      await expect(world.runtime.dial(way, AbortSignal.timeout(5_000))).rejects.toMatchObject({
        code: 'upstream_unreachable',
      })
    }
    await kubectl(['-n', world.elsewhere, 'delete', 'pod', 'own', '--force', '--grace-period=0'])
    const again = await world.instance('nb', isRunning)
    expect((await ask(world.runtime, again)).pod).toBe(genuine.instanceUid)
  })

  test('#101 is not its node, on whose network it is', { timeout: patience }, async () => {
    await using world = await openPodWorld()
    const liar = await openLiar(world, { schedulerName: 'default-scheduler', hostNetwork: true, containers: onHost() })
    const instance = await liar.refused(/node|API server/)
    expect(instance.phase).toBe('failed')
  })
})

function onHost(): readonly object[] {
  return [{ name: 'workspace', image: testImage, imagePullPolicy: 'IfNotPresent', command: ['sleep', '600'] }]
}

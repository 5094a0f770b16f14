import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import type { Endpoint, Instance } from '#runtime/contract.ts'
import { kubectl } from '#test/support/cluster.ts'
import { apply, listObjects, mergeObject } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { echoContainer, jupyterContainer, shellContainer, testImage } from '#test/support/echo-container.ts'
import { openGatewayAccount } from '#test/support/gateway-account.ts'
import {
  ask,
  endpointOf,
  followPods,
  get,
  isRunning,
  openPodWorld,
  uidOf,
  workspaceManifest,
} from '#test/support/pod-world.ts'
import { describeAtOnceWith } from '#test/support/real-parts.ts'
import { patience, until } from '#test/support/until.ts'

describeAtOnceWith('cluster', 'pods as instances', () => {
  beforeAll(() => installCrds())

  test('a workspace starts, runs and is reached on any port, whether the Service has it or not', {
    timeout: patience,
  }, async () => {
    await using world = await openPodWorld()
    const uid = await world.put('nb', echoContainer(8888, 8501))
    const starting = await world.instance('nb', ({ phase }) => phase === 'starting')
    expect(starting).toMatchObject({ workspaceUid: uid, ref: { namespace: world.namespace, name: 'nb' } })
    const instance = await world.instance('nb', isRunning)
    expect(instance.instanceUid).toBe(starting.instanceUid)
    const answers = [await ask(world.runtime, instance), await ask(world.runtime, instance, 8501)]
    expect(answers.map(({ pod, port }) => ({ pod, port }))).toEqual([
      { pod: instance.instanceUid, port: 8888 },
      { pod: instance.instanceUid, port: 8501 },
    ])
    expect(instance.steps.map(({ reason }) => reason)).toEqual(expect.arrayContaining(['Scheduled', 'Started']))
    expect(world.runtime.age).toBeLessThan(15_000)
    expect(world.problems).toEqual([])
  })

  test('a real JupyterLab starts in a pod and answers', { timeout: 2 * patience }, async () => {
    await using world = await openPodWorld()
    await world.put('lab', jupyterContainer())
    const instance = await world.instance('lab', isRunning)
    const status = await until(() => get(world.runtime, instance, '/api/status'))
    expect(JSON.parse(status)).toMatchObject({ kernels: 0 })
  })

  test('stopped, it ends at once and is gone; deleted, its pod has a successor of its own', {
    timeout: 2 * patience,
  }, async () => {
    await using world = await openPodWorld()
    await world.put('nb', echoContainer())
    const first = await world.instance('nb', isRunning)
    await ask(world.runtime, first)
    const endpoint = endpointOf(first)
    await kubectl(['-n', world.namespace, 'delete', 'pod', '--all', '--wait=false'])
    const second = await world.instance('nb', (it) => it.instanceUid !== first.instanceUid && isRunning(it))
    expect((await ask(world.runtime, second)).pod).toBe(second.instanceUid)
    await expect(world.runtime.dial(endpoint, AbortSignal.timeout(5_000))).rejects.toMatchObject({
      code: 'upstream_unreachable',
    })
    await mergeObject(workspaceManifest(world.namespace, 'nb'), { spec: { desiredStatus: 'Stopped' } })
    await until(() => (world.instances().length === 0 ? true : undefined))
    await expect(world.runtime.dial(endpointOf(second), AbortSignal.timeout(5_000))).rejects.toMatchObject({
      code: 'upstream_unreachable',
    })
    const phases = world.events.flatMap((event) =>
      event.type === 'applied' ? [`${event.instance.instanceUid} ${event.instance.phase}`] : [],
    )
    expect(phases).toContain(`${first.instanceUid} stopping`)
  })

  test('a pod with the labels of a workspace, a made-up owner, or in another namespace, is nobody’s', {
    timeout: patience,
  }, async () => {
    await using world = await openPodWorld()
    const uid = await world.put('nb', echoContainer())
    const genuine = await world.instance('nb', isRunning)
    const deployment = await uidOf(world.namespace, 'deployment', 'workspace-nb')
    const owner = (kind: string, apiVersion: string, name: string, of: string, controller = true) => ({
      kind,
      apiVersion,
      name,
      uid: of,
      controller,
    })
    const workspace = (of: string, controller = true) =>
      owner('Workspace', 'workspace.jupyter.org/v1alpha1', 'nb', of, controller)
    const forged = [
      forgedPod(world.namespace, 'labels-alone', []),
      forgedPod(world.namespace, 'no-controller', [workspace(uid, false)]),
      forgedPod(world.namespace, 'of-the-deployment', [owner('Deployment', 'apps/v1', 'workspace-nb', deployment)]),
      forgedPod(world.namespace, 'of-no-replica-set', [
        owner('ReplicaSet', 'apps/v1', 'workspace-nb-5d5f', deployment),
      ]),
      forgedPod(world.elsewhere, 'elsewhere', [workspace(uid)]),
    ]
    await apply(...forged)
    // The garbage collector takes those with owners that there are none of, sooner or later.
    const lasting = ['labels-alone', 'no-controller', 'of-the-deployment']
    await until(async () => ((await runningPods(world.namespace, lasting)) === lasting.length ? true : undefined))
    const told = world.events.flatMap((event) => (event.type === 'applied' ? [event.instance] : []))
    const here = told.filter(({ ref }) => ref.namespace === world.namespace)
    expect(new Set(here.map(({ instanceUid }) => instanceUid))).toEqual(new Set([genuine.instanceUid]))
    // Of the other namespace's it can only be a workspace there, and none has such a UID.
    expect(
      told.filter(({ ref }) => ref.namespace !== world.namespace).every(({ ref }) => ref.namespace === world.elsewhere),
    ).toBe(true)
    expect((await ask(world.runtime, genuine)).pod).toBe(genuine.instanceUid)
  })

  test('what runs on without its workspace is nobody’s, and not the new one’s of the same name', {
    timeout: patience,
  }, async () => {
    await using world = await openPodWorld()
    const old = await world.put('nb', shellContainer('echo secret; sleep 600'))
    await world.instance('nb', isRunning)
    await kubectl(['-n', world.namespace, 'delete', 'workspace', 'nb', '--cascade=orphan'])
    const renewed = await world.put('nb', shellContainer('echo secret; sleep 600'))
    expect(renewed).not.toBe(old)
    await until(() => (world.instances().length === 0 ? true : undefined))
    const log = { namespace: world.namespace, name: 'nb' }
    expect(await world.runtime.logs(log, { lines: 5, workspaceUid: renewed })).toEqual([])
  })

  test('why it does not start is said: image, machine, preparation', { timeout: patience }, async () => {
    await using world = await openPodWorld()
    await world.put('image', echoContainer(), { image: 'localhost:1/nowhere:1' })
    await world.put('machine', echoContainer(), { nodeSelector: { no: 'where' } })
    const clone = {
      name: 'clone',
      image: testImage,
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-c', 'exit 128'],
    }
    await world.put('step', echoContainer(), { initContainers: [clone] })
    const image = await world.instance(
      'image',
      ({ reason }) => reason === 'ImagePullBackOff' || reason === 'ErrImagePull',
    )
    expect(image).toMatchObject({
      phase: 'failed',
      message: expect.stringMatching(/image can't be pulled: .*nowhere/),
    })
    const machine = await world.instance('machine', ({ reason }) => reason === 'Unschedulable')
    expect(machine).toMatchObject({
      phase: 'starting',
      message: expect.stringMatching(/No machine has room for it now: .*node/),
    })
    const step = await world.instance('step', ({ phase }) => phase === 'failed')
    expect(step.message).toMatch(/step 'clone' ended with exit code 128/)
    const pulling = await world.instance('image', ({ steps }) =>
      ['Pulling', 'Failed'].every((wanted) => steps.some(({ reason }) => reason === wanted)),
    )
    expect(pulling.steps.find(({ reason }) => reason === 'Failed')).toMatchObject({ kind: 'warning' })
    await world.instance('machine', ({ steps }) => steps.some(({ reason }) => reason === 'FailedScheduling'))
  })

  test('how it ended is said, with its last words', { timeout: patience }, async () => {
    await using world = await openPodWorld()
    const uid = await world.put('crash', shellContainer('echo first; sleep 0.2; echo no such table >&2; exit 3'))
    const limits = { limits: { memory: '24Mi' } }
    await world.put('memory', shellContainer('python3 -c "a = bytearray(200_000_000)"'), { resources: limits })
    const crashed = await world.instance('crash', ({ reason }) => reason === 'CrashLoopBackOff')
    expect(crashed).toMatchObject({ phase: 'failed', message: expect.stringMatching(/exit code 3/) })
    expect(crashed.endpoints.get(8888)).toBeUndefined()
    const log = { namespace: world.namespace, name: 'crash' }
    expect(await world.runtime.logs(log, { lines: 10, workspaceUid: uid })).toEqual(['first', 'no such table'])
    expect(await world.runtime.logs(log, { lines: 1, workspaceUid: uid })).toEqual(['no such table'])
    const memory = await world.instance('memory', ({ reason }) => reason === 'OOMKilled')
    expect(memory).toMatchObject({ phase: 'failed', message: expect.stringMatching(/more memory than it may use/) })
  })

  test('with the rights of config/rbac/namespaced, which are on neither logs nor events, it says so and goes on', {
    timeout: patience,
  }, async () => {
    await using world = await openPodWorld()
    const uid = await world.put('nb', shellContainer('echo hello; sleep 600'))
    await world.instance('nb', isRunning)
    await using account = await openGatewayAccount(world.namespace)
    await using narrow = await followPods({ kubeconfig: account.kubeconfig, namespaces: [world.namespace] })
    const instance = await until(() => narrow.instances().find(isRunning))
    expect(instance.workspaceUid).toBe(uid)
    const lines = await narrow.runtime.logs(instance.ref, { lines: 5, workspaceUid: uid })
    expect(lines).toEqual([expect.stringMatching(/no right to read the logs/)])
    expect(await world.runtime.logs(instance.ref, { lines: 5, workspaceUid: uid })).toEqual(['hello'])
  })

  test('nothing new is opened along a route that nobody has confirmed for too long', {
    timeout: patience,
  }, async () => {
    await using world = await openPodWorld({ routeAgeLimit: 0 })
    await world.put('nb', echoContainer())
    const instance = await world.instance('nb', isRunning)
    await delay(50)
    await expect(world.runtime.dial(endpointOf(instance), AbortSignal.timeout(5_000))).rejects.toMatchObject({
      code: 'store_unavailable',
    })
  })

  test('an endpoint of another instance, of nobody’s pod, or of this machine leads nowhere', {
    timeout: patience,
  }, async () => {
    await using world = await openPodWorld()
    await world.put('nb', echoContainer())
    const instance = await world.instance('nb', isRunning)
    const { runtime } = world
    const genuine = endpointOf(instance)
    if (genuine.kind !== 'pod') throw new Error('no pod')
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const others: readonly Endpoint[] = [
      { kind: 'tcp', host: '127.0.0.1', port },
      { ...genuine, host: '127.0.0.1', port },
      { ...genuine, instanceUid: 'another' as Instance['instanceUid'] },
      { ...genuine, port: 22 },
    ]
    for (const endpoint of others) {
      await expect(runtime.dial(endpoint, AbortSignal.timeout(5_000))).rejects.toMatchObject({
        code: 'upstream_unreachable',
      })
    }
    server.close()
  })
})

function forgedPod(namespace: string, name: string, ownerReferences: readonly object[]) {
  const labels = {
    app: 'jupyter',
    'workspace.jupyter.org/workspace-name': 'nb',
    'workspace.jupyter.org/component': 'workspace',
  }
  const container = { name: 'workspace', image: testImage, imagePullPolicy: 'IfNotPresent', ...echoContainer() }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels, ownerReferences },
    spec: { containers: [container], terminationGracePeriodSeconds: 1 },
  }
}

async function runningPods(namespace: string, names: readonly string[]): Promise<number> {
  const pods = await listObjects<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace })
  return pods.filter(({ metadata, status }) => names.includes(metadata.name) && status.phase === 'Running').length
}

interface Pod {
  readonly metadata: { readonly name: string }
  readonly status: { readonly phase: string }
}

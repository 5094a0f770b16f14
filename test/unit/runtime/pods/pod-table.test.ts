import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Uid } from '#resources/contract.ts'
import type { Instance, InstanceUid } from '#runtime/contract.ts'
import type { Owner } from '#runtime/pods/owner.ts'
import type { Pod } from '#runtime/pods/pod.ts'
import { type InstanceChange, PodTable } from '#runtime/pods/pod-table.ts'
import { appOwner, owner, type PodFields, pod, workspaceOwner } from '#test/support/pod-objects.ts'

const direct = { owners: [workspaceOwner()] }

function hostOf(instance: Instance | undefined, port = 8888): string | undefined {
  const endpoint = instance?.endpoints.get(port)
  return endpoint?.kind === 'pod' ? `${endpoint.host}:${endpoint.port}` : undefined
}

/** The only instance that these pods make. */
function one(...pods: Pod[]): Instance | undefined {
  const table = new PodTable()
  table.syncPods(pods)
  const { instances } = table
  expect(instances.length).toBeLessThan(2)
  return instances[0]
}

describe('whose pod it is', () => {
  const chained = (replicaSet: PodFields = {}, deployment: PodFields = {}, ofPod: PodFields = {}) => {
    const table = new PodTable()
    table.putPod(pod({ owners: [appOwner('ReplicaSet')], ...ofPod }))
    table.putOwner(owner('ReplicaSet', { owners: [appOwner('Deployment')], ...replicaSet }))
    table.putOwner(owner('Deployment', { owners: [workspaceOwner()], ...deployment }))
    return table.instances.map(({ ref, workspaceUid }) => `${ref.namespace}/${ref.name} ${workspaceUid}`)
  }

  test('follows from controller to controller up to a Workspace', () => {
    expect(chained()).toEqual(['team/nb w1'])
    expect(one(pod(direct))?.ref).toEqual({ namespace: 'team', name: 'nb' })
    const table = new PodTable()
    table.putPod(pod({ owners: [appOwner('StatefulSet')] }))
    expect(table.instances).toEqual([])
    table.putOwner(owner('StatefulSet', { owners: [workspaceOwner()] }))
    expect(table.instances).toHaveLength(1)
  })

  test.each<[string, PodFields, PodFields, PodFields]>([
    ['an owner of another name', { name: 'other' }, {}, {}],
    ['an owner with another UID', { uid: 'other' }, {}, {}],
    ['an owner in another namespace', { namespace: 'elsewhere' }, {}, {}],
    ['an owner that nobody owns', { owners: [] }, {}, {}],
    ['an owner that does not control it', { owners: [{ ...appOwner('Deployment'), controller: false }] }, {}, {}],
    ['two that control it', { owners: [appOwner('Deployment'), appOwner('Deployment', 'b', 'b')] }, {}, {}],
    [
      'a Deployment of another kind of thing',
      {},
      { owners: [{ kind: 'Workspace', name: 'nb', uid: 'w1', apiVersion: 'example.com/v1' }] },
      {},
    ],
    [
      'a ReplicaSet of another group',
      {},
      {},
      { owners: [{ ...appOwner('ReplicaSet'), apiVersion: 'example.com/v1' }] },
    ],
    ['a Deployment right above the pod', {}, {}, { owners: [appOwner('Deployment')] }],
    ['a workspace whose name is none', {}, { owners: [workspaceOwner('../x')] }, {}],
    ['no owner at all', {}, {}, { owners: [] }],
  ])('is nobody’s with %s', (_, replicaSet, deployment, ofPod) => {
    expect(chained(replicaSet, deployment, ofPod)).toEqual([])
  })

  test('ends with the chain', () => {
    const table = new PodTable()
    table.putPod(pod({ owners: [appOwner('ReplicaSet')] }))
    table.putOwner(owner('ReplicaSet', { owners: [appOwner('Deployment')] }))
    table.putOwner(owner('Deployment', { owners: [workspaceOwner()] }))
    expect(table.dropOwner('Deployment' as Uid)).toEqual([
      { type: 'gone', ref: { namespace: 'team', name: 'nb' }, instanceUid: 'p1' },
    ])
    expect(table.instances).toEqual([])
  })

  test('a deleted namesake’s pod and the new one’s are told apart', () => {
    const table = new PodTable()
    table.putPod(pod({ uid: 'old', owners: [workspaceOwner('nb', 'w0')], isTerminating: true }))
    table.putPod(pod({ uid: 'new', ...direct }))
    expect(table.instances.map(({ workspaceUid, phase }) => `${workspaceUid} ${phase}`)).toEqual([
      'w0 stopping',
      'w1 running',
    ])
  })
})

describe('of several pods of one workspace', () => {
  const at = (uid: string, fields: PodFields = {}) =>
    pod({ uid, ...direct, ...fields, status: { podIP: `10.1.0.${uid}`, ...fields.status } })
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] }

  test.each<[string, Pod, Pod]>([
    ['the one that goes on', at('1'), at('2', { isTerminating: true, status: ready, createdAt: 9e12 })],
    [
      'the one that still may run',
      at('1'),
      at('2', { status: { ...ready, phase: 'Failed', reason: 'Evicted' }, createdAt: 9e12 }),
    ],
    ['the ready one', at('1', { status: ready }), at('2', { createdAt: 9e12 })],
    ['the newest', at('1', { createdAt: 9e12 }), at('2')],
    ['always the same', at('1'), at('2')],
  ])('it is %s', (_, chosen, other) => {
    expect(one(chosen, other)?.instanceUid).toBe(chosen.instanceUid)
    expect(one(other, chosen)?.instanceUid).toBe(chosen.instanceUid)
  })
})

describe('where a pod is reached', () => {
  test('at its address, on every port, by the pod itself', () => {
    const found = one(pod(direct))
    expect(found?.endpoints.get(8501)).toEqual({ kind: 'pod', instanceUid: 'p1', host: '10.1.0.7', port: 8501 })
  })

  test('nowhere before it runs, once it is told to end, and without an address', () => {
    expect(hostOf(one(pod({ ...direct, isTerminating: true })))).toBeUndefined()
    expect(hostOf(one(pod({ ...direct, status: { containerStatuses: [] } })))).toBeUndefined()
    expect(one(pod({ ...direct, status: { podIP: '' } }))).toMatchObject({ phase: 'starting', reason: 'NoAddress' })
  })

  test('another address is told at once', () => {
    const table = new PodTable()
    table.putPod(pod(direct))
    const changes = table.putPod(pod({ ...direct, status: { podIP: '10.1.0.8' } }))
    expect(changes.map((change) => change.type === 'applied' && hostOf(change.instance))).toEqual(['10.1.0.8:8888'])
    expect(table.routeTo('p1' as InstanceUid)).toEqual({ host: '10.1.0.8', namespace: 'team' })
  })

  test('a change that says nothing new is no news', () => {
    const table = new PodTable()
    expect(table.putPod(pod(direct))).toHaveLength(1)
    expect(table.putPod(pod(direct))).toEqual([])
  })
})

/** What changes tell, put together. */
function fold(changes: readonly InstanceChange[]): ReadonlyMap<string, Instance> {
  const known = new Map<string, Instance>()
  for (const change of changes) {
    if (change.type === 'applied') known.set(change.instance.instanceUid, change.instance)
    else known.delete(change.instanceUid)
  }
  return known
}

function said(instances: Iterable<Instance>): readonly string[] {
  return [...instances].map((it) => JSON.stringify({ ...it, endpoints: hostOf(it) })).sort()
}

const someUid = fc.constantFrom('a', 'b', 'c')
const someAddress = fc.constantFrom('10.1.0.1', '10.1.0.2', '10.0.0.9', '127.0.0.1', '')
const someNamespace = fc.constantFrom('team', 'other')
const somePodOwner = fc.oneof(
  fc.tuple(fc.constantFrom('nb', 'other'), someUid).map(([name, uid]) => workspaceOwner(name, `w${uid}`)),
  someUid.map((uid) => appOwner('ReplicaSet', `rs-${uid}`, `rs-${uid}`)),
)
const somePod = fc
  .record({
    uid: someUid,
    namespace: someNamespace,
    of: somePodOwner,
    podIP: someAddress,
    hostIP: someAddress,
    isTerminating: fc.boolean(),
    created: fc.nat(3),
  })
  .map(({ uid, namespace, of, podIP, hostIP, isTerminating, created }) =>
    pod({
      uid: `p${uid}`,
      namespace,
      owners: [of],
      isTerminating,
      createdAt: created * 1000,
      status: { podIP, hostIP },
    }),
  )
const someOwner = fc.oneof(
  fc.record({ uid: someUid, of: someUid, namespace: someNamespace }).map(({ uid, of, namespace }) =>
    owner('ReplicaSet', {
      name: `rs-${uid}`,
      uid: `rs-${uid}`,
      namespace,
      owners: [appOwner('Deployment', `d-${of}`, `d-${of}`)],
    }),
  ),
  fc
    .record({ uid: someUid, of: someUid, namespace: someNamespace })
    .map(({ uid, of, namespace }) =>
      owner('Deployment', { name: `d-${uid}`, uid: `d-${uid}`, namespace, owners: [workspaceOwner('nb', `w${of}`)] }),
    ),
)
const somethingHappens = fc.oneof(
  somePod.map((put) => ({ kind: 'put-pod', put }) as const),
  someUid.map((uid) => ({ kind: 'drop-pod', uid: `p${uid}` as InstanceUid }) as const),
  someOwner.map((put) => ({ kind: 'put-owner', put }) as const),
  fc
    .tuple(fc.constantFrom('rs', 'd'), someUid)
    .map(([kind, uid]) => ({ kind: 'drop-owner', uid: `${kind}-${uid}` as Uid }) as const),
)

test('the same objects make the same instances, whatever the way to them, and changes tell all of it', () => {
  fc.assert(
    fc.property(fc.array(somethingHappens, { maxLength: 40 }), (history) => {
      const table = new PodTable()
      const pods = new Map<string, Pod>()
      const owners = new Map<string, Owner>()
      const changes: InstanceChange[] = []
      for (const event of history) {
        switch (event.kind) {
          case 'put-pod':
            pods.set(event.put.instanceUid, event.put)
            changes.push(...table.putPod(event.put))
            break
          case 'drop-pod':
            pods.delete(event.uid)
            changes.push(...table.dropPod(event.uid))
            break
          case 'put-owner':
            owners.set(event.put.metadata.uid, event.put)
            changes.push(...table.putOwner(event.put))
            break
          case 'drop-owner':
            owners.delete(event.uid)
            changes.push(...table.dropOwner(event.uid))
            break
        }
      }
      const straight = new PodTable()
      const lists = (kind: Owner['kind']) => [...owners.values()].filter((it) => it.kind === kind).reverse()
      straight.syncOwners('Deployment', lists('Deployment'))
      straight.syncPods([...pods.values()].reverse())
      straight.syncOwners('ReplicaSet', lists('ReplicaSet'))
      expect(said(table.instances)).toEqual(said(straight.instances))
      expect(said(fold(changes).values())).toEqual(said(table.instances))
    }),
    { numRuns: 500 },
  )
})

test('after a list, the table is as if there had never been anything else', () => {
  fc.assert(
    fc.property(fc.array(somePod), fc.uniqueArray(somePod, { selector: (it) => it.instanceUid }), (earlier, listed) => {
      const table = new PodTable()
      const changes = [...earlier.flatMap((it) => table.putPod(it)), ...table.syncPods(listed)]
      const fresh = new PodTable()
      fresh.syncPods(listed)
      expect(said(table.instances)).toEqual(said(fresh.instances))
      expect(said(fold(changes).values())).toEqual(said(table.instances))
    }),
  )
})

test('what is not reached is known to be nowhere, and what is reached is one pod’s alone', () => {
  fc.assert(
    fc.property(fc.uniqueArray(somePod, { selector: (it) => it.instanceUid }), (pods) => {
      const table = new PodTable()
      table.syncPods(pods)
      const hosts = table.instances.map((it) => hostOf(it)).filter((host) => host !== undefined)
      expect(new Set(hosts).size).toBe(hosts.length)
      for (const it of table.instances)
        expect(table.routeTo(it.instanceUid)?.host).toBe(hostOf(it)?.replace(':8888', ''))
    }),
  )
})

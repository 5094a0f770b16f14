import { Duplex, PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { Endpoint, InstanceUid } from '#runtime/contract.ts'
import { dialPod, type PodDialParts } from '#runtime/pods/pod-dial.ts'
import { PodTable } from '#runtime/pods/pod-table.ts'
import { type PodFields, pod, workspaceOwner } from '#test/support/pod-objects.ts'

const instanceUid = 'p1' as InstanceUid
const endpoint: Endpoint = { kind: 'pod', instanceUid, host: '10.1.0.7', port: 8888 }
const running = { owners: [workspaceOwner()] }

/** A pod that runs, and a network where whoever is asked for answers after `meanwhile` has happened. */
function world(meanwhile: (table: PodTable) => void = () => undefined) {
  const table = new PodTable()
  table.putPod(pod(running))
  const opened: { readonly to: string; readonly socket: Duplex }[] = []
  const state = { age: 0 }
  const parts: PodDialParts = {
    routeTo: (uid) => table.routeTo(uid),
    ageOf: () => state.age,
    ageLimit: 90_000,
    connect: async ({ host, port }) => {
      const socket = new PassThrough()
      opened.push({ to: `${host}:${port}`, socket })
      meanwhile(table)
      return socket
    },
  }
  const dial = (to: Endpoint = endpoint) => dialPod(parts, to, new AbortController().signal)
  return { table, opened, state, dial }
}

test('a pod is reached where it is', async () => {
  const { dial, opened } = world()
  expect(await dial()).toBeInstanceOf(Duplex)
  expect(opened.map(({ to }) => to)).toEqual(['10.1.0.7:8888'])
})

test.each<[string, PodFields | undefined]>([
  ['is gone', undefined],
  ['was told to end', { ...running, isTerminating: true }],
  ['has another address', { ...running, status: { podIP: '10.1.0.8' } }],
  ['has changed hands', { owners: [workspaceOwner('other', 'w2')], isTerminating: true }],
  ['has ended', { ...running, status: { phase: 'Failed', reason: 'Evicted' } }],
])('one that %s is not reached any more, nor what was being opened to it', async (_, fields) => {
  const change = (table: PodTable) => void (fields ? table.putPod(pod(fields)) : table.dropPod(instanceUid))
  const before = world()
  change(before.table)
  await expect(before.dial()).rejects.toMatchObject({ code: 'upstream_unreachable' })
  expect(before.opened).toEqual([])
  const during = world(change)
  await expect(during.dial()).rejects.toMatchObject({ code: 'upstream_unreachable' })
  expect(during.opened.map(({ socket }) => socket.destroyed)).toEqual([true])
})

test('an address that another pod claims while it is being opened gets no byte', async () => {
  const { dial, opened } = world((table) => table.putPod(pod({ uid: 'p2', owners: [workspaceOwner('other', 'w2')] })))
  await expect(dial()).rejects.toMatchObject({ code: 'upstream_unreachable' })
  expect(opened.map(({ socket }) => socket.destroyed)).toEqual([true])
})

test('nothing new is opened once what is known is too old, and everything again when it is fresh', async () => {
  const { dial, opened, state } = world()
  state.age = 90_001
  await expect(dial()).rejects.toMatchObject({ code: 'store_unavailable', retryable: true })
  expect(opened).toEqual([])
  state.age = 0
  await dial()
  expect(opened).toHaveLength(1)
})

test.each<[string, Endpoint]>([
  ['another pod', { ...endpoint, instanceUid: 'p9' as InstanceUid }],
  ['another address', { ...endpoint, host: '10.1.0.9' }],
  ['SSH', { ...endpoint, port: 22 }],
  ['this machine', { kind: 'tcp', host: '127.0.0.1', port: 8888 }],
  ['a socket of this machine', { kind: 'unix', path: '/run/x' }],
])('an endpoint of %s is not reached', async (_, to) => {
  const { dial, opened } = world()
  await expect(dial(to)).rejects.toMatchObject({ code: 'upstream_unreachable' })
  expect(opened).toEqual([])
})

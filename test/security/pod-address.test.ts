/** Whoever may write `pods/status` writes any address he likes into a pod of his own workspace, and opens that. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseNetwork } from '#lib/network.ts'
import type { Instance, InstanceUid } from '#runtime/contract.ts'
import { PodTable } from '#runtime/pods/pod-table.ts'
import { type PodFields, pod, workspaceOwner } from '#test/support/pod-objects.ts'

const mallory = { uid: 'mallory', name: 'mallory', owners: [workspaceOwner('own', 'w-mallory')] }
const alice = { uid: 'alice', name: 'alice', namespace: 'alice', owners: [workspaceOwner('nb', 'w-alice')] }

function network(text: string) {
  const parsed = parseNetwork(text)
  if (parsed === undefined) throw new Error(text)
  return parsed
}

/** The API server is at 10.96.0.1 and fd00:9::1; the administrator wants nobody in 10.9.0.0/16. */
function tableOf(...pods: readonly PodFields[]): PodTable {
  const table = new PodTable()
  table.reserve([
    { networks: [network('10.96.0.1'), network('fd00:9::1')], why: "is the API server's" },
    { networks: [network('10.9.0.0/16')], why: 'is not for workspaces here' },
  ])
  table.syncPods(pods.map(pod))
  return table
}

function expectRefused(table: PodTable, uid: string, why: RegExp): void {
  const instance = table.instances.find((it) => it.instanceUid === uid)
  expect(instance).toMatchObject({ phase: 'failed', reason: 'AddressRefused', message: expect.stringMatching(why) })
  expectUnreachable(table, instance)
}

function expectUnreachable(table: PodTable, instance: Instance | undefined): void {
  for (const port of [1, 22, 80, 443, 6443, 8888, 10_250, 65_535]) expect(instance?.endpoints.get(port)).toBeUndefined()
  if (instance) expect(table.routeTo(instance.instanceUid)).toBeUndefined()
}

describe('#101 an address that a pod says is its own leads to no', () => {
  const lies: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      'loopback',
      ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '0:0:0:0:0:ffff:7f00:1', '::FFFF:7F00:0001'],
      /loopback/,
    ],
    ['unspecified address', ['0.0.0.0', '0.1.2.3', '::', '::ffff:0.0.0.0'], /no address of a machine/],
    ['link-local address', ['169.254.1.1', 'fe80::1', 'fec0::1', '::ffff:169.254.1.1'], /link-local/],
    [
      'multicast or broadcast',
      ['224.0.0.1', 'ff02::1', '255.255.255.255', '240.0.0.1', '::ffff:224.0.0.1'],
      /multicast|reserved/,
    ],
    [
      'metadata service',
      [
        '169.254.169.254',
        '::ffff:169.254.169.254',
        '::ffff:a9fe:a9fe',
        'fd00:ec2::254',
        'fd00:ec2:0::0254',
        '169.254.170.2',
        '169.254.170.23',
        'fd00:ec2::23',
        'fd20:ce::254',
        '100.100.100.200',
        '168.63.129.16',
      ],
      /metadata|link-local/,
    ],
    [
      'address in disguise',
      [
        '::127.0.0.1',
        '::ffff:0:127.0.0.1',
        '64:ff9b::7f00:1',
        '64:ff9b:1::a9fe:a9fe',
        '2002:7f00:1::',
        '2001:0:7f00:1::',
      ],
      /hides another/,
    ],
    [
      'API server',
      ['10.96.0.1', '::ffff:10.96.0.1', '::ffff:0a60:0001', 'fd00:9::1', 'fd00:9:0:0::0001'],
      /API server/,
    ],
    ['place that the administrator keeps free', ['10.9.0.1', '10.9.255.255', '::ffff:10.9.0.1'], /not for workspaces/],
    [
      'name, nor to a number that only some read as an address',
      [
        'localhost',
        'kubernetes.default',
        '2130706433',
        '0x7f000001',
        '0177.0.0.1',
        '127.1',
        '010.0.0.1',
        '10.1.0.7:80',
        '[::1]',
        '10.1.0.7/8',
        'fe80::1%eth0',
        ' 10.1.0.7',
        '10.1.0.7\n',
        '１０.1.0.7',
      ],
      /no IP address/,
    ],
  ]

  test.each(lies)('#101 %s', (_, addresses, why) => {
    for (const podIP of addresses) expectRefused(tableOf({ ...mallory, status: { podIP } }), 'mallory', why)
  })

  test('#101 node: on its network, by its address, or by another pod’s word of where nodes are', () => {
    expectRefused(tableOf({ ...mallory, spec: { hostNetwork: true } }), 'mallory', /node/)
    expectRefused(tableOf({ ...mallory, status: { podIP: '10.0.0.1', hostIP: '10.0.0.1' } }), 'mallory', /node/)
    expectRefused(tableOf({ ...mallory, status: { podIP: '::ffff:10.0.0.1', hostIP: '10.0.0.1' } }), 'mallory', /node/)
    const elsewhere = { ...alice, status: { hostIP: '10.0.0.2' } }
    expectRefused(tableOf(elsewhere, { ...mallory, status: { podIP: '10.0.0.2' } }), 'mallory', /node/)
  })

  test('#101 pod of somebody else: of two that claim an address, neither is reached until one lets go', () => {
    const table = tableOf(alice, { ...mallory, status: { podIP: '10.1.0.8' } })
    expect(table.routeTo('alice' as InstanceUid)?.host).toBe('10.1.0.7')
    for (const podIP of ['10.1.0.7', '::ffff:10.1.0.7']) {
      table.putPod(pod({ ...mallory, status: { podIP } }))
      expectRefused(table, 'mallory', /another pod/)
      expectRefused(table, 'alice', /another pod/)
    }
    table.dropPod('mallory' as InstanceUid)
    expect(table.routeTo('alice' as InstanceUid)?.host).toBe('10.1.0.7')
  })

  test('#101 pod that came after: an address given back is the next one’s alone', () => {
    const table = tableOf({ ...mallory, status: { podIP: '10.1.0.7' } })
    table.putPod(pod({ ...mallory, isTerminating: true, status: { podIP: '10.1.0.7' } }))
    table.putPod(pod(alice))
    expect(table.routeTo('mallory' as InstanceUid)).toBeUndefined()
    expect(table.routeTo('alice' as InstanceUid)?.host).toBe('10.1.0.7')
    table.dropPod('mallory' as InstanceUid)
    expect(table.routeTo('alice' as InstanceUid)?.host).toBe('10.1.0.7')
  })
})

test('#101 what is reached is an address in its one spelling, whatever was written', () => {
  const some = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string())
  fc.assert(
    fc.property(some, (podIP) => {
      const host = tableOf({ ...mallory, status: { podIP } }).routeTo('mallory' as InstanceUid)?.host
      fc.pre(host !== undefined)
      expect(host).toMatch(/^(?:\d{1,3}(?:\.\d{1,3}){3}|[23f][0-9a-f]{3}:[0-9a-f:]*)$/)
      expect(host).not.toMatch(/^(?:0|127|169\.254|22[4-9]|23\d|24\d|25[0-5])\./)
    }),
    { numRuns: 2000 },
  )
})

test('#101 an address that is reserved only now takes what was there with it', () => {
  const table = tableOf(alice)
  const changes = table.reserve([{ networks: [network('10.1.0.0/16')], why: "is the API server's" }])
  expect(changes).toMatchObject([{ type: 'applied', instance: { instanceUid: 'alice', reason: 'AddressRefused' } }])
  expect(table.routeTo('alice' as InstanceUid)).toBeUndefined()
})

import { describe, expect, test } from 'vitest'
import { parseQuantity } from '#lib/quantity.ts'
import { port, workspace } from '#test/support/objects.ts'
import {
  boundsOf,
  leanResources,
  memoryOf,
  readConnectionType,
  sshPortsOf,
  tunnelPort,
} from '#workspace/connections.ts'

const setting = (pattern: string, fields = {}) => ({
  ...{ pattern, port: undefined, maxPerWorkspace: undefined, maxPerUser: undefined },
  ...{ idle: undefined, max: undefined, minMemory: undefined },
  ...fields,
})

test('a tunnel is SSH, of an IDE or of nobody in particular, or a port; nothing that a browser does', () => {
  for (const known of ['ssh-remote', 'ssh-over-websocket', 'port-forward', 'vscode-remote', 'cursor-remote'])
    expect(readConnectionType(known)).toBe(known)
  for (const other of [
    'web-ui',
    '',
    'remote',
    '-remote',
    'VSCODE-remote',
    'a b-remote',
    'x'.repeat(60).concat('-remote'),
  ])
    expect(readConnectionType(other)).toBeUndefined()
})

describe('bounds', () => {
  test('are the usual ones where nothing is said, with memory for what an IDE brings along', () => {
    const most = { maxPerWorkspace: 10, maxPerUser: 10 }
    const usual = { pattern: '*', port: 2222, ...most, idle: 3_600_000, max: 43_200_000, minMemory: 0 }
    expect(boundsOf([], 'ssh-remote')).toEqual(usual)
    expect(boundsOf([], 'vscode-remote')).toEqual({ ...usual, minMemory: 8 * 2 ** 30 })
    expect(boundsOf([], 'port-forward')).toEqual({ ...usual, maxPerWorkspace: 64, maxPerUser: 64 })
  })

  test('are those of the name, else of the pattern that says most; a kind that none names is not offered', () => {
    const settings = [
      setting('*', { maxPerUser: 1 }),
      setting('*-remote', { maxPerUser: 2 }),
      setting('vs*-remote', { maxPerUser: 3 }),
      setting('zed-remote', { maxPerUser: 4 }),
    ]
    const most = (type: string) => boundsOf(settings, type)?.maxPerUser
    expect([most('port-forward'), most('ssh-remote'), most('vscode-remote'), most('zed-remote')]).toEqual([1, 2, 3, 4])
    expect(boundsOf(settings, 'vscode-remote')?.pattern).toBe('vs*-remote')
    expect(boundsOf([setting('*-remote')], 'port-forward')).toBeUndefined()
    // What stands before and behind a star is not the same letters twice.
    expect(boundsOf([setting('ssh-re*-remote')], 'ssh-remote')).toBeUndefined()
  })
})

describe('a tunnel', () => {
  const ports = [port(), port({ name: 'app', port: 8501 }), port({ name: 'sshd', port: 2222 })]
  const leads = (settings: readonly ReturnType<typeof setting>[], connectionType: string, wanted?: number) => {
    const bounds = boundsOf(settings, connectionType)
    return bounds && tunnelPort(ports, { connectionType, wanted }, bounds, sshPortsOf(settings))
  }

  test('of SSH leads to its own port, declared or not; forwarding to declared ones that are not SSH’s', () => {
    expect(leads([], 'ssh-remote')?.name).toBe('sshd')
    expect(leads([setting('*', { port: 2022 })], 'ssh-remote', 2022)).toMatchObject({ name: 'ssh', port: 2022 })
    expect(leads([], 'ssh-remote', 8501)).toBeUndefined()
    expect(leads([], 'port-forward', 8501)?.name).toBe('app')
    for (const wanted of [undefined, 2222, 22, 9]) expect(leads([], 'port-forward', wanted)).toBeUndefined()
  })

  test('that forwards leads to no port of any kind of SSH, whichever kinds have ports of their own', () => {
    const apart = [setting('ssh-remote', { port: 8501 }), setting('vscode-remote'), setting('port-forward')]
    expect([...sshPortsOf(apart)]).toEqual([8501, 2222])
    for (const wanted of [8501, 2222]) expect(leads(apart, 'port-forward', wanted)).toBeUndefined()
    expect(leads(apart, 'port-forward', 8888)?.name).toBe('http')
    // None of SSH is offered; where images have it, nobody is led all the same.
    expect(leads([setting('port-forward'), setting('web-ui')], 'port-forward', 2222)).toBeUndefined()
    expect(leads([setting('*', { port: 8501 })], 'port-forward', 2222)?.name).toBe('sshd')
  })
})

test('memory is what the container may have, in the words of Kubernetes', () => {
  const of = (resources: unknown) => {
    const [all, lean] = [resources, leanResources(resources)].map((one) =>
      memoryOf(workspace({ spec: { resources: one } })),
    )
    expect(lean).toBe(all)
    return all
  }
  expect(of({ limits: { memory: '8Gi' }, requests: { memory: '1Gi' } })).toBe(8 * 2 ** 30)
  expect(of({ requests: { memory: '1.5G' } })).toBe(1_500_000_000)
  for (const nothing of [undefined, null, 'x', {}, { limits: {} }, { limits: { memory: 'much' } }])
    expect(of(nothing)).toBeUndefined()
  expect([parseQuantity(5), parseQuantity('512M'), parseQuantity('-1'), parseQuantity('1e3')]).toEqual([
    5,
    512e6,
    undefined,
    undefined,
  ])
})

import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { freePort } from '#test/support/free-port.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { conditionsIn, startTimedOut } from '#workspace/conditions.ts'
import { declare, modes, statusOf, workspaceOf } from './scene.ts'
import { smallApp } from './small-app.ts'

function phase(world: World, name: string): string | undefined {
  return world.open.workspaces.directory.get({ namespace: 'team', name })?.state.phase
}

/** Settings under which a port that fails shows it soon. */
const quick = { period: 200, timeout: 2_000, failures: 3 }

test('[DK7.1] an instance that is up while its port is closed keeps its visitors waiting', async () => {
  await using world = await createWorld()
  const { ref, url } = await declare(world, { owner: 'alice' })
  const entry = () => world.open.workspaces.directory.get(ref)
  await world.until(() => entry()?.state.reason === 'AccessNotReady', 'it was tried')
  expect(entry()?.instance?.phase).toBe('running')
  const alice = await world.as('alice')
  expect((await alice.open(url)).url.pathname).toBe('/.gatehouse/open/team/nb')
  expect(alice.page.body).toContain('Port 8888 does not answer yet')
})

test('[DK7.2] an app that listens and answers 500 is waited for in HTTP mode, and ready in TCP mode', async () => {
  await using app = await smallApp((_request, response) => {
    response.statusCode = 500
    response.end('broken')
  })
  await using world = await createWorld()
  const portsWith = (probe: unknown) => ({ ports: [{ name: 'ide', port: 8888, probe }] })
  const endpoints = { 8888: app.endpoint }
  const byHttp = await declare(world, {
    name: 'by-http',
    owner: 'alice',
    spec: portsWith({ httpGet: { path: '/' } }),
    endpoints,
  })
  const byTcp = await declare(world, { name: 'by-tcp', owner: 'alice', spec: portsWith({ tcp: {} }), endpoints })
  await world.until(() => phase(world, 'by-tcp') === 'Running', 'ready by TCP')
  await world.until(
    () => world.open.workspaces.directory.get(byHttp.ref)?.state.message.includes('500') === true,
    'tried by HTTP',
  )
  expect(phase(world, 'by-http')).toBe('Starting')
  const alice = await world.as('alice')
  const page = await alice.open(byTcp.url)
  expect([page.status, page.body]).toEqual([500, 'broken'])
  expect((await alice.open(byHttp.url)).body).toContain('Port 8888 does not answer yet: it answered 500 to /')
})

const baseUrl = `\${baseUrl}`

describe.each(modes)('in %s mode', (mode) => {
  test('[DK7.3] the variable baseUrl in the path of a probe is expanded to what the app has in front of its own paths', async () => {
    const asked: string[] = []
    await using app = await smallApp((request, response) => {
      asked.push(request.url ?? '')
      response.end('ok')
    })
    await using world = await createWorld({ mode })
    const probe = { httpGet: { path: `${baseUrl}/api/status?of=${baseUrl}` } }
    const prefix = mode === 'host' ? '' : '/workspaces/team/'
    const cases = [
      { name: 'kept', port: { path: 'preserve' }, base: mode === 'host' ? '' : `${prefix}kept` },
      { name: 'stripped', port: { path: 'strip' }, base: '' },
      { name: 'fixed', port: { path: 'strip', subpath: '/sub/' }, base: '/sub' },
    ]
    for (const { name, port, base } of cases) {
      asked.length = 0
      const ports = [{ name: 'ide', port: 8888, probe, ...port }]
      await declare(world, { name, owner: 'alice', spec: { ports }, endpoints: { 8888: app.endpoint } })
      await world.until(() => phase(world, name) === 'Running', `${name} is ready`)
      expect(new Set(asked)).toEqual(new Set([`${base}/api/status?of=${base}`]))
    }
    const second = [
      { name: 'ide', port: 8888 },
      { name: 'app', port: 8501, probe },
    ]
    asked.length = 0
    const endpoints = { 8888: app.endpoint, 8501: app.endpoint }
    await declare(world, { name: 'two', owner: 'alice', spec: { ports: second }, endpoints })
    await world.until(() => phase(world, 'two') === 'Running', 'both ports are ready')
    const base = mode === 'host' ? '' : `${prefix}two:8501`
    expect(new Set(asked)).toEqual(new Set([`${base}/api/status?of=${base}`]))
  })
})

test('[DK7.4] without a word about probes the first declared port is tried by TCP, and no other', async () => {
  let bytes = 0
  let connections = 0
  const listener = createServer((socket) => {
    connections += 1
    socket.on('data', (chunk) => {
      bytes += chunk.length
    })
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo // It listens on TCP.
  await using world = await createWorld()
  const open = { kind: 'tcp', host: '127.0.0.1', port } as const
  const shut = { kind: 'tcp', host: '127.0.0.1', port: await freePort() } as const
  const ports = [
    { name: 'ide', port: 9000 },
    { name: 'app', port: 8888 },
  ]
  await declare(world, { name: 'first-open', owner: 'alice', spec: { ports }, endpoints: { 9000: open, 8888: shut } })
  await world.until(() => phase(world, 'first-open') === 'Running', 'ready')
  expect(connections).toBe(1)
  await declare(world, { name: 'first-shut', owner: 'alice', spec: { ports }, endpoints: { 9000: shut, 8888: open } })
  const state = () => world.open.workspaces.directory.get({ namespace: 'team', name: 'first-shut' })?.state
  await world.until(() => state()?.reason === 'AccessNotReady', 'tried')
  expect(state()).toMatchObject({
    phase: 'Starting',
    message: expect.stringContaining('Port 9000 does not answer yet'),
  })
  await declare(world, { name: 'none-declared', owner: 'alice', endpoints: { 8888: open } })
  await world.until(() => phase(world, 'none-declared') === 'Running', 'ready')
  expect([connections, bytes]).toEqual([2, 0])
  listener.close()
})

test('[DK7.5] a start that never gets ready ends as Degraded, and is stopped after the configured time', async () => {
  const clock = fakeClock(Date.now())
  const start = { timeout: 90_000 }
  await using world = await createWorld({
    clock,
    settings: (settings) => ({ ...settings, probe: { ...quick, period: 10_000 }, start }),
  })
  const alice = await world.as('alice')
  const { ref, url } = await declare(world, { owner: 'alice' })
  const advance = async (span: number) => {
    for (let passed = 0; passed < span; passed += 1_000) {
      await clock.advance(1_000)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  await advance(60_000)
  await world.until(() => phase(world, 'nb') === 'Degraded', 'Degraded')
  expect(await statusOf(world, alice, ref)).toMatchObject({ reason: 'AccessProbeThresholdExceeded' })
  await advance(29_000)
  expect((await workspaceOf(world, ref)).spec.desiredStatus).toBe('Running')
  await advance(2_000)
  await world.until(async () => (await workspaceOf(world, ref)).spec.desiredStatus === 'Stopped', 'it was stopped')
  await world.until(() => phase(world, 'nb') === 'Stopped', 'it is stopped')
  const degraded = conditionsIn(await workspaceOf(world, ref)).find(({ type }) => type === 'Degraded')
  expect(degraded).toMatchObject({
    status: 'True',
    reason: startTimedOut,
    message: expect.stringMatching(/^It was not ready within 90 s\. Port 8888 does not answer/),
  })
  const page = await alice.open(url)
  expect(page.body).toContain('It is stopped.')
  expect(page.body).toContain('It was not ready within 90 s.')
})

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { loadSettings } from '#settings/load.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { echoApp } from '#test/support/echo-app.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { freePort } from '#test/support/free-port.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { declare, modes, statusOf, waitOnPage } from './scene.ts'
import { smallApp } from './small-app.ts'

const ref = { namespace: 'team', name: 'nb' }

function isUp(world: World): boolean {
  return world.open.workspaces.directory.get(ref)?.instance?.phase === 'running'
}

async function phaseBecomes(world: World, phase: string): Promise<void> {
  await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === phase, phase)
}

describe.each(modes)('in %s mode', (mode) => {
  test('[JK14.1] [JK14.2] while its app does not listen the page waits, although the instance runs; once it answers the page becomes the app', async () => {
    await using world = await createWorld({ mode })
    const port = await freePort()
    const { url } = await declare(world, {
      owner: 'alice',
      endpoints: { 8888: { kind: 'tcp', host: '127.0.0.1', port } },
    })
    await world.until(() => isUp(world), 'the instance runs')
    const alice = await world.as('alice')
    const page = await alice.open(`${url}lab?x=1`)
    expect(page.url.pathname).toBe('/.gatehouse/open/team/nb')
    expect(page.body).toContain('It is starting.')
    expect(page.body).toContain('Port 8888 does not answer yet: nothing answers at the port (ECONNREFUSED)')
    expect(await statusOf(world, alice, ref)).toMatchObject({ state: 'Starting', reason: 'AccessNotReady' })
    await using _app = await smallApp((request, response) => response.end(`the app at ${request.url}`), port)
    const arrived = await waitOnPage(alice)
    expect(arrived.url.href).toBe(`${url}lab?x=1`)
    expect(arrived.body).toBe(`the app at ${new URL(url).pathname}lab?x=1`)
  })
})

interface Tries {
  /** Milliseconds since the start, of each try that reached the app. */
  readonly times: number[]
  answered: number
}

/** Moves the time on in small steps, and lets every try come to its end in between. */
async function pass(clock: FakeClock, span: number, tries: Tries, isThere = () => true): Promise<void> {
  const step = 100
  for (let passed = 0; passed < span; passed += step) {
    await clock.advance(step)
    const patience = performance.now() + 300
    do await sleep(2)
    while (tries.answered < tries.times.length || (!isThere() && performance.now() < patience))
  }
}

async function look(world: World, browser: ScriptedBrowser): Promise<string> {
  await browser.open(world.url(ref))
  return browser.page.body
}

test('[JK14.3] [JK14.4] a port is tried every 2 s, for 5 s at most; after 30 failures the workspace is Degraded, and page and status say why', async () => {
  const defaults = await loadSettings({ face: 'demo', env: {}, cwd: '/nowhere' })
  expect(defaults.kind === 'invalid' ? undefined : defaults.settings.probe).toEqual({
    period: 2_000,
    timeout: 5_000,
    failures: 30,
  })
  const clock = fakeClock(Date.now())
  const began = clock.now()
  const failing: Tries = { times: [], answered: 0 }
  const silent: Tries = { times: [], answered: 0 }
  await using app = await smallApp((_request, response) => {
    failing.times.push(clock.now() - began)
    response.statusCode = 500
    response.end('no', () => failing.answered++)
  })
  await using mute = await smallApp(() => void silent.times.push(clock.now() - began))
  await using world = await createWorld({ clock })
  const alice = await world.as('alice')
  const probe = { httpGet: { path: '/ready' } }
  const ports = [{ name: 'ide', port: 8888, label: 'Notebook', probe }]
  await declare(world, { owner: 'alice', spec: { ports }, endpoints: { 8888: app.endpoint } })
  const other = { namespace: 'team', name: 'mute' }
  await declare(world, { name: 'mute', owner: 'alice', spec: { ports }, endpoints: { 8888: mute.endpoint } })
  await world.until(() => failing.answered > 0 && silent.times.length > 0, 'the first tries')

  // One that is on its way to its app by now has left in time.
  const hasCome = ({ times }: Tries, every: number) => clock.now() - began - (times.at(-1) ?? 0) <= every
  const areThere = () => hasCome(failing, 2_000) && hasCome(silent, 5_000)
  await pass(clock, 57_800, failing, areThere)
  expect(await statusOf(world, alice, ref)).toMatchObject({ state: 'Starting', reason: 'AccessNotReady' })
  expect(await look(world, alice)).toContain('Notebook (port 8888) does not answer yet: it answered 500 to /ready')
  await pass(clock, 400, failing, areThere)
  await phaseBecomes(world, 'Degraded')
  const why = 'Notebook (port 8888) does not answer: it answered 500 to /ready'
  await alice.open(`${world.origin}/`)
  expect(await statusOf(world, alice, ref)).toMatchObject({
    state: 'Degraded',
    reason: 'AccessProbeThresholdExceeded',
    message: why,
  })
  const page = await look(world, alice)
  expect(page).toContain('It does not work.')
  expect(page).toContain(why)
  expect(page).toContain('AccessProbeThresholdExceeded')

  // In the first seconds there are quick tries in between, which count for nothing.
  const late = failing.times.filter((time) => time > 10_500)
  expect(late.length).toBe(24)
  late.forEach((time, index) => {
    // When it reached the app, on a machine that may be busy; a tick of this clock is 100 ms.
    expect(Math.abs(time - 12_000 - index * 2_000)).toBeLessThan(1_000)
  })

  await alice.open(world.url(other))
  expect(alice.page.body).toContain('Notebook (port 8888) does not answer yet: it did not answer within 5 s')
  expect(silent.times.length).toBeGreaterThanOrEqual(10)
  silent.times.forEach((time, index) => {
    const gap = time - (silent.times[index - 1] ?? -5_000)
    expect(gap).toBeGreaterThanOrEqual(4_900)
    expect(gap).toBeLessThan(6_000)
  })
  await pass(clock, 100_000, failing)
  await alice.open(world.url(other))
  expect(alice.page.body).toContain('Notebook (port 8888) does not answer: it did not answer within 5 s')
  expect(alice.page.body).toContain('AccessProbeThresholdExceeded')
})

test('a workspace that was Degraded and answers after all is opened by the page that waits', async () => {
  let isBroken = true
  await using app = await smallApp((_request, response) => {
    response.statusCode = isBroken ? 503 : 200
    response.end('here')
  })
  const probe = { period: 100, timeout: 1_000, failures: 2 }
  await using world = await createWorld({ settings: (settings) => ({ ...settings, probe }) })
  const alice = await world.as('alice')
  const ports = [{ name: 'ide', port: 8888, probe: { httpGet: { path: '/' } } }]
  await declare(world, { owner: 'alice', spec: { ports }, endpoints: { 8888: app.endpoint } })
  await phaseBecomes(world, 'Degraded')
  expect(await look(world, alice)).toContain('It does not work.')
  isBroken = false
  await phaseBecomes(world, 'Running')
  await alice.open(alice.page.url)
  expect((await waitOnPage(alice)).body).toBe('here')
})

test('a further port on which nobody listens yet is waited for by the page, once somebody has found it shut', async () => {
  await using world = await createWorld()
  await using main = await echoApp('main')
  const port = await freePort()
  const ports = [
    { name: 'ide', port: 8888 },
    { name: 'app', port: 8501, label: 'My app' },
  ]
  const endpoints = { 8888: main.endpoint, 8501: { kind: 'tcp', host: '127.0.0.1', port } } as const
  await declare(world, { owner: 'alice', spec: { ports }, endpoints })
  await phaseBecomes(world, 'Running')
  const alice = await world.as('alice')
  const deep = `${world.url(ref, 8501)}a?b`
  await alice.open(deep)
  await world.until(async () => (await alice.open(deep)).url.pathname === '/.gatehouse/open/team/nb', 'the page waits')
  expect(alice.page.body).toContain('It runs; waiting for My app to answer.')
  expect((await alice.tab().open(world.url(ref))).status).toBe(200)
  await using _app = await smallApp((request, response) => response.end(`the app at ${request.url}`), port)
  const arrived = await waitOnPage(alice)
  expect([arrived.url.href, arrived.body]).toEqual([deep, 'the app at /a?b'])
})

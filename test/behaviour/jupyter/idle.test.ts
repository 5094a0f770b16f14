import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import {
  connectKernel,
  type JupyterClient,
  openJupyter,
  startKernel,
  typeIntoTerminal,
} from '#test/support/jupyter-client.ts'
import { dashboard, eventually, type LaptopSite, notebook, startWorkspace, stateOf } from '#test/support/laptop-site.ts'
import { type LeapingLaptop, openLeapingLaptop } from '#test/support/leaping-laptop.ts'
import { describeAtOnceWith } from '#test/support/real-parts.ts'
import { openSocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'

const minute = 60_000
const patience = { timeout: 30_000, interval: 100 }
const idle = '  idleShutdown: {enabled: true, idleTimeoutInMinutes: 1, detection: {}}\n'

const seconds = 1_000
/** Of what may not happen, with fourteen seconds a second: twice the timeout, and all that it takes to decide. */
const hurriedFor = 10 * seconds

describeAtOnceWith('jupyter', 'a real JupyterLab', () => {
  test('that nobody touches runs on while a cell does, with its tab open and with its tab closed, and is stopped after that, whatever tab is open, and with a terminal in which a program only sleeps', async ({
    expect,
  }) => {
    await using world = await openLeapingLaptop({ samples: ['alice-notebook'] }, async ({ manifests }) => {
      const file = join(manifests, 'alice-notebook.yaml')
      await writeFile(file, `${(await readFile(file, 'utf8')).trimEnd()}\n${idle}`)
    })
    const { site } = world
    const alice = await site.as('alice')
    await startWorkspace(site, alice, notebook)
    const lab = await openJupyter(alice, site.url(notebook))
    const id = await startKernel(lab)
    const stateOfKernel = async () => JSON.parse((await lab.ask('GET', `api/kernels/${id}`)).body).execution_state
    const { workspaces, recorder } = world.laptop.gateway
    const clocks = () => recorder.clocksOf(workspaces.directory.get(notebook)?.uid ?? '')
    {
      const kernel = await connectKernel(lab, id, 'v1')
      using _ = kernel.socket
      // Longer than its timeout by any clock. Nobody waits for its end: the socket is closed before.
      kernel.execute('import time; time.sleep(600)').catch(() => undefined)
      await eventually(async () => (await stateOfKernel()) === 'busy', 'the cell runs', 10 * seconds)
      const began = world.now()
      using _hurry = world.hurry()
      await new Promise((resolve) => setTimeout(resolve, hurriedFor))
      expect(world.now()).toBeGreaterThan(began + 2 * minute)
      expect(await stateOf(site, alice, notebook)).toBe('Running')
      // By what its tab hears, and without a question to the app.
      expect(clocks().busy).toMatchObject({ source: 'kernel:busy', user: 'alice' })
      expect(clocks().busy?.at).toBeGreaterThan(world.now())
      expect(world.lines.join('')).not.toContain('app:kernel-busy')
    }
    // Nobody hears its end any more; the app itself is asked.
    await expect.poll(() => world.lines.join(''), patience).toContain('"event":"stream-closed"')
    world.leap(20 * minute)
    {
      using _ = world.hurry()
      await expect.poll(() => world.lines.join(''), patience).toContain('app:kernel-busy')
    }
    expect([await stateOfKernel(), await stateOf(site, alice, notebook)]).toEqual(['busy', 'Running'])
    await lab.ask('POST', `api/kernels/${id}/interrupt`)
    await eventually(async () => (await stateOfKernel()) === 'idle', 'the cell has ended', 40 * seconds)

    // A tab is open, as JupyterLab leaves it, and a terminal.
    const kernel = await connectKernel(lab, id, 'v1')
    for (const path of ['api/kernels', 'api/sessions', 'api/terminals', 'api/status']) await lab.ask('GET', path)
    await typeIntoTerminal(lab, 'echo begun-$((6*7)); sleep 1000', /begun-42/)
    const typedAt = world.now()
    expect(await stateOf(site, alice, notebook)).toBe('Running')
    using _ = world.hurry()
    expect(await kernel.socket.closed).toMatchObject({ code: 1001 })
    // Of the rule for what no traffic shows: nothing works there, since its processors rest, and an open terminal is nothing that works.
    expect(world.now()).toBeGreaterThan(typedAt + minute)
    await expect.poll(() => stateOf(site, alice, notebook), patience).toBe('Stopped')
    expect(world.stops()).toMatchObject([
      { workspace: 'alice/notebook', reason: 'idle', evidence: { source: expect.stringMatching(/terminal/) } },
    ])
    // Its polls go on, and wake nobody.
    for (const path of ['api/kernels', 'api/sessions']) expect((await lab.ask('GET', path)).status).toBe(424)
    expect(await stateOf(site, alice, notebook)).toBe('Stopped')
  }, 150_000)

  test('[DK11.2] is kept by what is done in it; by what is done in an app beside it, and in nothing else, only where the port of that says so', async ({
    expect,
  }) => {
    await using world = await openLeapingLaptop({ samples: ['alice-dashboard'] }, declareBoth)
    const { site } = world
    const alice = await site.as('alice')
    const states = () => Promise.all(both.map((ref) => stateOf(site, alice, ref)))
    await Promise.all(both.map((ref) => startWorkspace(site, alice, ref)))
    const labs: JupyterClient[] = []
    for (const ref of both) labs.push(await openJupyter(alice.tab(), site.url(ref)))
    await whileHurried(
      world,
      () => Promise.all(labs.map(save)),
      () => false,
    )
    expect(await states()).toEqual(['Running', 'Running'])

    const leftAt = world.now()
    const pages = [await openApp(world, alice, dashboard), await openApp(world, alice, counted)] as const
    await whileHurried(
      world,
      () => Promise.all(pages.map(({ use }) => use())),
      async () => (await states())[0] !== 'Stopped',
    )
    expect(await states()).toEqual(['Stopped', 'Running'])
    expect(await pages[0].socket.closed).toMatchObject({ code: 1001 })
    const evidence = { source: 'contents:PUT', by: 'alice' }
    expect(world.stops()).toMatchObject([{ workspace: 'alice/dashboard', reason: 'idle', evidence }])
    const { workspaces, recorder } = world.laptop.gateway
    const clocksOf = (ref: WorkspaceRef) => recorder.clocksOf(workspaces.directory.get(ref)?.uid ?? '')
    expect(clocksOf(dashboard).connected).toBeUndefined()
    const { connected, interactive } = clocksOf(counted)
    expect(interactive).toMatchObject({ source: 'navigation', user: 'alice' })
    expect(Math.min(connected?.at ?? 0, interactive?.at ?? 0)).toBeGreaterThan(leftAt + 2 * minute)
    pages[1].socket[Symbol.dispose]()
  }, 150_000)
})

const counted = { namespace: 'alice', name: 'counted' }
const both = [dashboard, counted]

/** The sample, and the same with an app that counts. */
async function declareBoth({ manifests }: Pick<LaptopSite, 'manifests'>): Promise<void> {
  const file = join(manifests, 'alice-dashboard.yaml')
  const sample: { metadata: object; spec: { ports: readonly object[] } } = parse(await readFile(file, 'utf8'))
  const { ports } = sample.spec
  const idleShutdown = { enabled: true, idleTimeoutInMinutes: 1, detection: {} }
  const declare = (to: string, metadata: object, app: object) => {
    const spec = { ...sample.spec, idleShutdown, ports: [ports[0], { ...ports[1], ...app }] }
    return writeFile(to, stringify({ ...sample, metadata: { ...sample.metadata, ...metadata }, spec }))
  }
  await declare(file, {}, {})
  await declare(join(manifests, 'alice-counted.yaml'), counted, { activity: 'count' })
}

/** For twice the timeout and all that it takes to decide, and longer while something is still waited for. */
async function whileHurried(
  world: LeapingLaptop,
  doSomething: () => Promise<unknown>,
  isWaiting: () => boolean | Promise<boolean>,
): Promise<void> {
  using _ = world.hurry()
  const [enough, late] = [world.now() + 2.5 * minute, Date.now() + 40 * seconds]
  while (world.now() < enough || (Date.now() < late && (await isWaiting()))) {
    await doSomething()
    await sleep(seconds / 2)
  }
}

interface OpenPage {
  readonly socket: WorkspaceSocket
  /** By a person. What is stopped meanwhile need not answer. */
  use(): Promise<void>
}

/** A page of the app beside the IDE. */
async function openApp({ site }: LeapingLaptop, browser: ScriptedBrowser, ref: WorkspaceRef): Promise<OpenPage> {
  const [tab, url] = [browser.tab(), site.url(ref, 8501)]
  expect((await tab.open(url)).body).toContain('<title>Dashboard</title>')
  const socket = await openSocket(tab, url)
  const use = async () => {
    await tab.open(url).catch(() => undefined)
    if (socket.isOpen()) socket.ws.send('a click')
  }
  return { socket, use }
}

async function save(lab: JupyterClient): Promise<void> {
  const note = { type: 'file', format: 'text', content: 'a note' }
  expect([200, 201]).toContain((await lab.ask('PUT', 'api/contents/note.txt', note)).status)
}

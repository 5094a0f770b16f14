import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectKernel, openJupyter, startKernel, typeIntoTerminal } from '#test/support/jupyter-client.ts'
import { eventually, notebook, startWorkspace, stateOf } from '#test/support/laptop-site.ts'
import { openLeapingLaptop } from '#test/support/leaping-laptop.ts'
import { describeWith } from '#test/support/real-parts.ts'

const minute = 60_000
const patience = { timeout: 30_000, interval: 100 }
const idle = '  idleShutdown: {enabled: true, idleTimeoutInMinutes: 1, detection: {}}\n'

const seconds = 1_000
/** Of what may not happen, with fourteen seconds a second: twice the timeout, and all that it takes to decide. */
const hurriedFor = 10 * seconds

describeWith('jupyter', 'a real JupyterLab that nobody touches', () => {
  test('runs on while a cell does, with its tab open and with its tab closed, and is stopped after that, whatever tab is open, and with a terminal in which a program only sleeps', async () => {
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
})

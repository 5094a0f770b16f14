import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectKernel, openJupyter, startKernel } from '#test/support/jupyter-client.ts'
import { eventually, notebook, startWorkspace, stateOf } from '#test/support/laptop-site.ts'
import { openLeapingLaptop } from '#test/support/leaping-laptop.ts'
import { describeWith } from '#test/support/real-parts.ts'

const minute = 60_000
const patience = { timeout: 30_000, interval: 100 }
const idle = '  idleShutdown: {enabled: true, idleTimeoutInMinutes: 1, detection: {}}\n'

describeWith('jupyter', 'a real JupyterLab that nobody touches', () => {
  test('runs on while a cell does, with its tab open and with its tab closed, and is stopped after that, whatever tab is open', async () => {
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
    {
      const kernel = await connectKernel(lab, id, 'v1')
      using _ = kernel.socket
      // Longer than it takes after a leap until anything is decided. Nobody waits for its end: the socket is closed before.
      kernel.execute('import time; time.sleep(35)').catch(() => undefined)
      await eventually(async () => (await stateOfKernel()) === 'busy', 'the cell runs', 10_000)
      world.leap(5 * minute)
      await new Promise((resolve) => setTimeout(resolve, 2_500))
      expect(await stateOf(site, alice, notebook)).toBe('Running')
    }
    // Nobody hears its end any more; the app itself is asked.
    await expect.poll(() => world.lines.join(''), patience).toContain('"event":"stream-closed"')
    world.leap(20 * minute)
    await expect.poll(() => world.lines.join(''), patience).toContain('app:kernel-busy')
    expect(await stateOf(site, alice, notebook)).toBe('Running')
    await eventually(async () => (await stateOfKernel()) === 'idle', 'the cell has ended', 40_000)

    // A tab is open, as JupyterLab leaves it.
    const kernel = await connectKernel(lab, id, 'v1')
    for (const path of ['api/kernels', 'api/sessions', 'api/terminals', 'api/status']) await lab.ask('GET', path)
    expect(await stateOf(site, alice, notebook)).toBe('Running')
    using _ = world.hurry()
    expect(await kernel.socket.closed).toMatchObject({ code: 1001 })
    await expect.poll(() => stateOf(site, alice, notebook), patience).toBe('Stopped')
    expect(world.stops()).toMatchObject([{ workspace: 'alice/notebook', reason: 'idle' }])
    // Its polls go on, and wake nobody.
    for (const path of ['api/kernels', 'api/sessions']) expect((await lab.ask('GET', path)).status).toBe(424)
    expect(await stateOf(site, alice, notebook)).toBe('Stopped')
  }, 150_000)
})

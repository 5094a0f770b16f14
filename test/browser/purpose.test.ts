import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium, logIn, type SeenSocket, socketsOf, takePicture, watchSockets } from '#test/support/chromium.ts'
import { eventually, notebook } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

/** Revocation is to be felt within this time. */
const revocationBound = 2_000

/** A notebook with one empty cell. */
const empty = {
  cells: [{ cell_type: 'code', id: 'first', execution_count: null, metadata: {}, outputs: [], source: '' }],
  metadata: { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
}

const isKernels = ({ url }: SeenSocket) => url.includes('/api/kernels/')

async function openKernelSocket(page: Page): Promise<void> {
  await eventually(
    async () => (await socketsOf(page)).some((it) => isKernels(it) && it.isOpen),
    'a kernel is connected',
    30_000,
  )
}

describeWith('browser', 'in a real Chromium', (program) => {
  describeWith('jupyter', 'with a real JupyterLab', () => {
    let world: LaptopWorld
    let chromium: Browser

    beforeAll(async () => {
      world = await openLaptopWorld({ samples: ['alice-notebook'] })
      await mkdir(world.folderOf(notebook), { recursive: true })
      await writeFile(join(world.folderOf(notebook), 'answer.ipynb'), JSON.stringify(empty))
      chromium = await launchChromium(program)
    }, 60_000)

    afterAll(async () => {
      await chromium.close()
      await world[Symbol.asyncDispose]()
    })

    const desiredStatus = () => world.laptop.gateway.workspaces.directory.get(notebook)?.workspace.spec.desiredStatus

    async function newPerson(): Promise<Page> {
      const context = await chromium.newContext({ viewport: { width: 1280, height: 800 } })
      await watchSockets(context)
      return context.newPage()
    }

    test('[SP8.1] alice logs in, starts her notebook with one click, works in it, shares it with bob, and bob is thrown out the moment she revokes it', async () => {
      const deep = `${world.url(notebook)}lab/tree/answer.ipynb`
      const alice = await newPerson()
      await alice.goto(deep)
      await logIn(alice, 'alice', world.password)
      await alice.getByText('It is stopped.').waitFor()
      expect(desiredStatus()).toBe('Stopped')
      await alice.getByRole('button', { name: 'Start it' }).click()
      await alice.waitForURL(deep, { timeout: 60_000 })
      expect(desiredStatus()).toBe('Running')

      // What is run before there is a kernel may be forgotten by JupyterLab.
      await alice.getByText('Python 3 (ipykernel) | Idle').waitFor({ timeout: 60_000 })
      await alice.locator('.jp-Cell .cm-content').first().click({ timeout: 30_000 })
      await alice.keyboard.type('print(6*7)')
      await alice.keyboard.press('Shift+Enter')
      await alice.locator('.jp-OutputArea-output', { hasText: /^42\s*$/ }).waitFor({ timeout: 30_000 })
      await takePicture(alice, 'notebook')
      // JupyterLab would ask whether it may fetch news.
      expect(await alice.getByText('Jupyter news').count()).toBe(0)
      await openKernelSocket(alice)

      const desk = await alice.context().newPage()
      await desk.goto(`${world.origin}/`)
      await desk.getByRole('link', { name: 'Share Notebook' }).click()
      const dialog = desk.getByRole('dialog', { name: 'Share Notebook' })
      await dialog.getByLabel('People').fill('bob')
      await dialog.getByRole('button', { name: 'Share', exact: true }).click()
      await dialog.getByText('In force').waitFor()
      await takePicture(desk, 'shared')

      const bob = await newPerson()
      await bob.goto(`${world.origin}/`)
      await logIn(bob, 'bob', world.password)
      await bob.getByRole('link', { name: 'Open: Notebook' }).click()
      await bob.waitForURL(`${world.url(notebook)}**`)
      await bob.goto(deep)
      await openKernelSocket(bob)
      const before = await socketsOf(bob)
      const open = before.filter((it) => it.isOpen).length

      const revokedAt = Date.now()
      await dialog.getByRole('button', { name: 'Revoke the share with bob' }).click()
      await eventually(
        async () => (await socketsOf(bob)).slice(0, before.length).every((it) => it.closed !== undefined),
        'his sockets are closed',
      )
      const closed = (await socketsOf(bob)).slice(0, before.length).filter((it) => it.closed?.code === 1008)
      expect(closed).toHaveLength(open)
      expect(closed.some(isKernels)).toBe(true)
      for (const { closed: end } of closed) {
        expect(end?.reason).toBe('access ended')
        expect((end?.at ?? 0) - revokedAt).toBeLessThan(revocationBound)
      }
      const next = await bob.goto(deep)
      expect(next?.status()).toBe(403)
      await takePicture(bob, 'thrown-out')
      expect((await socketsOf(alice)).filter((it) => it.closed?.code === 1008)).toEqual([])
      expect((await socketsOf(alice)).some((it) => isKernels(it) && it.isOpen)).toBe(true)
    }, 120_000)
  })
})

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium, logIn, type SeenSocket, socketsOf, takePicture, watchSockets } from '#test/support/chromium.ts'
import { dashboard, eventually, startWorkspace } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

const isOpen = (it: SeenSocket) => it.isOpen

describeWith('browser', 'in a real Chromium', (program) => {
  describeWith('jupyter', 'the sample with JupyterLab and an app beside it', () => {
    let world: LaptopWorld
    let chromium: Browser

    beforeAll(async () => {
      world = await openLaptopWorld({ samples: ['alice-dashboard'] })
      chromium = await launchChromium(program)
      await startWorkspace(world, await world.as('alice'), dashboard)
    }, 90_000)

    afterAll(async () => {
      await chromium.close()
      await world[Symbol.asyncDispose]()
    })

    async function person(name: string): Promise<Page> {
      const context = await chromium.newContext({ viewport: { width: 1280, height: 800 } })
      await watchSockets(context)
      const page = await context.newPage()
      await page.goto(`${world.origin}/`)
      await logIn(page, name, world.password)
      await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
      return page
    }

    /** How often the app has told its page something. */
    const updatesOf = async (page: Page) => Number(await page.locator('output').innerText())

    test('[DK9.1] the app follows what is written in the IDE, while the sockets of both are open', async () => {
      const desk = await person('alice')
      const tab = async (label: string) => {
        const page = await desk.context().newPage()
        await page.goto(`${world.origin}/`)
        await page.getByRole('list', { name: 'Parts of Dashboard' }).getByRole('link', { name: label }).click()
        return page
      }
      const ide = await tab('JupyterLab')
      const app = await tab('Dashboard')
      await app.getByRole('heading', { name: 'Hello from the dashboard' }).waitFor()
      expect(new URL(ide.url()).origin).not.toBe(new URL(app.url()).origin)

      await ide.getByRole('listitem', { name: 'Name: dashboard.py' }).dblclick()
      await ide.locator('.jp-FileEditor .cm-line', { hasText: 'Hello from the dashboard' }).click()
      await ide.keyboard.press('Home')
      await ide.keyboard.press('Shift+End')
      await ide.keyboard.type('TITLE = "Edited while it runs"')
      await ide.keyboard.press('Control+s')
      await app.getByRole('heading', { name: 'Edited while it runs' }).waitFor()
      expect(await readFile(join(world.folderOf(dashboard), 'dashboard.py'), 'utf8')).toContain('Edited while it runs')

      const before = await updatesOf(app)
      await eventually(async () => (await updatesOf(app)) > before, 'the app tells more')
      expect((await socketsOf(app)).filter(isOpen)).toHaveLength(1)
      expect((await socketsOf(ide)).filter(isOpen).length).toBeGreaterThan(0)
      for (const page of [ide, app]) {
        expect((await socketsOf(page)).flatMap(({ closed }) => closed ?? [])).toEqual([])
      }
      await takePicture(app, 'dashboard')
    }, 90_000)

    test('[DK9.2] a group that the app alone is shared with opens the app, and not the IDE', async () => {
      const alice = await person('alice')
      await alice.getByRole('link', { name: 'Share Dashboard' }).click()
      const dialog = alice.getByRole('dialog', { name: 'Share Dashboard' })
      await dialog.getByLabel('Groups').fill('ds')
      await dialog.getByRole('checkbox', { name: 'Dashboard' }).check()
      await dialog.getByRole('button', { name: 'Share', exact: true }).click()
      await dialog.getByText('In force').waitFor()

      const dave = await person('dave')
      const answer = await dave.goto(world.url(dashboard, 8501))
      expect(answer?.status()).toBe(200)
      await eventually(async () => (await updatesOf(dave)) > 0, 'the app tells him something')
      expect((await dave.goto(world.url(dashboard)))?.status()).toBe(403)
      const bob = await person('bob')
      expect((await bob.goto(world.url(dashboard, 8501)))?.status()).toBe(403)
    }, 60_000)
  })
})

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium, logIn, takePicture } from '#test/support/chromium.ts'
import { editor, eventually, startWorkspace } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { tcpRelay } from '#test/support/tcp-relay.ts'

/** One connection of the workbench to its server: the first thing that it sends in it says what for. */
interface Wire {
  readonly token: string | null
  readonly isReconnection: boolean
  isManagement: boolean
  isAccepted: boolean
}

function watchWires(page: Page): readonly Wire[] {
  const wires: Wire[] = []
  page.on('websocket', (socket) => {
    const { searchParams } = new URL(socket.url())
    const wire: Wire = {
      token: searchParams.get('reconnectionToken'),
      isReconnection: searchParams.get('reconnection') === 'true',
      isManagement: false,
      isAccepted: false,
    }
    wires.push(wire)
    socket.on('framesent', ({ payload }) => {
      if (String(payload).includes('"desiredConnectionType":1')) wire.isManagement = true
    })
    socket.on('framereceived', ({ payload }) => {
      if (/"type":"ok"|"type":"reconnect/.test(String(payload))) wire.isAccepted = true
    })
  })
  return wires
}

const isManagement = (wire: Wire) => wire.isManagement && wire.isAccepted

/** Adds to the end of the file that is open, and saves it. */
async function write(page: Page, text: string): Promise<void> {
  await page.locator('.editor-instance .monaco-editor .view-lines').click()
  await page.keyboard.press('Control+End')
  await page.keyboard.type(text)
  await page.keyboard.press('Control+s')
}

describeWith('code-server', 'a real code-server behind the gateway', () => {
  describeWith('browser', 'in a real Chromium', (program) => {
    let world: LaptopWorld
    const note = () => join(world.folderOf(editor), 'note.txt')
    const isSaved = (text: string) => async () => (await readFile(note(), 'utf8')) === text

    beforeAll(async () => {
      world = await openLaptopWorld({ samples: ['alice-editor'] })
      await mkdir(world.folderOf(editor), { recursive: true })
      await startWorkspace(world, await world.as('alice'), editor)
    }, 90_000)

    afterAll(() => world[Symbol.asyncDispose]())

    test('[SP3.1] its workbench loads, its management connection is upgraded, and a file saved in it is on disk', async () => {
      await writeFile(note(), '')
      await using chromium = await launchChromium(program)
      const page = await chromium.newPage()
      const wires = watchWires(page)
      await page.goto(`${world.origin}/`)
      await logIn(page, 'alice', world.password)
      await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
      expect((await page.goto(world.url(editor)))?.status()).toBe(200)
      await eventually(() => wires.some(isManagement), 'the management connection', 30_000)
      const [wire] = wires.filter(isManagement)
      expect(wire).toMatchObject({ token: expect.stringMatching(/^[\w-]{36}$/), isReconnection: false })
      await page.getByRole('treeitem', { name: 'note.txt' }).dblclick()
      await write(page, 'written through the gateway')
      await eventually(isSaved('written through the gateway'), 'it is on disk')
      await takePicture(page, 'editor')
    }, 60_000)

    test('[SP3.2] after the network was cut it comes back with the same reconnection token, and goes on working', async () => {
      await writeFile(note(), '')
      await using relay = await tcpRelay({ host: '127.0.0.1', port: world.port })
      const { hostname } = new URL(world.url(editor))
      await using chromium = await launchChromium(program, [
        `--host-resolver-rules=MAP ${hostname} 127.0.0.1:${relay.port}`,
      ])
      const page = await chromium.newPage()
      const wires = watchWires(page)
      await page.goto(world.url(editor))
      await logIn(page, 'alice', world.password)
      await eventually(() => wires.some(isManagement), 'the management connection', 30_000)
      await page.getByRole('treeitem', { name: 'note.txt' }).dblclick()
      await write(page, 'before')
      await eventually(isSaved('before'), 'it is on disk')
      const [first] = wires.filter(isManagement)
      const known = wires.length
      await page.evaluate(`window.wasHereBefore = true`)

      expect(relay.cut()).toBeGreaterThan(1)
      await eventually(() => wires.slice(known).some(isManagement), 'it is connected again', 30_000)
      const again = wires.slice(known).find(isManagement)
      expect(again).toMatchObject({ token: first?.token, isReconnection: true })
      await write(page, ' and after')
      await eventually(isSaved('before and after'), 'it is on disk')
      expect(await page.evaluate(`window.wasHereBefore`)).toBe(true)
    }, 90_000)
  })
})

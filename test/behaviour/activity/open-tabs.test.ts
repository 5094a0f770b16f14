import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Clocks } from '#activity/clocks.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { launchChromium, logIn } from '#test/support/chromium.ts'
import { editor, eventually, notebook, startWorkspace } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

/** For how long nobody touches the tabs, in milliseconds; polls come every 10 s and below. */
const untouched = Number(process.env.GATEHOUSE_TEST_UNTOUCHED ?? 15_000)
/** A page that was loaded is busy with itself for a while. */
const quiet = 6_000

const cell = (source: string) => ({
  ...{ cell_type: 'code', id: 'first', execution_count: null, metadata: {}, outputs: [], source },
})
const document = {
  cells: [cell('import time; time.sleep(2); print(6 * 7)')],
  metadata: { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
}

describeWith('browser', 'in a real Chromium', (program) => {
  describeWith('jupyter', 'with a real JupyterLab', () => {
    describeWith('code-server', 'and a real code-server', () => {
      let world: LaptopWorld
      let chromium: Browser
      let lab: Page
      let workbench: Page
      const note = () => join(world.folderOf(editor), 'note.txt')
      const clocksOf = (ref: WorkspaceRef): Clocks => {
        const { workspaces, recorder } = world.laptop.gateway
        return recorder.clocksOf(workspaces.directory.get(ref)?.uid ?? '')
      }
      const told = (ref: WorkspaceRef) => {
        const { interactive, unknown } = clocksOf(ref)
        return { interactive, unknown }
      }
      /** Until nothing was seen for a while that a page might do by itself when it is opened. */
      async function settled(ref: WorkspaceRef): Promise<void> {
        let before = JSON.stringify(told(ref))
        let since = Date.now()
        await eventually(
          () => {
            const now = JSON.stringify(told(ref))
            if (now !== before) since = Date.now()
            before = now
            return Date.now() - since > quiet
          },
          `${ref.name} is at rest`,
          90_000,
        )
      }
      const isNew = (ref: WorkspaceRef, source: string, since: number) => () => {
        const { interactive } = clocksOf(ref)
        return interactive?.source === source && interactive.at >= since && interactive.user === 'alice'
      }

      beforeAll(async () => {
        world = await openLaptopWorld({ samples: ['alice-notebook', 'alice-editor'] })
        for (const ref of [notebook, editor]) await mkdir(world.folderOf(ref), { recursive: true })
        await writeFile(join(world.folderOf(notebook), 'answer.ipynb'), JSON.stringify(document))
        await writeFile(note(), 'a note\n')
        const alice = await world.as('alice')
        await Promise.all([notebook, editor].map((ref) => startWorkspace(world, alice, ref)))
        chromium = await launchChromium(program)
        const context = await chromium.newContext({ viewport: { width: 1280, height: 800 } })
        lab = await context.newPage()
        await lab.goto(`${world.url(notebook)}lab/tree/answer.ipynb`)
        await logIn(lab, 'alice', world.password)
        workbench = await context.newPage()
        await workbench.goto(world.url(editor))
        await workbench.getByRole('treeitem', { name: 'note.txt' }).dblclick({ timeout: 60_000 })
        await workbench.locator('.editor-instance .monaco-editor .view-lines').waitFor({ timeout: 30_000 })
        await lab.locator('.jp-Cell .cm-content').first().waitFor({ timeout: 60_000 })
        await Promise.all([notebook, editor].map(settled))
      }, 240_000)

      afterAll(async () => {
        await chromium?.close()
        await world?.[Symbol.asyncDispose]()
      })

      test(
        'a tab that nobody touches is connected, also again after its sockets were cut, and neither works nor says anything that can’t be told',
        async () => {
          const before = [notebook, editor].map(told)
          const at = Date.now()
          // As when a replica goes: the pages come back by themselves.
          const { streams, workspaces } = world.laptop.gateway
          for (const group of streams.all()) group.endLasting({ code: 1012, reason: 'of the test' })
          await new Promise((resolve) => setTimeout(resolve, untouched))
          expect([notebook, editor].map(told)).toEqual(before)
          for (const ref of [notebook, editor]) {
            expect(streams.ofWorkspace(workspaces.directory.get(ref)?.uid ?? '')).not.toEqual([])
            expect(clocksOf(ref).connected?.at).toBeGreaterThanOrEqual(at + untouched)
            expect(clocksOf(ref).busy?.at ?? 0).toBeLessThan(at)
          }
        },
        untouched + 30_000,
      )

      test('a cell that is run is a person’s doing, and its kernel works until it has ended', async () => {
        await lab.bringToFront()
        const at = Date.now()
        await lab.locator('.jp-Cell .cm-content').first().click()
        await lab.keyboard.press('Shift+Enter')
        await eventually(isNew(notebook, 'kernel:execute_request', at), 'it is seen')
        await eventually(() => (clocksOf(notebook).busy?.at ?? 0) > Date.now() + 30_000, 'the kernel works')
        await lab.locator('.jp-OutputArea-output', { hasText: '42' }).waitFor({ timeout: 30_000 })
        await eventually(() => (clocksOf(notebook).busy?.at ?? 0) <= Date.now(), 'it has ended')
        expect(clocksOf(notebook).busy).toMatchObject({ source: 'kernel:busy', user: 'alice' })
      }, 60_000)

      test('a notebook that is saved is a person’s doing', async () => {
        const at = Date.now()
        await lab.keyboard.press('Control+s')
        await eventually(isNew(notebook, 'contents:save', at), 'it is seen', 20_000)
      }, 30_000)

      test('what is typed in the editor, and saved, is a person’s doing', async () => {
        await workbench.bringToFront()
        const at = Date.now()
        await workbench.locator('.editor-instance .monaco-editor .view-lines').click()
        await workbench.keyboard.type('more')
        await eventually(isNew(editor, 'editor:cursor', at), 'it is seen', 20_000)
        const saved = Date.now()
        await workbench.keyboard.press('Control+s')
        await eventually(async () => (await readFile(note(), 'utf8')).includes('more'), 'it is on disk', 20_000)
        await eventually(() => (clocksOf(editor).interactive?.at ?? 0) >= saved - 1_500, 'it is seen')
        expect(clocksOf(editor).unknown?.source ?? '').not.toMatch(/^editor:(?:lost|bytes|size|order)$/)
      }, 60_000)
    })
  })
})

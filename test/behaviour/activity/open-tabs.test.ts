import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Clocks } from '#activity/clocks.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { launchChromium, logIn } from '#test/support/chromium.ts'
import { editor, eventually, notebook, startWorkspace } from '#test/support/laptop-site.ts'
import { type LeapingLaptop, openLeapingLaptop } from '#test/support/leaping-laptop.ts'
import { describeWith } from '#test/support/real-parts.ts'

/** Of both workspaces, in the end. */
const timeout = 60_000
const idle = '  idleShutdown: {enabled: true, idleTimeoutInMinutes: 1, detection: {}}\n'
/** The real time, in milliseconds, that it takes while nobody touches the tabs; polls come every 10 s and below. With 60000 it is the minute itself. */
const untouched = Number(process.env.GATEHOUSE_TEST_UNTOUCHED ?? 12_000)
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
      let world: LeapingLaptop
      let chromium: Browser
      let lab: Page
      let workbench: Page
      const answer = () => `${world.site.url(notebook)}lab/tree/answer.ipynb`
      const firstCell = () => lab.locator('.jp-Cell .cm-content').first()
      const note = () => join(world.site.folderOf(editor), 'note.txt')
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
      const isNew = (ref: WorkspaceRef, source: RegExp, since: number) => () => {
        const { interactive } = clocksOf(ref)
        const isSource = interactive !== undefined && source.test(interactive.source)
        return isSource && interactive.at >= since && interactive.user === 'alice'
      }

      async function runCell(): Promise<void> {
        const at = world.now()
        await firstCell().click()
        await lab.keyboard.press('Shift+Enter')
        await eventually(isNew(notebook, /^kernel:execute_request$/, at), 'it is seen')
      }
      async function saveNotebook(): Promise<void> {
        const at = world.now()
        await lab.keyboard.press('Control+s')
        await eventually(isNew(notebook, /^contents:save$/, at), 'it is seen', 20_000)
      }

      beforeAll(async () => {
        world = await openLeapingLaptop({ samples: ['alice-notebook', 'alice-editor'] })
        for (const ref of [notebook, editor]) await mkdir(world.site.folderOf(ref), { recursive: true })
        await writeFile(join(world.site.folderOf(notebook), 'answer.ipynb'), JSON.stringify(document))
        await writeFile(note(), 'a note\n')
        const alice = await world.site.as('alice')
        await Promise.all([notebook, editor].map((ref) => startWorkspace(world.site, alice, ref)))
        chromium = await launchChromium(program)
        const context = await chromium.newContext({ viewport: { width: 1280, height: 800 } })
        lab = await context.newPage()
        await lab.goto(answer())
        await logIn(lab, 'alice', world.site.password)
        workbench = await context.newPage()
        await workbench.goto(world.site.url(editor))
        await workbench.getByRole('treeitem', { name: 'note.txt' }).dblclick({ timeout: 60_000 })
        await workbench.locator('.editor-instance .monaco-editor .view-lines').waitFor({ timeout: 30_000 })
        await firstCell().waitFor({ timeout: 60_000 })
      }, 240_000)

      afterAll(async () => {
        await chromium?.close()
        await world?.[Symbol.asyncDispose]()
      })

      test('a cell that is run is a person’s doing, and its kernel works until it has ended', async () => {
        await lab.bringToFront()
        await runCell()
        await eventually(() => (clocksOf(notebook).busy?.at ?? 0) > Date.now() + 30_000, 'the kernel works')
        await lab.locator('.jp-OutputArea-output', { hasText: '42' }).waitFor({ timeout: 30_000 })
        await eventually(() => (clocksOf(notebook).busy?.at ?? 0) <= Date.now(), 'it has ended')
        expect(clocksOf(notebook).busy).toMatchObject({ source: 'kernel:busy', user: 'alice' })
      }, 60_000)

      test('a notebook that is saved is a person’s doing', async () => {
        await saveNotebook()
      }, 30_000)

      test('what is typed in the editor, and saved, is a person’s doing', async () => {
        await workbench.bringToFront()
        const at = Date.now()
        await workbench.locator('.editor-instance .monaco-editor .view-lines').click()
        await workbench.keyboard.type('more')
        // What is asked for while somebody types comes right behind the cursor.
        await eventually(isNew(editor, /^editor:/, at), 'it is seen', 20_000)
        const saved = Date.now()
        await workbench.keyboard.press('Control+s')
        await eventually(async () => (await readFile(note(), 'utf8')).includes('more'), 'it is on disk', 20_000)
        await eventually(() => (clocksOf(editor).interactive?.at ?? 0) >= saved - 1_500, 'it is seen')
        expect(clocksOf(editor).unknown?.source ?? '').not.toMatch(/^editor:(?:lost|bytes|size|order)$/)
      }, 60_000)

      const isStopped = (ref: WorkspaceRef) =>
        world.laptop.gateway.workspaces.directory.get(ref)?.workspace.spec.desiredStatus === 'Stopped'
      /** With a leap in every second, so that a timeout takes about so long as nobody touches anything. */
      async function pass(isOver: () => boolean, everyQuarter = async () => {}): Promise<void> {
        const leap = (1_000 * timeout) / untouched - 1_000
        let next = world.now() + timeout / 4
        while (!isOver()) {
          await new Promise((resolve) => setTimeout(resolve, 1_000))
          world.leap(leap)
          if (world.now() < next) continue
          next += timeout / 4
          await everyQuarter()
        }
      }
      async function passUntilStopped(ref: WorkspaceRef, everyQuarter = async () => {}): Promise<void> {
        const end = world.now() + 4 * timeout
        await pass(() => isStopped(ref) || world.now() > end, everyQuarter)
        expect(isStopped(ref)).toBe(true)
        const { connected, interactive } = clocksOf(ref)
        expect(connected?.at).toBeGreaterThan((interactive?.at ?? 0) + timeout)
      }

      test(
        'a tab that nobody touches for a whole minute, its timeout, is connected to the end, also after its sockets were cut, and neither works nor says anything that can’t be told; then its workspace is stopped, and stays so. One in which somebody types runs on, and is stopped a minute after that. A JupyterLab in which somebody types and saves runs on, and so does one in which cells are run',
        async () => {
          const { streams } = world.laptop.gateway
          await Promise.all([notebook, editor].map(settled))
          const at = world.now()
          for (const sample of ['alice-notebook', 'alice-editor']) {
            const file = join(world.site.manifests, `${sample}.yaml`)
            await writeFile(file, `${(await readFile(file, 'utf8')).trimEnd()}\n${idle}`)
          }
          // As when a replica goes: the pages come back by themselves.
          for (const group of streams.all()) group.endLasting({ code: 1012, reason: 'of the test' })
          const inLab = told(notebook)
          await passUntilStopped(notebook, async () => {
            await workbench.keyboard.type('kept')
          })
          expect(told(notebook)).toEqual(inLab)
          expect(clocksOf(notebook).connected?.at).toBeGreaterThan(at + timeout)
          expect(clocksOf(notebook).busy?.at ?? 0).toBeLessThan(at)
          expect(isStopped(editor)).toBe(false)
          expect(clocksOf(editor).interactive?.at).toBeGreaterThan(at + timeout / 2)

          await settled(editor)
          // What its page tries all the while wakes nobody.
          expect(isStopped(notebook)).toBe(true)
          const context = lab.context()
          await lab.close()
          await startWorkspace(world.site, await world.site.as('alice'), notebook)
          lab = await context.newPage()
          await lab.goto(answer())
          await firstCell().waitFor({ timeout: 60_000 })
          const inEditor = told(editor)
          const began = world.now()
          /** For longer than the timeout by the one, then by the other alone. */
          const work = async () => {
            const passed = world.now() - began
            if (passed >= 1.25 * timeout) await runCell()
            else if (passed < timeout) {
              await firstCell().press('End')
              await lab.keyboard.type('#')
              await saveNotebook()
            }
            expect(isStopped(notebook)).toBe(false)
          }
          await passUntilStopped(editor, work)
          expect(told(editor)).toEqual(inEditor)
          await pass(() => world.now() > began + 2.25 * timeout, work)
          expect(isStopped(notebook)).toBe(false)
          expect(world.stops()).toMatchObject(
            ['alice/notebook', 'alice/editor'].map((workspace) => ({ workspace, reason: 'idle' })),
          )
        },
        10 * untouched + 120_000,
      )
    })
  })
})

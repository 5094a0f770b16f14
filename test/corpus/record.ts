/**
 * Records what a gateway sees of people and programs that work, from a real JupyterLab and a real code-server in a real Chromium: `npm run corpus`.
 * With `--missing` those alone that are not there yet; with `--only TEXT` those whose names hold it, which are printed and not kept.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { launchChromium, logIn, takePicture } from '#test/support/chromium.ts'
import { editor, notebook, startWorkspace } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { cacheFolder, findPart } from '#test/support/real-parts.ts'
import { type Acts, pause } from './act.ts'
import { codeServerActs, prepareCodeServer } from './code-server-acts.ts'
import { Deck } from './deck.ts'
import { jupyterLabActs, prepareJupyterLab } from './jupyterlab-acts.ts'
import { type Label, labels } from './labels.ts'
import { type Redaction, redactionOf } from './redaction.ts'
import { replay } from './replay.ts'
import type { Tape } from './tape.ts'

const { values: options } = parseArgs({ options: { only: { type: 'string' }, missing: { type: 'boolean' } } })
const kept = (['jupyterlab', 'code-editor'] as const).flatMap(keptOf)
const wanted = labels.filter(({ name }) => name.includes(options.only ?? '')).filter((label) => !isKept(label))
/** What came before has come to rest by then. */
const rest = { jupyterlab: 3_000, 'code-editor': 6_000 }

interface Stage {
  readonly app: Label['app']
  readonly ref: WorkspaceRef
  readonly path: string
  prepare(folder: string): Promise<void>
  acts(page: Page, site: { readonly folder: string; readonly cut: () => void }): Acts
  ready(page: Page): Promise<unknown>
}

const stages: readonly Stage[] = [
  {
    ...{ app: 'jupyterlab', ref: notebook, path: 'lab/tree/answer.ipynb' },
    ...{ prepare: prepareJupyterLab, acts: jupyterLabActs },
    ready: (page) => page.locator('.jp-Cell .cm-content').first().waitFor({ timeout: 60_000 }),
  },
  {
    ...{ app: 'code-editor', ref: editor, path: '' },
    ...{ prepare: prepareCodeServer, acts: codeServerActs },
    ready: (page) => page.getByRole('treeitem', { name: 'note.txt' }).waitFor({ timeout: 90_000 }),
  },
]

async function recordAll(): Promise<void> {
  const chromium = findPart('browser')
  if (chromium.kind === 'missing') throw new Error(`${chromium.reason}; get it with: ${chromium.command}`)
  await using world = await openLaptopWorld({ samples: ['alice-notebook', 'alice-editor'] })
  const redact = redactionOf(
    new Map([
      [dirname(world.home), '/home/of/somebody'],
      [cacheFolder(), '/opt/of/apps'],
      [homedir(), '/home'],
      [hostname(), 'host'],
    ]),
  )
  const browser = await launchChromium(chromium.path)
  try {
    const staged = stages.filter(({ app }) => wanted.some((label) => label.app === app))
    await Promise.all(staged.map((stage) => recordOne(stage, { world, browser, redact })))
  } finally {
    await browser.close()
  }
}

async function recordOne(
  stage: Stage,
  { world, browser, redact }: { world: LaptopWorld; browser: Browser; redact: Redaction },
): Promise<void> {
  const { app, ref } = stage
  const folder = world.folderOf(ref)
  await mkdir(folder, { recursive: true })
  await stage.prepare(folder)
  await startWorkspace(world, await world.as('alice'), ref)
  const { recorder, streams, workspaces } = world.laptop.gateway
  const uid = workspaces.directory.get(ref)?.uid ?? ''
  const deck = new Deck(redact)
  deck.listenTo(recorder.onlookerOf({ ...ref, uid }, 'alice'))
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  const page = await context.newPage()
  await page.goto(world.url(ref) + stage.path)
  await logIn(page, 'alice', world.password)
  await stage.ready(page)
  await pause(15_000)
  const cut = () => {
    for (const group of streams.ofWorkspace(uid)) group.endLasting({ code: 1012, reason: 'of a recording' })
  }
  const acts = stage.acts(page, { folder, cut })
  const tapes = kept.filter((tape) => tape.app === app)
  for (const label of wanted.filter((one) => one.app === app)) {
    const tape = await recordLabel(deck, label, acts, page)
    if (tape) tapes.push(tape)
    else process.exitCode = 1
    const text = inOrder(app, tapes)
      .map((one) => `${JSON.stringify(one)}\n`)
      .join('')
    if (options.only === undefined) await writeFile(fileOf(app), text)
    else process.stdout.write(text)
  }
}

async function recordLabel(deck: Deck, label: Label, acts: Acts, page: Page): Promise<Tape | undefined> {
  const act = acts.get(label.name)
  if (!act) throw new Error(`nobody knows how: ${label.name}`)
  try {
    await act.before?.()
    await pause(rest[label.app])
    const tape = await deck.record(label, async () => {
      await act.act()
      await pause(act.look)
    })
    await act.after?.()
    // Of what is held out it is not said before the rules are written.
    const { person, work, unknown, sources } = await replay(tape)
    const found = label.isHeldOut ? 'held out' : JSON.stringify({ person, work, unknown, sources })
    process.stderr.write(`${label.app}: ${label.name}: ${tape.events.length} events; ${found}\n`)
    return tape
  } catch (error) {
    await takePicture(page, `corpus-${label.app}`)
    process.stderr.write(`${label.app}: ${label.name}: FAILED: ${error instanceof Error ? error.stack : error}\n`)
    return undefined
  }
}

function inOrder(app: Label['app'], tapes: readonly Tape[]): readonly Tape[] {
  return labels.flatMap((label) => (label.app === app ? tapes.filter(({ name }) => name === label.name) : []))
}

function keptOf(app: Label['app']): readonly Tape[] {
  if (!options.missing || !existsSync(fileOf(app))) return []
  const lines = readFileSync(fileOf(app), 'utf8').trimEnd().split('\n')
  return lines.map((line): Tape => JSON.parse(line))
}

function isKept({ app, name }: Label): boolean {
  return kept.some((tape) => tape.app === app && tape.name === name)
}

function fileOf(app: Label['app']): string {
  return join(import.meta.dirname, `${app}.jsonl`)
}

await recordAll()
process.exit()

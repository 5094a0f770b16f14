/** What is done in JupyterLab, by hand where a hand would do it, and by the commands of its menus. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { type Act, type Acts, pause } from './act.ts'

const cells = {
  short: 'print(6 * 7)',
  words: '# Words',
  prints: 'import time\nfor n in range(4):\n    print(n)\n    time.sleep(1)',
  goesOn: 'import time\nfor n in range(200):\n    print(n)\n    time.sleep(0.5)',
  silent: 'import time\ntime.sleep(60)',
  ends: 'import time\ntime.sleep(7)',
  asks: "input('name? ')",
  late: "import threading, time\ndef late():\n    time.sleep(9)\n    print('late')\nthreading.Thread(target=late).start()",
  words2: 'len',
} as const
type CellName = keyof typeof cells
const names: readonly string[] = Object.keys(cells)

function notebookOf(sources: readonly (readonly [name: string, source: string])[]): string {
  const cellOf = ([id, source]: readonly [string, string]) => ({
    ...{ id, metadata: {}, source },
    ...(source.startsWith('#') ? { cell_type: 'markdown' } : { cell_type: 'code', execution_count: null, outputs: [] }),
  })
  const kernelspec = { name: 'python3', display_name: 'Python 3', language: 'python' }
  return JSON.stringify({ cells: sources.map(cellOf), metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 })
}

/** Before it is started. What is typed is saved by itself after seconds instead of two minutes. */
export async function prepareJupyterLab(folder: string): Promise<void> {
  const settings = join(folder, '.jupyter/lab/user-settings/@jupyterlab/docmanager-extension')
  await mkdir(settings, { recursive: true })
  await writeFile(join(settings, 'plugin.jupyterlab-settings'), JSON.stringify({ autosaveInterval: 8 }))
  await writeFile(join(folder, '.jupyter/jupyter_lab_config.py'), 'c.LabApp.expose_app_in_browser = True\n')
  await writeFile(join(folder, 'answer.ipynb'), notebookOf(Object.entries(cells)))
  await writeFile(
    join(folder, 'all.ipynb'),
    notebookOf([
      ['a', 'print(1)'],
      ['b', 'print(2)'],
    ]),
  )
  await writeFile(join(folder, 'second.ipynb'), notebookOf([['a', 'print(1)']]))
  await writeFile(join(folder, 'table.csv'), 'a,b\n1,2\n')
  await Promise.all(
    ['note.txt', 'reading.txt', 'old-name.txt', 'going.txt'].map((name) => writeFile(join(folder, name), 'words\n')),
  )
  await writeFile(join(folder, 'upload.bin'), Buffer.alloc(200_000, 7))
}

export function jupyterLabActs(page: Page, site: { readonly folder: string; readonly cut: () => void }): Acts {
  const run = (command: string, args: object = {}) =>
    page.evaluate(
      `jupyterapp.commands.execute(${JSON.stringify(command)}, ${JSON.stringify(args)}).then(() => undefined)`,
    )
  const within = (code: string) => page.evaluate(`Promise.resolve((() => { ${code} })()).then(() => undefined)`)
  const open = async (path: string) => {
    await run('docmanager:open', { path })
    await within('return jupyterapp.shell.currentWidget.context?.ready')
    if (path.endsWith('.ipynb')) await within('return jupyterapp.shell.currentWidget.sessionContext.ready')
  }
  const choose = (name: CellName, mode = 'command') =>
    within(`const { content } = jupyterapp.shell.currentWidget
      content.activeCellIndex = ${names.indexOf(name)}
      content.mode = '${mode}'
      content.activate()`)
  const answer = () => open('answer.ipynb')
  const isBusy = (state: 'busy' | 'idle') =>
    page.waitForFunction(`jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === '${state}'`, null, {
      timeout: 30_000,
    })
  const runCell = async (name: CellName) => {
    await choose(name)
    await run('notebook:run-cell')
  }
  const beginCell = async (name: CellName) => {
    await answer()
    await choose(name)
    await within(`jupyterapp.commands.execute('notebook:run-cell')`)
    await isBusy('busy')
  }
  const interrupt = async () => {
    await run('notebook:interrupt-kernel')
    await isBusy('idle')
    await run('docmanager:save')
  }
  const save = () => run('docmanager:save')
  const typeInCell = async (name: CellName, text: string) => {
    await choose(name, 'edit')
    await page.keyboard.press('Control+End')
    await page.keyboard.type(text, { delay: 60 })
  }
  const terminal = async () => {
    await run('terminal:create-new')
    await page.locator('.xterm-screen').last().waitFor({ timeout: 20_000 })
    await pause(1_500)
    await within(`[...document.querySelectorAll('.xterm-helper-textarea')].at(-1).focus()`)
  }
  const inTerminal = (line: string) => async () => {
    await terminal()
    await page.keyboard.type(line)
    await page.keyboard.press('Enter')
  }
  const closeTerminals = async () => {
    await within('return jupyterapp.serviceManager.terminals.shutdownAll()')
    await pause(500)
    await answer()
  }
  const ask = () => beginCell('asks').then(() => page.locator('.jp-Stdin-input').waitFor({ timeout: 20_000 }))
  const reply = async () => {
    await page.locator('.jp-Stdin-input').click()
    await page.keyboard.type('alice')
    await page.keyboard.press('Enter')
  }
  const item = (name: string) => page.locator('.jp-DirListing-item', { hasText: name })
  const close = () => run('application:close')
  const wait: Act['act'] = async () => undefined
  const contents = 'jupyterapp.serviceManager.contents'
  const dialog = () => page.locator('.jp-Dialog .jp-mod-accept').click({ timeout: 5_000 })
  const loaded = () =>
    page.waitForFunction(`globalThis.jupyterapp?.shell.currentWidget !== undefined`, null, { timeout: 60_000 })
  const smaller = { width: 900, height: 600 }
  const usual = { width: 1280, height: 800 }
  const hide = (state: 'hidden' | 'visible') =>
    within(`Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => '${state}' })
      document.dispatchEvent(new Event('visibilitychange'))`)
  return new Map<string, Act>([
    ['a notebook is open, and nobody touches it', { before: () => answer().then(save), act: wait, look: 15_000 }],
    ['nothing is open but the launcher', { before: () => run('application:close-all'), act: wait, look: 12_000 }],
    [
      'somebody types in a cell, and leaves it to be saved by itself',
      { before: answer, act: () => typeInCell('short', ' # 1'), look: 12_000 },
    ],
    [
      'somebody types in a cell of text, and leaves it to be saved by itself',
      { before: answer, act: () => typeInCell('words', ' and more'), look: 12_000 },
    ],
    [
      'a cell is run',
      {
        before: answer,
        act: () => choose('short').then(() => page.keyboard.press('Shift+Enter')),
        look: 3_000,
        after: save,
      },
    ],
    [
      'a cell is run that takes some seconds and prints',
      { before: answer, act: () => runCell('prints'), look: 2_000, after: save },
    ],
    [
      'a cell runs on that was started before, and prints',
      { before: () => beginCell('goesOn'), act: wait, look: 14_000, after: interrupt },
    ],
    [
      'a cell runs on that was started before, and says nothing',
      { before: () => beginCell('silent').then(save), act: wait, look: 10_000, after: interrupt },
    ],
    [
      'a cell that was started before comes to its end',
      { before: () => beginCell('ends').then(save), act: () => isBusy('idle'), look: 500, after: save },
    ],
    [
      'a notebook is saved',
      {
        before: () => answer().then(() => typeInCell('short', ' ')),
        act: () => page.keyboard.press('Control+s'),
        look: 3_000,
      },
    ],
    [
      'a text is changed and saved',
      {
        before: () => open('note.txt'),
        act: async () => {
          await page.locator('.jp-FileEditor .cm-content').first().click()
          await page.keyboard.type('more words', { delay: 60 })
          await page.keyboard.press('Control+s')
        },
        look: 3_000,
        after: close,
      },
    ],
    [
      'a text is opened from the list of files',
      { act: () => item('reading.txt').dblclick(), look: 3_000, after: close },
    ],
    [
      'a picture of numbers is opened from the list of files',
      { act: () => item('table.csv').dblclick(), look: 3_000, after: close },
    ],
    [
      'a notebook is opened from the list of files',
      { act: () => item('second.ipynb').dblclick(), look: 5_000, after: close },
    ],
    ['a new text is made', { act: () => run('docmanager:new-untitled', { path: '', type: 'file' }), look: 3_000 }],
    [
      'a new notebook is made',
      { act: () => run('notebook:create-new', { kernelName: 'python3' }), look: 5_000, after: close },
    ],
    [
      'a file is given another name',
      { act: () => within(`return ${contents}.rename('old-name.txt', 'new-name.txt')`), look: 3_000 },
    ],
    ['a file is deleted', { act: () => within(`return ${contents}.delete('going.txt')`), look: 3_000 }],
    ['a folder is made', { act: () => within(`return ${contents}.newUntitled({ type: 'directory' })`), look: 3_000 }],
    [
      'files are uploaded',
      {
        act: async () => {
          const button = page
            .locator('.jp-FileBrowser [data-jp-item-name="uploader"], .jp-FileBrowser [title*="pload"]')
            .first()
          const [choosing] = await Promise.all([
            page.waitForEvent('filechooser', { timeout: 15_000 }),
            button.click({ timeout: 15_000 }),
          ])
          const buffer = Buffer.alloc(200_000, 7)
          await choosing.setFiles({ name: 'uploaded.bin', mimeType: 'application/octet-stream', buffer })
        },
        look: 3_000,
      },
    ],
    ['a terminal is opened', { act: terminal, look: 3_000, after: closeTerminals }],
    [
      'a key is pressed in a terminal',
      { before: terminal, act: () => page.keyboard.press('l'), look: 2_000, after: closeTerminals },
    ],
    [
      'a command is typed in a terminal',
      { before: terminal, act: () => page.keyboard.type('ls\n', { delay: 80 }), look: 2_000, after: closeTerminals },
    ],
    ['a terminal is open at its prompt', { before: terminal, act: wait, look: 12_000, after: closeTerminals }],
    [
      'a program prints in a terminal',
      { before: inTerminal('while sleep 0.2; do echo a line; done'), act: wait, look: 5_000, after: closeTerminals },
    ],
    [
      'a program prints now and then in a terminal',
      { before: inTerminal('while sleep 4; do date; done'), act: wait, look: 10_000, after: closeTerminals },
    ],
    [
      'a program in a terminal asks where the cursor is',
      {
        before: inTerminal("while sleep 1; do printf '\\033[6n'; done"),
        act: wait,
        look: 5_000,
        after: closeTerminals,
      },
    ],
    [
      'a program in a terminal asks for the focus, which goes and comes',
      {
        before: inTerminal("printf '\\033[?1004h'; cat"),
        act: async () => {
          for (const what of ['blur', 'focus', 'blur', 'focus']) {
            await within(`[...document.querySelectorAll('.xterm-helper-textarea')].at(-1).${what}()`)
            await pause(300)
          }
        },
        look: 2_000,
        after: closeTerminals,
      },
    ],
    [
      'the window with a terminal is made smaller',
      {
        before: terminal,
        act: () => page.setViewportSize(smaller),
        look: 2_000,
        after: () => page.setViewportSize(usual).then(closeTerminals),
      },
    ],
    [
      'a word is completed',
      {
        before: answer,
        act: () => typeInCell('words2', '\npri').then(() => page.keyboard.press('Tab')),
        look: 3_000,
        after: () => page.keyboard.press('Escape').then(save),
      },
    ],
    [
      'a function is looked up',
      {
        before: () => answer().then(() => typeInCell('short', '\nlen(')),
        act: () => page.keyboard.press('Shift+Tab'),
        look: 3_000,
        after: save,
      },
    ],
    [
      'a kernel is interrupted',
      {
        before: () => beginCell('silent').then(save),
        act: () => run('notebook:interrupt-kernel'),
        look: 3_000,
        after: save,
      },
    ],
    [
      'a kernel is restarted',
      {
        before: answer,
        act: () => within(`jupyterapp.commands.execute('notebook:restart-kernel')`).then(dialog),
        look: 6_000,
        after: save,
      },
    ],
    [
      'a cell asks for input, and nobody answers',
      { before: () => ask().then(save), act: wait, look: 10_000, after: reply },
    ],
    [
      'an answer is given to a cell that asks for it',
      { before: () => ask().then(save), act: reply, look: 3_000, after: save },
    ],
    [
      'a notebook is saved by itself after its kernel has printed',
      {
        before: () =>
          answer()
            .then(() => runCell('late'))
            .then(save),
        act: wait,
        look: 18_000,
      },
    ],
    [
      'the page is loaded again by the browser',
      {
        before: answer,
        act: () =>
          page
            .evaluate('setTimeout(() => location.reload(), 7000)')
            .then(() => pause(9_000))
            .then(loaded),
        look: 8_000,
      },
    ],
    [
      'the connections are cut, and the page comes back by itself',
      { before: answer, act: async () => site.cut(), look: 10_000 },
    ],
    ['the page is hidden', { before: answer, act: () => hide('hidden'), look: 12_000, after: () => hide('visible') }],
    [
      'the mouse is moved over the page',
      {
        before: answer,
        act: async () => {
          for (const [x, y] of [
            [200, 200],
            [700, 300],
            [900, 600],
            [600, 200],
          ] as const)
            await page.mouse.move(x, y, { steps: 20 })
        },
        look: 2_000,
      },
    ],
    [
      'a notebook is scrolled',
      { before: answer, act: () => page.mouse.move(800, 400).then(() => page.mouse.wheel(0, 600)), look: 3_000 },
    ],
    [
      'another tab is shown',
      {
        before: () => open('note.txt').then(answer),
        act: () => page.locator('.lm-TabBar-tab', { hasText: 'note.txt' }).first().click(),
        look: 4_000,
      },
    ],
    [
      'words are searched for in a notebook',
      {
        before: answer,
        act: () => run('documentsearch:start').then(() => page.keyboard.type('print', { delay: 60 })),
        look: 3_000,
        after: () => page.keyboard.press('Escape'),
      },
    ],
    [
      'all cells are run',
      {
        before: () => open('all.ipynb'),
        act: () => run('notebook:run-all-cells'),
        look: 4_000,
        after: () => save().then(close),
      },
    ],
    [
      'a line is run in a console',
      {
        before: async () => {
          await run('console:create', { kernelPreference: { name: 'python3' } })
          await page.locator('.jp-CodeConsole-input .cm-content').last().click({ timeout: 20_000 })
          await pause(4_000)
        },
        act: async () => {
          await page.keyboard.type('print(1)', { delay: 40 })
          await page.keyboard.press('Shift+Enter')
        },
        look: 4_000,
        after: answer,
      },
    ],
    [
      'a kernel is shut down',
      {
        before: answer,
        act: () => within('return jupyterapp.shell.currentWidget.sessionContext.shutdown()'),
        look: 4_000,
      },
    ],
  ])
}

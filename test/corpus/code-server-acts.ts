/** What is done in code-server, by keys and mouse. */
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { type Act, type Acts, pause } from './act.ts'

/** Before it is started. */
export async function prepareCodeServer(folder: string): Promise<void> {
  const settings = join(folder, '.local/share/code-server/User')
  await mkdir(settings, { recursive: true })
  await writeFile(
    join(settings, 'settings.json'),
    JSON.stringify({ 'files.autoSave': 'off', 'security.workspace.trust.enabled': false }),
  )
  const texts = ['note.txt', 'reading.txt', 'old-name.txt', 'going.txt', 'watched.txt', 'run.log']
  await Promise.all(texts.map((name) => writeFile(join(folder, name), `${'some words in a line\n'.repeat(200)}`)))
  await writeFile(
    join(folder, 'script.js'),
    'const answer = [1, 2, 3]\nfunction sum(of) {\n  return of.length\n}\nsum(answer)\n',
  )
}

export function codeServerActs(page: Page, site: { readonly folder: string; readonly cut: () => void }): Acts {
  const press = (key: string) => page.keyboard.press(key)
  const type = (text: string) => page.keyboard.type(text, { delay: 80 })
  const lines = () => page.locator('.editor-instance .monaco-editor .view-lines').last()
  /** So far below the upper edge of what is shown of the text. */
  const click = async (below: number) => {
    const box = await page
      .locator('.editor-group-container.active .editor-instance .monaco-editor')
      .first()
      .boundingBox()
    await page.mouse.click((box?.x ?? 0) + 120, (box?.y ?? 0) + below)
  }
  const quickInput = () => page.locator('.quick-input-widget input').first().waitFor({ timeout: 20_000 })
  const open = async (name: string) => {
    await press('Control+p')
    await quickInput()
    await page.keyboard.type(name)
    await pause(1_500)
    await press('Enter')
    await page.locator('.tab.active', { hasText: name }).waitFor({ timeout: 20_000 })
    await click(10)
  }
  const command = async (name: string) => {
    await press('F1')
    await quickInput()
    await page.keyboard.type(name)
    await pause(1_500)
    await press('Enter')
  }
  const file = (name: string) => page.getByRole('treeitem', { name })
  const save = () => press('Control+s')
  const terminal = async () => {
    await command('Terminal: Create New Terminal')
    await page.locator('.terminal-wrapper.active .xterm-screen').waitFor({ timeout: 30_000 })
    await pause(2_000)
    await page.locator('.terminal-wrapper.active .xterm-screen').click()
  }
  const inTerminal = (line: string) => async () => {
    await terminal()
    await page.keyboard.type(line)
    await press('Enter')
  }
  const closeTerminals = () => command('Terminal: Kill All Terminals')
  const wait: Act['act'] = async () => undefined
  const write = (name: string) => join(site.folder, name)
  const repeat = async (times: number, every: number, run: (turn: number) => Promise<unknown>) => {
    for (let turn = 0; turn < times; turn++) {
      await run(turn)
      await pause(every)
    }
  }
  const hide = (state: 'hidden' | 'visible') =>
    page.evaluate(`Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => '${state}' })
      document.dispatchEvent(new Event('visibilitychange'))`)
  const at = (key: string) => async () => {
    await click(10)
    await press(key)
  }
  const smaller = { width: 900, height: 600 }
  const usual = { width: 1280, height: 800 }
  return new Map<string, Act>([
    ['the workbench is open, and nobody touches it', { act: wait, look: 15_000 }],
    ['a file is open, and nobody touches it', { before: () => open('note.txt'), act: wait, look: 15_000 }],
    [
      'somebody types in a file',
      {
        before: () => open('note.txt').then(at('Control+End')),
        act: () => type('more words'),
        look: 3_000,
        after: save,
      },
    ],
    [
      'somebody types in a script',
      {
        before: () => open('script.js').then(at('Control+End')),
        act: () => type('const b = 1'),
        look: 3_000,
        after: save,
      },
    ],
    [
      'a file is saved',
      {
        before: () =>
          open('note.txt')
            .then(at('Control+End'))
            .then(() => type('x')),
        act: save,
        look: 3_000,
      },
    ],
    ['a file is opened from the explorer', { act: () => file('reading.txt').dblclick(), look: 4_000 }],
    ['a file is opened by its name', { act: () => open('script.js'), look: 3_000 }],
    [
      'the cursor is moved by keys',
      { before: () => open('note.txt'), act: () => repeat(4, 200, () => press('ArrowDown')), look: 3_000 },
    ],
    ['a word is clicked', { before: () => open('note.txt'), act: () => click(140), look: 3_000 }],
    [
      'words are completed',
      {
        before: () => open('script.js').then(at('Control+End')),
        act: () => type('answer.').then(() => press('Control+Space')),
        look: 4_000,
        after: () => press('Escape').then(save),
      },
    ],
    [
      'words are searched for in all files',
      {
        act: () =>
          press('Control+Shift+f')
            .then(() => pause(800))
            .then(() => type('words')),
        look: 5_000,
        after: () => command('Explorer: Focus on Files Explorer'),
      },
    ],
    [
      'a command is chosen from the palette',
      {
        before: () => open('note.txt').then(at('Control+End')),
        act: () => press('Shift+Home').then(() => command('Transform to Uppercase')),
        look: 3_000,
        after: save,
      },
    ],
    [
      'a new file is made',
      {
        act: () =>
          command('File: New Untitled Text File')
            .then(() => pause(1_000))
            .then(() => type('new words')),
        look: 4_000,
      },
    ],
    [
      'a file is given another name',
      {
        act: async () => {
          await file('old-name.txt').click()
          await press('F2')
          await pause(500)
          await page.keyboard.type('new-name.txt')
          await press('Enter')
        },
        look: 4_000,
      },
    ],
    [
      'a file is deleted',
      {
        act: async () => {
          await file('going.txt').click()
          await press('Delete')
          await pause(1_500)
          await press('Enter')
        },
        look: 4_000,
      },
    ],
    ['a terminal is opened', { act: terminal, look: 3_000, after: closeTerminals }],
    ['a key is pressed in a terminal', { before: terminal, act: () => press('l'), look: 3_000, after: closeTerminals }],
    [
      'a command is typed in a terminal',
      { before: terminal, act: () => page.keyboard.type('ls\n', { delay: 80 }), look: 3_000, after: closeTerminals },
    ],
    ['a terminal is open at its prompt', { before: terminal, act: wait, look: 12_000, after: closeTerminals }],
    [
      'a program prints in a terminal',
      {
        before: inTerminal('while sleep 0.02; do echo a line that is printed in a terminal by a program; done'),
        act: wait,
        look: 8_000,
        after: closeTerminals,
      },
    ],
    [
      'another file is shown',
      {
        before: () => open('note.txt').then(() => open('script.js')),
        act: () => page.locator('.tab', { hasText: 'note.txt' }).first().click(),
        look: 4_000,
      },
    ],
    [
      'a file is scrolled',
      { before: () => open('reading.txt'), act: () => repeat(5, 200, () => page.mouse.wheel(0, 300)), look: 3_000 },
    ],
    [
      'the mouse is moved over the page',
      {
        before: () => open('note.txt'),
        act: async () => {
          for (const [x, y] of [
            [200, 200],
            [700, 300],
            [900, 600],
            [600, 200],
          ] as const)
            await page.mouse.move(x, y, { steps: 20 })
        },
        look: 3_000,
      },
    ],
    [
      'the window is made smaller',
      { act: () => page.setViewportSize(smaller), look: 4_000, after: () => page.setViewportSize(usual) },
    ],
    ['the page is hidden', { act: () => hide('hidden'), look: 12_000, after: () => hide('visible') }],
    [
      'a program changes a file that is open',
      {
        before: () => open('watched.txt'),
        act: () => repeat(10, 600, (turn) => writeFile(write('watched.txt'), `turn ${turn}\n`)),
        look: 3_000,
      },
    ],
    [
      'a program writes to a log that is open',
      {
        before: () => open('run.log').then(at('Control+End')),
        act: () => repeat(20, 300, (turn) => appendFile(write('run.log'), `line ${turn}\n`)),
        look: 3_000,
      },
    ],
    [
      'a program makes and deletes files',
      {
        act: () =>
          repeat(5, 800, (turn) =>
            writeFile(write(`made-${turn}.txt`), 'x')
              .then(() => pause(300))
              .then(() => rm(write(`made-${turn}.txt`))),
          ),
        look: 3_000,
      },
    ],
    [
      'the extension host says that it lives, and nobody is there',
      { before: () => open('script.js'), act: wait, look: 25_000 },
    ],
    ['the connections are cut, and the page comes back by itself', { act: async () => site.cut(), look: 12_000 }],
    [
      'the page is loaded again by the browser',
      {
        before: () => open('note.txt'),
        act: () =>
          page
            .evaluate('setTimeout(() => location.reload(), 7000)')
            .then(() => pause(9_000))
            .then(() => lines().waitFor({ timeout: 60_000 })),
        look: 12_000,
      },
    ],
    [
      'what was typed is saved by itself',
      {
        before: () =>
          command('File: Toggle Auto Save')
            .then(() => open('note.txt'))
            .then(at('Control+End')),
        act: () => type('kept'),
        look: 4_000,
        after: () => command('File: Toggle Auto Save'),
      },
    ],
  ])
}

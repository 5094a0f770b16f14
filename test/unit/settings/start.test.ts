import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from '#test/architecture/source-files.ts'

const launcher = join(root, 'bin', 'gatehouse.js')

/** A folder with a settings file, and Gatehouse started in it by its launcher, as somebody would; nothing else is on its PATH. */
function world(file: string) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-start-'))
  writeFileSync(join(folder, 'settings.yaml'), file)
  const home = join(folder, 'home')
  const options = {
    cwd: folder,
    env: { PATH: '/nonexistent', HOME: folder, GATEHOUSE_HOME: home, OIDC_SECRET: 'changeme' },
  }
  return {
    folder,
    files: () => readdirSync(folder),
    run: (...args: readonly string[]) =>
      spawnSync(process.execPath, [launcher, ...args], { ...options, encoding: 'utf8', timeout: 30_000 }),
    start: (...args: readonly string[]) => spawn(process.execPath, [launcher, ...args], options),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** What it says before it goes on past its settings; it is then told to stop. */
async function firstWords(child: ChildProcessWithoutNullStreams): Promise<string> {
  let words = ''
  const exited = once(child, 'exit')
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text
    if (words.includes('\n')) child.kill('SIGKILL')
  })
  await exited
  return words
}

const prefixes = 'usernamePrefix: "x:", groupsPrefix: "x:"'
const plain = `oidc: [{id: a, issuer: "http://idp.example.com", clientId: g, ${prefixes}}]\n`
const weak = `oidc: [{id: a, issuer: "https://idp.example.com", clientId: g, clientSecret: {env: OIDC_SECRET}, ${prefixes}}]\n`

test('[JK6.4] a start with a default secret or an http issuer is refused before anything is made, unless its flag is set', async () => {
  for (const [file, path, said] of [
    [plain, 'oidc[0].issuer', 'must be https'],
    [weak, 'oidc[0].clientSecret', 'placeholder'],
  ] as const) {
    using w = world(file)
    const { status, stdout, stderr } = w.run('demo', '--settings', 'settings.yaml')
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(`settings.yaml:1: ${path}: `)
    expect(stderr).toContain(said)
    expect(stderr).not.toContain('changeme')
    expect(w.files()).toEqual(['settings.yaml'])
  }
  using allowed = world(plain)
  const words = await firstWords(allowed.start('demo', '--settings', 'settings.yaml', '--insecure-http-issuer'))
  expect(words).toContain('warning: insecureHttpIssuer: ')
  expect(allowed.files()).toContain('home')
  // Three starts of a whole process, on a machine that may be busy with others.
}, 60_000)

describe('the launcher', () => {
  test('passes on the exit code and the arguments', () => {
    using w = world('port: no\n')
    expect(w.run('check-config', 'settings.yaml').status).toBe(1)
    expect(w.run('no-such-command').status).toBe(2)
  })

  test('of an old Node says which one is needed, which was found, and how to get it', () => {
    using w = world('')
    const disguise = join(w.folder, 'old.cjs')
    writeFileSync(disguise, "Object.defineProperty(process.versions, 'node', { value: '20.20.2' })\n")
    const { status, stderr } = spawnSync(process.execPath, ['--require', disguise, launcher, 'demo'], {
      encoding: 'utf8',
    })
    expect(status).toBe(1)
    expect(stderr).toBe(
      'Gatehouse needs Node 24.15 or later, and this is Node 20.20.2.\n' +
        'A fitting one comes with its dependencies: run "npm ci" in the folder of Gatehouse, then "npm start", which uses it.\n',
    )
  })
})

/** The command line as gateways serve it: one file, fetched from a real laptop mode and run where nothing else of Gatehouse is. */
import { hash } from 'node:crypto'
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { notebook } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { readmeCommands } from '#test/support/readme.ts'
import { bundleCommandLine } from '../../../scripts/bundle.ts'

const root = join(import.meta.dirname, '../../..')

async function packageVersion(): Promise<string> {
  const { version }: { readonly version: string } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  return version
}

describe('the file at /.gatehouse/cli', { timeout: 60_000 }, () => {
  const stack = new AsyncDisposableStack()
  let world: LaptopWorld
  let machine: PersonMachine

  beforeAll(async () => {
    await bundleCommandLine(join(root, 'dist'))
    world = stack.use(await openLaptopWorld({ samples: [] }))
    await world.declare(notebook)
    const folder = stack.use(await personMachine()).home
    const answer = await plainRequest(world.origin + paths.cliFile)
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-disposition': 'attachment; filename="gatehouse.cjs"' },
    })
    const file = join(folder, 'gatehouse')
    await writeFile(file, answer.body)
    await chmod(file, 0o755)
    machine = stack.use(await personMachine({ program: [process.execPath, file] }))
  })
  afterAll(() => stack.disposeAsync())

  test('is for everybody, is asked for once, and is what its digest says', async () => {
    const { headers, body } = await plainRequest(world.origin + paths.cliFile)
    expect(headers['repr-digest']).toBe(`sha-256=:${hash('sha256', body, 'base64')}:`)
    const again = await plainRequest(world.origin + paths.cliFile, {
      headers: { 'If-None-Match': String(headers.etag) },
    })
    expect([again.status, again.body]).toEqual([304, ''])
  })

  test('does what the README says, line by line, from fetching it on', async () => {
    await using bash = await personMachine({ program: ['bash', '--norc', '-euo', 'pipefail', '-c'] })
    const bin = join(bash.home, '.local', 'bin')
    await mkdir(bin, { recursive: true })
    const PATH = [bin, dirname(process.execPath), process.env.PATH].join(delimiter)
    const said = new Map<string, string>()
    for (const line of readmeCommands('The command line')) {
      const command = line.replaceAll('https://ws.example.com', world.origin)
      const isLogin = line.startsWith('gatehouse login')
      const ran = isLogin
        ? await bash.loginBy(await world.as('alice'), [command], { PATH })
        : await bash.run([command], { PATH })
      expect([line, ran.code, ran.stderr]).toEqual([line, 0, ran.stderr])
      said.set(line.split(' ').slice(0, 2).join(' '), ran.stdout)
    }
    expect(said.get('gatehouse list')).toMatch(/^alice +notebook +Stopped +alice +owner +http/m)
    expect(said.get('gatehouse start')).toBe(`${world.url(notebook)}\n`)
    expect(said.get('gatehouse open')).toBe(`${world.url(notebook)}\n`)
    expect(said.get('gatehouse explain')).toMatch(/^bob +may open it$/m)
    expect(said.get('gatehouse activity')).toMatch(/^verdict +(?:idle|not-idle|unknown) \(/m)
    expect(await bash.run(['gatehouse list'], { PATH })).toMatchObject({ code: 3 })
  })

  test('runs no gateway', async () => {
    expect(await machine.run(['serve'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no command 'serve'"),
    })
    expect((await machine.run([])).stdout).not.toContain('gateway of a cluster')
  })
})

test('that was replaced by a shorter one while it began says so, and nothing else', async () => {
  await using machine = await personMachine()
  const file = await bundleCommandLine(machine.home)
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.slice(0, text.indexOf('\n/* all of it\n') + 1))
  await using short = await personMachine({ program: [process.execPath, file] })
  expect(await short.run(['help'])).toMatchObject({
    ...{ code: 1, stdout: '' },
    stderr: 'gatehouse: it was replaced while it began: run it again\n',
  })
})

test('that is piped into Node has no file: it says so, and runs nothing that lies where it is run', async () => {
  await using machine = await personMachine()
  await bundleCommandLine(machine.home)
  const planted = 'process.stdout.write("planted")'
  await writeFile(join(machine.home, '[stdin]'), `\n/* all of it\n${planted}\n*/`)
  await using bash = await personMachine({ program: ['bash', '--norc', '-c'] })
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter)
  for (const folder of [machine.home, bash.home])
    expect(await bash.run([`cd '${folder}' && node - help < '${machine.home}/gatehouse.cjs'`], { PATH })).toEqual({
      ...{ code: 1, stdout: '' },
      stderr: 'gatehouse: it reads the rest of itself from its file: save it, and run that\n',
    })
})

test('says the version of package.json, from its source and as one file, and its help says how to ask', async () => {
  await using source = await personMachine()
  const file = await bundleCommandLine(source.home)
  await using bundle = await personMachine({ program: [process.execPath, file] })
  for (const machine of [source, bundle]) {
    const said = { code: 0, stdout: `${await packageVersion()}\n`, stderr: '' }
    expect(await machine.run(['--version'])).toEqual(said)
    expect(await machine.run(['version'])).toEqual(said)
    expect((await machine.run(['help'])).stdout).toMatch(/^ {2}version +.*gatehouse --version/m)
    expect(await machine.run(['version', '--help'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^usage/) })
    expect(await machine.run(['version', 'of-what'])).toMatchObject({ code: 2, stdout: '' })
  }
})

test('kubectl finds it by name, with its arguments and its exit code', { timeout: 60_000 }, async ({ skip }) => {
  await using machine = await personMachine({ program: ['kubectl'] })
  const folder = join(machine.home, 'bin')
  await mkdir(folder)
  await symlink(join(root, 'bin/gatehouse.js'), join(folder, 'kubectl-gatehouse'))
  const PATH = [folder, process.env.PATH].join(delimiter)
  const listed = await machine.run(['plugin', 'list', '--name-only'], { PATH }).catch(() => undefined)
  if (!listed) return skip('kubectl is not installed here')
  expect(listed.stdout).toContain('kubectl-gatehouse')
  expect((await machine.run(['gatehouse'], { PATH })).stdout).toMatch(/^usage: gatehouse COMMAND/)
  expect(await machine.run(['gatehouse', 'list'], { PATH })).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('gatehouse login'),
  })
  const said = { code: 0, stdout: `${await packageVersion()}\n`, stderr: '' }
  expect(await machine.run(['gatehouse', '--version'], { PATH })).toEqual(said)
})

test('bash completes commands, flags and shells by the script that it prints', { timeout: 60_000 }, async () => {
  await using machine = await personMachine()
  const folder = join(machine.home, 'bin')
  await mkdir(folder)
  await symlink(join(root, 'bin/gatehouse.js'), join(folder, 'gatehouse'))
  await using bash = await personMachine({ program: ['bash', '--norc', '-c'] })
  const lines = [
    ['exp'],
    ['share', '--a'],
    ['list', '-o', 'j'],
    ['code', 'nb', '--ide', 'cu'],
    ['share', 'nb', '--access', 'm'],
    ['share', 'nb', '--access', '=', 'm'],
  ]
  const ask = lines.map((words) => {
    const typed = words.map((word) => `'${word}'`).join(' ')
    return `COMP_WORDS=(gatehouse ${typed}); COMP_CWORD=${words.length}; _gatehouse; echo "\${COMPREPLY[@]}"`
  })
  const script = ['source <(gatehouse completion bash)', ...ask].join('\n')
  const ran = await bash.run([script], { PATH: [folder, process.env.PATH].join(delimiter) })
  expect(ran.stdout.trimEnd().split('\n')).toEqual(['explain', '--access', 'json', 'cursor', 'modify', 'modify'])
  for (const shell of ['zsh', 'fish', 'powershell'])
    expect((await machine.run(['completion', shell])).stdout).toContain('gatehouse completion words')
})

/** What ssh waits for each time that somebody connects: the command of `Match … exec`, of the published file, with a certificate that is there already. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleCommandLine } from '../../../scripts/bundle.ts'

const alias = 'nb.team.prod.gatehouse'
const later = '2099-01-01T00:00:00Z'

let folder: string
let file: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-early-'))
  file = await bundleCommandLine(folder)
  const url = 'http://localhost:1'
  const deployments = { prod: { url, sshName: 'prod', sshUser: 'workspace' } }
  const times = { expiresAt: later, renewAt: later, notAfter: later }
  await put('config.json', JSON.stringify({ version: 1, deployments }))
  await put('logins/prod.json', JSON.stringify({ secret: 'gatehouse_x', username: 'a', session: 's', url, ...times }))
  for (const name of ['id_ed25519', 'known_hosts']) await put(`ssh/prod/${name}`, '')
  await certificate(Date.parse(later))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function put(name: string, text: string): Promise<void> {
  const path = join(folder, '.config/gatehouse', name)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(path, text, { mode: 0o600 })
}

const certificate = (renewAt: number) =>
  put(`ssh/prod/${alias}-cert.pub`, `ssh-ed25519-cert-v01@openssh.com AAAA gatehouse,s,plain,${renewAt}\n`)

function run(program: string, args: readonly string[], first: readonly string[] = []) {
  const env = { HOME: folder, PATH: process.env.PATH ?? '' }
  return new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resolve) => {
    execFile(process.execPath, [...first, program, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}

const asked = ['ssh-certificate', '--deployment', 'prod', '--', alias]

test('it reads three files and says nothing, without anything that speaks to a network, signs, or starts a process', async () => {
  const look = join(folder, 'look.cjs')
  await writeFile(look, "process.on('exit', () => console.log(process.moduleLoadList.join('\\n')))")
  const { code, stdout, stderr } = await run(file, asked, ['-r', look])
  expect([code, stderr]).toEqual([0, ''])
  const loaded = stdout.split('\n')
  expect(loaded).toContain('NativeModule fs')
  for (const name of ['crypto', 'http', 'https', 'tls', '_http_client', 'child_process', 'readline', 'tty'])
    expect(loaded).not.toContain(`NativeModule ${name}`)
  expect(await run(file, asked)).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('the rest of the file is not even read for it, and for everything else it is', async () => {
  const broken = join(folder, 'broken.cjs')
  const [early = ''] = (await readFile(file, 'utf8')).split('\n/* all of it\n')
  await writeFile(broken, `${early}\n/* all of it\n} this is no program\n*/\n`)
  expect(await run(broken, asked)).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(await run(broken, ['help'])).toMatchObject({ code: 1, stderr: expect.stringContaining('SyntaxError') })
  await certificate(Date.now() - 1)
  expect(await run(broken, asked)).toMatchObject({ code: 1, stderr: expect.stringContaining('SyntaxError') })
  // The whole asks for a new one, where nobody answers here.
  expect(await run(file, asked)).toMatchObject({
    code: 5,
    stdout: '',
    stderr: expect.stringContaining('(unreachable)'),
  })
  await certificate(Date.parse(later))
})

test('what is wrong with the command is said by the whole', async () => {
  for (const args of [['--no-such-flag'], [], ['not-an-alias']]) {
    const refused = await run(file, ['ssh-certificate', ...args])
    expect(refused).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^gatehouse ssh-certificate: /),
    })
  }
  expect(await run(file, ['ssh-certificate', '--help'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^usage/),
  })
})

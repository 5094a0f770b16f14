/** What a gateway or a workspace says is shown to a terminal, or handed to a shell: it cannot make them do anything. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PersonIo } from '#cli/client/person-io.ts'
import { personMain } from '#cli/person.ts'
import { systemClock } from '#lib/clock.ts'
import { api } from '#surface/urls.ts'

const stack = new AsyncDisposableStack()
let home: string
let origin: string

const hostile = 'https://ws.example.test/\u001b]0;x\u0007/\u009b31m\u202e'
const view = {
  ...{ namespace: 'alice', name: 'nb1', displayName: '', owner: 'alice', mine: true, grant: 'owner' },
  ...{ state: 'Running', reason: 'Ready', message: '', steps: [], url: hostile },
  ports: [{ name: 'web', port: 8888, label: '', url: hostile, exposed: true, ready: true }],
  can: { open: true, start: true, stop: true, share: true, logs: true },
}
const workspaces = [
  view,
  ...['$(touch pwned)', '`x`', 'nb2;x', 'nb3\nrm', '-o', '\u001b[2J', 'a/b', ''].map((name) => ({ ...view, name })),
  { ...view, namespace: 'alice$(x)', name: 'nb4' },
]

beforeAll(async () => {
  const server = createServer((request, response) => {
    const body = request.url === api.workspaces ? { workspaces } : { ...view, namespace: '\u001b[2J' }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo // It listens on TCP.
  origin = `http://127.0.0.1:${port}`
  home = stack.adopt(await mkdtemp(join(tmpdir(), 'gh-hostile-')), (path) => rm(path, { recursive: true }))
  const later = new Date(Date.now() + 3_600_000).toISOString()
  const login = { secret: 'gatehouse_x', username: 'alice', session: 's', url: origin }
  const times = { renewAt: later, expiresAt: later, notAfter: later }
  await mkdir(join(home, 'logins'))
  await writeFile(join(home, 'config.json'), JSON.stringify({ version: 1, deployments: { home: { url: origin } } }))
  await writeFile(join(home, 'logins/home.json'), JSON.stringify({ ...login, ...times }), { mode: 0o600 })
})
afterAll(() => stack.disposeAsync())

/** `output`: what the machine shows the bytes of a pipe on; all that is written when absent. */
async function run(args: readonly string[], { output, signal }: { output?: Writable; signal?: AbortSignal } = {}) {
  const said = { stdout: '', stderr: '', opened: '' }
  const all = new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      said.stdout += text
      done()
    },
  })
  const io: PersonIo = {
    stdout: { write: (text) => (said.stdout += text) },
    stderr: { write: (text) => (said.stderr += text) },
    env: { GATEHOUSE_CLI_CONFIG: home, PATH: `${home}:${process.env.PATH}` },
    ...{ platform: 'linux', homeFolder: home, machine: 'm', clock: systemClock },
    program: () => ['/usr/bin/node', '/opt/gatehouse.cjs'],
    cwd: () => home,
    signal: signal ?? new AbortController().signal,
    readLine: async () => undefined,
    openBrowser: async (url) => {
      said.opened = url
      return true
    },
    pipe: () => ({ input: process.stdin, output: output ?? all }),
  }
  return { code: await personMain(args, io), ...said }
}

/** A kubectl of which one pod is known, and that writes whatever the script does as its log. */
async function kubectl(script: string): Promise<void> {
  const file = join(home, 'kubectl')
  await writeFile(file, `#!/bin/sh\nif [ "$1" = get ]; then echo pod/nb1-0; exit; fi\n${script}\n`)
  await chmod(file, 0o755)
}

test('a shell completes names of workspaces, and nothing that it would read otherwise', async () => {
  const { code, stdout } = await run(['completion', 'words', '--', 'start', ''])
  expect([code, stdout]).toEqual([0, 'alice/nb1\n'])
})

test('addresses are printed, and opened, without what a terminal would obey', async () => {
  const clean = 'https://ws.example.test/%1B]0;x%07/%C2%9B31m%E2%80%AE'
  expect(await run(['open', 'nb1'])).toEqual({ code: 0, stdout: `${clean}\n`, stderr: '', opened: clean })
  expect(await run(['start', 'nb1'])).toMatchObject({ code: 0, stdout: `${clean}\n` })
  expect(await run(['stop', 'nb1', '--no-wait'])).toMatchObject({ code: 0, stderr: 'alice/nb1 is stopping.\n' })
  const places = await run(['port-forward', 'nb4', '0:8888'])
  expect(places).toMatchObject({ code: 4, stdout: '' })
})

test('a log is shown line by line, with its control characters spelled out, and what kubectl says too', async () => {
  await kubectl(
    String.raw`printf 'one\r\n\033]0;title\007\302\233two\nhal'; printf 'f\033[2Jx'; printf 'no\033[2J\n' >&2; exit 3`,
  )
  expect(await run(['logs', 'alice/nb1', '--tail', '5'])).toMatchObject({
    code: 3,
    stdout: 'one\n\\u{1b}]0;title\\u{7}\\u{9b}two\nhalf\\u{1b}[2Jx\n',
    stderr: 'no\\u{1b}[2J\n',
  })
  await kubectl(`head -c 300000 /dev/zero | tr '\\0' x; echo; echo next`)
  const [long = '', next] = (await run(['logs', 'alice/nb1', '-p'])).stdout.split('\n')
  expect(long).toMatch(/^x{100,16384}…/)
  expect(next).toBe('next')
})

test('a log that comes faster than it is read waits', async () => {
  await kubectl(`yes ${'x'.repeat(999)} | head -n 2000`)
  let most = 0
  let bytes = 0
  const output: Writable = new Writable({
    highWaterMark: 16 * 1024,
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      most = Math.max(most, output.writableLength)
      setImmediate(done)
    },
  })
  expect((await run(['logs', 'alice/nb1', '-p'], { output })).code).toBe(0)
  await new Promise<void>((resolve) => output.end(resolve))
  expect(bytes).toBe(2_000_000)
  expect(most).toBeLessThan(32 * 1024)
})

test('one that nobody reads is given up at Ctrl-C', async () => {
  await kubectl(`exec yes ${'x'.repeat(999)}`)
  const ctrlC = new AbortController()
  // Never done with the first line.
  const output = new Writable({ highWaterMark: 1, write: () => ctrlC.abort() })
  expect((await run(['logs', 'alice/nb1', '-f'], { output, signal: ctrlC.signal })).code).toBe(130)
})

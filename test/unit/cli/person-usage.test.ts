/** Command lines that are not understood end with 2, and nobody is asked about them. */
import { expect, test } from 'vitest'
import type { PersonIo } from '#cli/client/person-io.ts'
import { personMain } from '#cli/person.ts'
import { systemClock } from '#lib/clock.ts'

async function run(args: readonly string[]) {
  const said = { stdout: '', stderr: '' }
  const io: PersonIo = {
    stdout: { write: (text) => (said.stdout += text) },
    stderr: { write: (text) => (said.stderr += text) },
    env: { GATEHOUSE_CLI_CONFIG: '/nonexistent' },
    platform: 'linux',
    homeFolder: '/nonexistent',
    machine: 'm',
    program: () => ['/usr/bin/node', '/opt/gatehouse.cjs'],
    cwd: () => '/',
    clock: systemClock,
    signal: new AbortController().signal,
    readLine: async () => undefined,
    openBrowser: async () => false,
    pipe: () => {
      throw new Error('nothing is piped here')
    },
  }
  return { code: await personMain(args, io), ...said }
}

test.each([
  [['list', 'too-many']],
  [['list', '-o', 'yaml']],
  [['list', '--no-such-flag']],
  [['start']],
  [['start', 'files', '--timeout', 'soon']],
  [['share', 'files', '--access', 'modify']],
  [['share', 'files', '--user', 'bob', '--access', 'root']],
  [['share', 'files', '--user', 'bob', '--for', '1h', '--until', '2027-01-01T00:00:00Z']],
  [['share', 'files', '--service-account', 'bot']],
  [['unshare', 'files']],
  [['explain', 'files']],
  [['logs', 'files', '-f', '-p']],
  [['logs', 'files', '--tail', 'all']],
  [['logs', 'a/b/c', '-f']],
  [['logs', 'UPPER', '-p']],
  [['login', 'http://ws.example.com']],
  [['login', 'https://alice:secret@ws.example.com']],
  [['login', 'https://ws.example.com', '--name', 'Not A Name']],
  [['completion', 'tcsh']],
  [['nonsense']],
])('%j', async (args) => {
  const { code, stdout, stderr } = await run(args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^gatehouse/)
})

test('a name that is nearly one is guessed, help is no fault, and nobody is logged in at first', async () => {
  expect((await run(['statsu'])).stderr).toContain("did you mean 'status'?")
  const helping = [['--help'], ['-h'], ['help'], ['help', '--help'], [], ['share', '--help'], ['logs'], ['list', '-h']]
  for (const args of helping)
    expect(await run(args)).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^usage: gatehouse /) })
  expect(await run(['list'])).toMatchObject({ code: 3, stderr: expect.stringContaining('gatehouse login https://') })
})

test('help of a command is that command’s own; what ssh and pods run stands apart from what people run, and nothing stands twice', async () => {
  expect(await run(['help', 'share'])).toEqual(await run(['share', '--help']))
  expect(await run(['help', 'shar'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("did you mean 'share'?"),
  })
  const { stdout } = await run(['help'])
  const [people = '', programs = ''] = stdout.split('\nfor ssh and pods')
  expect(people).toMatch(/^ {2}login +log this machine in/m)
  expect(people).not.toMatch(/^ {2}(?:tunnel|ssh-certificate|ssh-host|log) /m)
  expect(programs).toMatch(/^ {2}tunnel +the ProxyCommand/m)
  expect(stdout).toContain('3 nobody is logged in')
})

/** The command line against a real laptop mode: every command as a process of its own, the login by the real provider. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { decide } from '#test/support/command-line-login.ts'
import { askApi, eventually, fileServer } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { addressIn, type PersonMachine, personMachine } from '#test/support/person-command.ts'

const files = { namespace: 'alice', name: 'files' }
const broken = { namespace: 'alice', name: 'broken' }

describe('the command line', { timeout: 60_000 }, () => {
  const stack = new AsyncDisposableStack()
  let world: LaptopWorld
  let alice: PersonMachine
  let bob: PersonMachine

  beforeAll(async () => {
    world = stack.use(await openLaptopWorld({ samples: [] }))
    const ports = fileServer.ports.map((port) => ({ ...port, activity: 'ignore' }))
    await world.declare(files, { spec: { idleShutdown: { enabled: true, idleTimeoutInMinutes: 600 }, ports } })
    await world.declare(broken, { spec: { containerConfig: { command: ['sh', '-c'], args: ['echo no >&2; exit 3'] } } })
    await world.declare({ namespace: 'bob', name: 'files' }, { owner: 'bob' })
    alice = stack.use(await personMachine())
    bob = stack.use(await personMachine())
    for (const [machine, name] of [
      [alice, 'alice'],
      [bob, 'bob'],
    ] as const) {
      const ran = await machine.login(await world.as(name), [
        world.origin,
        '--name',
        'home',
        '--device',
        `${name}'s laptop`,
      ])
      expect(ran).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining(`as ${name}, until `) })
    }
  })
  afterAll(() => stack.disposeAsync())

  test('keeps the login in a file of its person alone, and shows the secret nowhere', async () => {
    const folder = join(alice.configFolder, 'logins')
    const file = join(folder, 'home.json')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect(await readdir(folder)).toEqual(['home.json'])
    const { secret } = JSON.parse(await readFile(file, 'utf8'))
    expect(secret).toMatch(/^gatehouse_/)
    for (const args of [['status'], ['status', '-o', 'json'], ['list', '-o', 'json'], ['status', 'files']]) {
      const { code, stdout, stderr } = await alice.run(args)
      expect([args, code]).toEqual([args, 0])
      expect(stdout + stderr).not.toContain(secret.slice(10))
    }
    expect(world.lines.join('')).not.toContain(secret.slice(10))
    const sessions = await askApi(world, await world.as('alice'), 'GET', api.sessions)
    expect(sessions.body).toContain("alice's laptop")
  })

  test('lists what its person may open, as a table and as JSON', async () => {
    const { code, stdout } = await alice.run(['list', '-o', 'json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout).map(({ name, owner, url }: Record<string, string>) => [name, owner, url])).toEqual([
      ['broken', 'alice', world.url(broken)],
      ['files', 'alice', world.url(files)],
    ])
    const table = await alice.run(['list'])
    const [head, ...rows] = table.stdout.trimEnd().split('\n')
    expect(head?.split(/ {2,}/)).toEqual(['NAMESPACE', 'NAME', 'STATE', 'OWNER', 'BY', 'URL'])
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 5))).toEqual([
      ['alice', 'broken', 'Stopped', 'alice', 'owner'],
      ['alice', 'files', 'Stopped', 'alice', 'owner'],
    ])
    expect((await alice.run(['list', '-n', 'nowhere'])).stderr).toBe('There is no workspace that you may open.\n')
  })

  test('starts a workspace, says its steps on standard error and prints the address that then answers; and stops it', async () => {
    const started = await alice.run(['start', 'files'])
    expect(started).toMatchObject({
      code: 0,
      stdout: `${world.url(files)}\n`,
      stderr: expect.stringContaining('Running'),
    })
    const opened = await alice.run(['open', 'alice/files', '--print'])
    expect(opened.stdout).toBe(`${world.url(files)}\n`)
    expect((await (await world.as('alice')).open(opened.stdout.trim())).status).toBe(200)
    expect((await alice.run(['status', 'files', '-n', 'alice'])).stdout).toMatch(/^state +Running \(ResourcesReady\)/m)
    const kept = (await alice.run(['activity', 'files', '--keep'])).stdout
    expect(kept).toMatch(/^kept until +2\d{3}-/m)
    expect(kept).toMatch(/^rule +stops after 600 min .*; what is done at some of its ports is no activity$/m)
    expect(await alice.run(['stop', 'files'])).toEqual({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/is stopped\.\n$/),
    })
    // The page that starts it, not a workspace that is not there.
    const waits = await alice.run(['open', 'files', '--port', 'web', '--print'])
    expect(waits.stdout).toBe(`${world.origin}/.gatehouse/open/alice/files\n`)
  })

  test('says why one does not start, and 6', async () => {
    const { code, stderr, stdout } = await alice.run(['start', 'broken', '--timeout', '60s'])
    expect([code, stdout]).toEqual([6, ''])
    expect(stderr).toMatch(/gatehouse start: \w+: .*3/)
    expect(await alice.run(['logs', 'broken'])).toEqual({ code: 0, stdout: expect.stringMatching(/^no$/m), stderr: '' })
    expect((await bob.run(['logs', 'alice/broken'])).code).toBe(4)
    await alice.run(['stop', 'broken', '--no-wait'])
  })

  test('shares, explains and takes back; the other machine follows at once', async () => {
    expect(await bob.run(['status', 'alice/files'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('gatehouse list'),
    })
    const shared = await alice.run([
      'share',
      'files',
      '--user',
      'bob',
      '--access',
      'modify',
      '--for',
      '8h',
      '--type',
      'web-ui',
      '--type',
      'port-forward',
      '-o',
      'json',
    ])
    expect(shared.code).toBe(0)
    const made = JSON.parse(shared.stdout)
    expect(made).toMatchObject({ access: 'modify', grantees: [{ kind: 'User', name: 'bob' }], createdBy: 'alice' })
    expect(Date.parse(made.expiresAt) - Date.now()).toBeGreaterThan(7.9 * 3_600_000)
    expect(made.connectionTypes).toEqual(['web-ui', 'port-forward'])
    const listed = await alice.run(['share', 'files'])
    expect(listed.stdout).toMatch(new RegExp(`^${made.name} .* web-ui, port-forward `, 'm'))
    await eventually(async () => (await bob.run(['status', 'alice/files'])).code === 0, 'bob sees it')
    const explained = await alice.run(['explain', 'files', '--user', 'bob'])
    expect([explained.code, explained.stdout]).toEqual([0, expect.stringMatching(/^bob +may open it\n/)])
    expect((await alice.run(['explain', 'files', '--user', 'carol-of-nowhere'])).code).toBe(1)
    expect((await bob.run(['explain', 'alice/files', '--user', 'bob'])).code).toBe(4)
    // Two are called so now.
    expect(await bob.run(['stop', 'files'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('alice/files, bob/files'),
    })
    expect(await alice.run(['unshare', 'files', '--user', 'bob'])).toMatchObject({ code: 0 })
    await eventually(async () => (await bob.run(['status', 'alice/files'])).code === 4, 'bob does not see it any more')
    expect((await alice.run(['unshare', 'files', 'none'])).code).toBe(4)
  })

  test('takes a code that was typed where no browser can reach it, and no code of somebody else', async () => {
    await using machine = await personMachine({ env: { BROWSER: '' } })
    await using command = machine.begin(['login', world.origin])
    const browser = await world.as('alice')
    const address = await addressIn(command)
    expect(address).not.toContain('127.0.0.1')
    await browser.open(address)
    const page = await decide(browser, 'allow')
    const code = /<code class="code">([^<]+)</.exec(page.body)?.[1] ?? ''
    await using other = machine.begin(['login', world.origin, '--no-browser'])
    await addressIn(other)
    other.type(`${code}\n`)
    expect(await other.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('This code is not good') })
    command.type(`${code}\n`)
    expect(await command.ended).toMatchObject({ code: 0 })
    expect((await machine.run(['status', '-o', 'json'])).stdout).toContain('"username": "alice"')
    expect((await machine.run(['logout'])).code).toBe(0)
  })

  test('goes on when its person says no, and when it is interrupted, as nobody', async () => {
    await using machine = await personMachine()
    await using refused = machine.begin(['login', world.origin])
    const browser = await world.as('alice')
    await browser.open(await addressIn(refused))
    await decide(browser, 'deny')
    expect(await refused.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('the browser said no') })
    await using given = machine.begin(['login', world.origin])
    await addressIn(given)
    given.kill('SIGINT')
    expect((await given.ended).code).toBe(130)
    expect((await machine.run(['list'])).code).toBe(3)
  })

  test('logs out: the gateway knows the secret no more; a second login ends the first', async () => {
    await using machine = await personMachine()
    const browser = await world.as('alice')
    const secretOf = async () =>
      JSON.parse(await readFile(join(machine.configFolder, 'logins', 'localhost.json'), 'utf8')).secret
    const statusWith = async (secret: string) =>
      (await fetch(`${world.origin}${api.whoami}`, { headers: { Authorization: `Bearer ${secret}` } })).status
    await machine.login(browser, [world.origin])
    const first = await secretOf()
    expect((await machine.login(browser, [])).code).toBe(0)
    const second = await secretOf()
    expect([await statusWith(first), await statusWith(second)]).toEqual([401, 200])
    expect(await machine.run(['logout'])).toMatchObject({ code: 0 })
    expect(await statusWith(second)).toBe(401)
    expect(await machine.run(['status'])).toMatchObject({ code: 3, stdout: expect.stringContaining('not_logged_in') })
  })
})

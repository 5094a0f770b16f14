/** Keeping a login: many processes find it old at once, and one of them renews it. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { createWorld } from '#test/support/world.ts'

const minute = 60_000
const at = (offset: number) => new Date(Date.now() + offset).toISOString()

interface Wish {
  readonly renewAt?: number
  readonly expiresAt?: number
  /** What the gateway answers a renewal with. */
  readonly status?: number
}

function renewalAnswer(status: number) {
  if (status === 200)
    return { status, type: 'application/json', body: { expiresAt: at(60 * minute), notAfter: at(600 * minute) } }
  const code = status === 401 ? 'unauthorized' : 'store_unavailable'
  return { status, type: 'application/problem+json', body: { code, title: 'No.' } }
}

/** A gateway that does nothing but count who asks for what; it takes its time, so that everybody comes meanwhile. */
async function scene({ renewAt = -minute, expiresAt = 20 * minute, status = 200 }: Wish = {}) {
  await using stack = new AsyncDisposableStack()
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    const isRenewal = request.url === paths.cliRenew
    const reply = isRenewal
      ? renewalAnswer(status)
      : { status: 200, type: 'application/json', body: { workspaces: [] } }
    const send = () => response.writeHead(reply.status, { 'Content-Type': reply.type }).end(JSON.stringify(reply.body))
    setTimeout(send, isRenewal ? 300 : 0)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const url = `http://127.0.0.1:${port}`
  const machine = stack.use(await personMachine())
  const file = join(machine.configFolder, 'logins', 'home.json')
  await mkdir(join(machine.configFolder, 'logins'), { recursive: true })
  await writeFile(
    join(machine.configFolder, 'config.json'),
    JSON.stringify({ version: 1, deployments: { home: { url } } }),
  )
  const times = { renewAt: at(renewAt), expiresAt: at(expiresAt), notAfter: at(600 * minute) }
  await writeFile(file, JSON.stringify({ secret: 'gatehouse_x', username: 'alice', session: 's', url, ...times }), {
    mode: 0o600,
  })
  const renewals = () => asked.filter((line) => line.startsWith(`POST ${paths.cliRenew}`)).length
  const running = stack.move()
  return { asked, machine, file, renewals, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

const listed = async (machine: PersonMachine, times: number) =>
  (await Promise.all(Array.from({ length: times }, () => machine.run(['list', '-o', 'json'])))).map(({ code }) => code)

describe('a login that is past half of its life', { timeout: 60_000 }, () => {
  test('is renewed by one process of six, and the others go on with it', async () => {
    await using s = await scene()
    expect(await listed(s.machine, 6)).toEqual([0, 0, 0, 0, 0, 0])
    expect(s.renewals()).toBe(1)
    expect(Date.parse(JSON.parse(await readFile(s.file, 'utf8')).renewAt)).toBeGreaterThan(Date.now() + 25 * minute)
    expect(await listed(s.machine, 1)).toEqual([0])
    expect(s.renewals()).toBe(1)
  })

  test('and over by this clock, is waited for: one process renews, and none goes on without', async () => {
    await using s = await scene({ expiresAt: -1 })
    expect(await listed(s.machine, 4)).toEqual([0, 0, 0, 0])
    expect(s.renewals()).toBe(1)
    expect(s.asked[0]).toContain(paths.cliRenew)
  })

  test('stays as it is when the gateway cannot renew it now', async () => {
    await using s = await scene({ status: 503 })
    expect(await listed(s.machine, 1)).toEqual([0])
    expect(JSON.parse(await readFile(s.file, 'utf8')).secret).toBe('gatehouse_x')
  })

  test('is forgotten when the gateway says that it is over', async () => {
    await using s = await scene({ status: 401 })
    const { code, stderr } = await s.machine.run(['list'])
    expect([code, stderr]).toEqual([3, expect.stringContaining('Run "gatehouse login --deployment home".')])
    await expect(readFile(s.file)).rejects.toThrow('ENOENT')
  })

  test('is renewed all the same when the one who was at it is dead', async () => {
    await using s = await scene()
    const { hostname } = await import('node:os')
    // No process has that number: it is above what Linux gives.
    await writeFile(s.file.replace(/json$/, 'lock'), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), id: 'x' }))
    expect(await listed(s.machine, 1)).toEqual([0])
    expect(await listed(s.machine, 1)).toEqual([0])
    expect(s.renewals()).toBe(1)
  })
})

describe('where the config folder cannot be written', { timeout: 60_000 }, () => {
  /** Root may write everywhere, so that the call is made to fail: of files whose path has that in it. */
  const readOnly = (part: string) => {
    const program = `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const { open } = fs.promises
fs.promises.open = async (path, flags, mode) => {
  if (flags !== 'wx' || !String(path).includes(${JSON.stringify(part)})) return open(path, flags, mode)
  throw Object.assign(new Error('EROFS: read-only file system, open'), { code: 'EROFS' })
}
syncBuiltinESMExports()`
    return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` }
  }

  test.each(['home.lock', 'home.json'])('(%s) a login that is still good serves on', async (part) => {
    await using s = await scene()
    const before = await readFile(s.file, 'utf8')
    expect(await s.machine.run(['list'], readOnly(part))).toMatchObject({ code: 0 })
    expect(await readFile(s.file, 'utf8')).toBe(before)
  })

  test('one that is over says which folder it is', async () => {
    await using s = await scene({ expiresAt: -1 })
    const { code, stdout, stderr } = await s.machine.run(['list'], readOnly('home.lock'))
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^gatehouse list: \/\S+\/logins cannot be written: .*EROFS.*\n$/)
    expect(stderr).toContain(s.machine.configFolder)
  })
})

test('a login that others may have read is not used, and logging out ends it', async () => {
  await using s = await scene({ renewAt: minute })
  await chmod(s.file, 0o644)
  expect(await s.machine.run(['list'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('not yours alone (mode 644)'),
  })
  expect(s.asked).toEqual([])
  await s.machine.run(['logout'])
  expect(s.asked.map((line) => line.split(' ')[0])).toEqual(['DELETE'])
})

test('a login is sent to no other gateway than the one that gave it', async () => {
  await using s = await scene({ renewAt: minute })
  await using other = await scene({ renewAt: minute })
  await writeFile(s.file, await readFile(other.file), { mode: 0o600 })
  expect(await s.machine.run(['list'])).toMatchObject({ code: 3 })
  expect(s.asked).toEqual([])
})

test('the gateway lengthens the session of a command line that asks, at its issuer, and of nobody else', async () => {
  const clock = fakeClock(Date.now())
  await using world = await createWorld({ clock })
  const alice = await world.as('alice')
  await using machine = await personMachine()
  await machine.login(alice, [world.origin])
  const file = join(machine.configFolder, 'logins', 'localhost.json')
  const kept = async () => JSON.parse(await readFile(file, 'utf8'))
  const before = await kept()
  await clock.advance(31 * minute)
  await writeFile(file, JSON.stringify({ ...before, renewAt: at(-1) }), { mode: 0o600 })
  expect((await machine.run(['list'])).code).toBe(0)
  const after = await kept()
  expect(Date.parse(after.expiresAt) - Date.parse(before.expiresAt)).toBeGreaterThan(25 * minute)
  expect(after.secret).toBe(before.secret)
  await alice.open(`${world.origin}/`)
  const asked = await alice.fetch(world.origin + paths.cliRenew, { method: 'POST' })
  expect(asked.status).toBe(403)
  expect((await fetch(world.origin + paths.cliRenew, { method: 'POST' })).status).toBe(401)
})

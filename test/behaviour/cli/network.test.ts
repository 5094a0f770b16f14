/** The way to a gateway: authorities of one's own, proxies, and what is said when there is none. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '#test/support/free-port.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { createWorld, type World } from '#test/support/world.ts'

const domain = 'ws.example.test'

describe('a gateway behind a proxy, with a certificate of the company', { timeout: 60_000 }, () => {
  const stack = new AsyncDisposableStack()
  const targets: string[] = []
  let world: World
  let caFile: string
  let proxy: string
  let machine: PersonMachine

  beforeAll(async () => {
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'gh-ca-')), (path) => rmSync(path, { recursive: true }))
    const ca = createTestCa(folder)
    caFile = ca.caFile
    const files = ca.issue([domain, `*.${domain}`])
    world = stack.use(await createWorld({ tls: { domain, ...files, ca: readFileSync(caFile, 'utf8') } }))
    proxy = await connectProxy()
    machine = stack.use(await personMachine({ env: { HTTPS_PROXY: proxy } }))
    const ran = await machine.login(await world.as('alice'), [world.origin, '--name', 'work', '--ca-file', caFile])
    expect(ran).toMatchObject({ code: 0 })
  })
  afterAll(() => stack.disposeAsync())

  /** Knows every name as this machine, which nobody else here does; wants a password. */
  async function connectProxy(): Promise<string> {
    const server = createServer()
    const tunnels = new Set<Duplex>()
    server.on('connect', (request: IncomingMessage, socket, head) => {
      const known = `Basic ${Buffer.from('user:pass word').toString('base64')}`
      if (request.headers['proxy-authorization'] !== known)
        return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
      targets.push(request.url ?? '')
      const far = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n')
        far.write(head)
        far.pipe(socket)
        socket.pipe(far)
      })
      for (const end of [far, socket]) tunnels.add(end.on('error', () => end.destroy()))
      return undefined
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    stack.defer(async () => {
      for (const end of tunnels) end.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    const { port } = server.address() as AddressInfo // It listens on TCP.
    return `http://user:pass%20word@127.0.0.1:${port}`
  }

  test('[SP24.6] is reached, by HTTPS_PROXY and an authority that was named at the login, and doctor says so and why not', async () => {
    expect(await machine.run(['status', '-o', 'json'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('alice'),
    })
    expect(new Set(targets)).toEqual(new Set([`${domain}:${world.port}`]))
    const { stdout } = await machine.run(['doctor', '-o', 'json'])
    const [gateway] = JSON.parse(stdout).filter(({ check }: { check: string }) => check === 'gateway work')
    expect(gateway).toMatchObject({ verdict: 'ok', found: expect.stringContaining('HTTPS_PROXY') })
    expect(gateway.found).toContain(caFile)
    expect(stdout).not.toContain('pass')
    const closed = await machine.run(['doctor', '-o', 'json'], { HTTPS_PROXY: `http://127.0.0.1:${await freePort()}` })
    expect(closed).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('the proxy of HTTPS_PROXY does not answer'),
    })
    await using stranger = await personMachine({ env: { HTTPS_PROXY: proxy } })
    await mkdir(stranger.configFolder, { recursive: true })
    const deployments = { work: { url: world.origin } }
    await writeFile(join(stranger.configFolder, 'config.json'), JSON.stringify({ version: 1, deployments }))
    const untrusted = await stranger.run(['doctor', '-o', 'json'])
    expect(untrusted).toMatchObject({ code: 1, stdout: expect.stringContaining('is not trusted here') })
    expect(untrusted.stdout).toContain('NODE_EXTRA_CA_CERTS=FILE')
    const trusted = await stranger.run(['doctor', '-o', 'json'], { NODE_EXTRA_CA_CERTS: caFile })
    expect(trusted.stdout).toContain(`with the authorities of NODE_EXTRA_CA_CERTS (${caFile})`)
  })

  test('is not reached past the proxy, and each fault is told from the others, with 5, and without the password', async () => {
    const closed = await freePort()
    const faults = [
      [{ NO_PROXY: `.${domain}` }, /is not reached: (ENOTFOUND|EAI_AGAIN)/],
      [{ HTTPS_PROXY: proxy.replace('word', 'wrong') }, /the proxy of HTTPS_PROXY answered 407/],
      [
        { HTTPS_PROXY: `http://user:secret@127.0.0.1:${closed}` },
        /the proxy of HTTPS_PROXY does not answer: .*ECONNREFUSED/,
      ],
      [{ HTTPS_PROXY: 'socks5://user:secret@127.0.0.1:1' }, /HTTPS_PROXY names no proxy that can be used/],
    ] as const
    for (const [env, said] of faults) {
      const { code, stderr } = await machine.run(['list'], env)
      expect([code, stderr]).toEqual([5, expect.stringMatching(said)])
      expect(stderr).not.toMatch(/secret|pass(?:%20| )w|wrong/)
    }
  })
})

test('a proxy that says nothing keeps no process: Ctrl-C ends it with 130', async () => {
  const asked = Promise.withResolvers<Socket>()
  const server = createTcpServer(
    (socket) => void socket.on('error', () => undefined).once('data', () => asked.resolve(socket)),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  await using machine = await personMachine({ env: { HTTPS_PROXY: `http://127.0.0.1:${port}` } })
  await using command = machine.begin(['login', `https://${domain}`, '--no-browser'])
  command.type('a-code\n')
  const socket = await asked.promise
  command.kill('SIGINT')
  expect((await command.ended).code).toBe(130)
  socket.destroy()
  server.close()
})

test('whatever is no gateway is not taken for one', async () => {
  const server = createServer((_request, response) =>
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Hello</h1>'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  await using machine = await personMachine()
  await mkdir(machine.configFolder, { recursive: true })
  const deployments = { work: { url: `http://127.0.0.1:${port}` } }
  await writeFile(join(machine.configFolder, 'config.json'), JSON.stringify({ version: 1, deployments }))
  const { code, stdout } = await machine.run(['doctor', '-o', 'json'])
  server.closeAllConnections()
  server.close()
  expect([code, stdout]).toEqual([1, expect.stringContaining('answered 200 as no Gatehouse does')])
})

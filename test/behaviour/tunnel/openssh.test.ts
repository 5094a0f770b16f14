/** OpenSSH's own programs through a tunnel: a stock client, a stock server, and the command line as ProxyCommand between them. */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '#test/support/free-port.ts'
import { type OpenSsh, openSsh } from '#test/support/openssh.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { type TunnelScene, tcpAppBefore, tunnelScene } from '#test/support/tunnel-scene.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const alias = 'nb.team.test.gatehouse'
const launcher = join(import.meta.dirname, '../../../bin/gatehouse.js')

describeWith('sshd', 'OpenSSH', () => {
  let parts: AsyncDisposableStack
  let server: OpenSsh
  let scene: TunnelScene
  let machine: PersonMachine
  /** Of every client. */
  let config: readonly string[]

  beforeAll(async () => {
    await using opened = new AsyncDisposableStack()
    server = opened.use(await openSsh())
    // In between, so that what is left open is seen.
    const app = await tcpAppBefore(server.port)
    const ca = createTestCa(join(server.folder, 'ca'))
    const tls = {
      domain: 'localhost',
      ...ca.issue(['localhost', '*.localhost']),
      ca: await readFile(ca.caFile, 'utf8'),
    }
    scene = opened.use(await tunnelScene({ app, tls }))
    machine = opened.use(await personMachine())
    const alice = await scene.world.as('alice')
    const login = await machine.login(alice, [scene.world.origin, '--ca-file', ca.caFile])
    expect(login).toMatchObject({ code: 0 })
    const environment = `HOME=${machine.home} NODE_DISABLE_COMPILE_CACHE=1`
    const command = `env ${environment} ${process.execPath} ${launcher} tunnel team/nb`
    config = ['-F', await server.configure(alias, command)]
    parts = opened.move()
  })
  afterAll(() => parts?.disposeAsync())

  const allClosed = () => scene.world.until(() => scene.app.connections.size === 0, 'nothing is left open')

  test('[SP4.1] a stock client runs a command behind the one HTTPS port, by its alias', async () => {
    const { stdout, stderr } = await server.run('ssh', [...config, alias, 'echo ok'])
    expect([stdout, stderr]).toEqual(['ok\n', ''])
    await allClosed()
  })

  test('[SP4.2] copies 100 MB, equal, and a part of it back', { timeout: 120_000 }, async () => {
    const content = randomBytes(100_000_000)
    const [from, there, part, back] = ['from', 'there', 'part', 'back'].map((name) => join(server.folder, name))
    await writeFile(from ?? '', content)
    await server.run('scp', [...config, '-q', from ?? '', `${alias}:${there}`])
    expect((await readFile(there ?? '')).equals(content)).toBe(true)
    await writeFile(part ?? '', content.subarray(0, 20_000_000))
    await server.run('scp', [...config, '-q', `${alias}:${part}`, back ?? ''])
    expect((await readFile(back ?? '')).equals(content.subarray(0, 20_000_000))).toBe(true)
    await allClosed()
  })

  test.skipIf(!existsSync('/usr/bin/rsync'))('rsync brings a folder up to date', async () => {
    const folder = join(server.folder, 'tree')
    await server.run('ssh', [
      ...config,
      alias,
      `mkdir -p ${folder}/a/b && echo one > ${folder}/a/b/c && echo two > ${folder}/d`,
    ])
    const rsh = ['ssh', ...config].map((word) => `'${word}'`).join(' ')
    await server.run('rsync', ['-a', '-e', rsh, `${alias}:${folder}/`, `${server.folder}/copy/`])
    expect(await readFile(join(server.folder, 'copy/a/b/c'), 'utf8')).toBe('one\n')
    await allClosed()
  })

  test('forwards ports of its own, by -L and by the SOCKS of -D, as desktop IDEs do', async () => {
    await using app = await helloServer()
    const [forwarded, socks] = [await freePort(), await freePort()]
    const forwards = ['-L', `127.0.0.1:${forwarded}:127.0.0.1:${app.port}`, '-D', `127.0.0.1:${socks}`]
    const client = spawn('ssh', [...config, '-T', '-N', '-o', 'ExitOnForwardFailure=yes', ...forwards, alias])
    const ended = once(client, 'exit')
    try {
      await expect.poll(() => textOf(`http://127.0.0.1:${forwarded}/`)).toBe('hello')
      expect(await throughSocks(socks, app.port)).toContain('hello')
    } finally {
      client.kill('SIGTERM')
      await ended
    }
    await allClosed()
  })

  test('of a workspace that is stopped is told so at once, and later every time; nothing is started', async () => {
    const { world, ref } = scene
    await world.resources.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
    await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Stopped', 'it is stopped')
    const spans: number[] = []
    for (let tried = 0; tried < 2; tried += 1) {
      const began = performance.now()
      const failure = await server.run('ssh', [...config, alias, 'echo ok']).catch((error: unknown) => error)
      spans.push(performance.now() - began)
      expect(String(failure)).toContain('The workspace is stopped.')
    }
    expect(spans[1]).toBeGreaterThan(1_000)
    expect(world.runtime.started).toEqual(['team/nb'])
  })
})

async function textOf(url: string): Promise<string | undefined> {
  return plainRequest(url).then(
    ({ body }) => body,
    () => undefined,
  )
}

async function helloServer() {
  const server = createServer((_request, response) => response.end('hello'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** RFC 1928: no authentication, CONNECT to an IPv4 address; what is answered to one request. */
async function throughSocks(socks: number, port: number): Promise<string> {
  const socket = connect({ port: socks, host: '127.0.0.1' })
  socket.write(Buffer.from([5, 1, 0]))
  await once(socket, 'data')
  socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff]))
  await once(socket, 'data')
  socket.end('GET / HTTP/1.0\r\nHost: hello\r\n\r\n')
  let answer = ''
  for await (const bytes of socket) answer += bytes
  return answer
}

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { dialEndpoint } from '#runtime/processes/dial.ts'

const soon = () => AbortSignal.timeout(5000)

async function listen(at: { path: string } | { host: string; port: number }) {
  const server = createServer({ allowHalfOpen: true })
  server.listen(at)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return server
}

test.each([
  { host: '192.0.2.1', port: 80 },
  { host: '169.254.169.254', port: 80 },
  { host: '0.0.0.0', port: 80 },
  { host: 'localhost', port: 80 },
  { host: 'example.test', port: 80 },
  { host: '::', port: 80 },
  { host: '::ffff:10.0.0.1', port: 80 },
  { host: '127.0.0.1', port: 22 },
])('$host port $port is never dialled', async ({ host, port }) => {
  await expect(dialEndpoint({ kind: 'tcp', host, port }, soon())).rejects.toMatchObject({
    code: 'upstream_unreachable',
    message: expect.stringMatching(/loopback only|never reached/),
  })
})

test('nobody at the port, or no such socket, is told as unreachable', async () => {
  const unreachable = { code: 'upstream_unreachable', message: expect.stringMatching(/ECONNREFUSED|ENOENT/) }
  await expect(dialEndpoint({ kind: 'tcp', host: '127.0.0.1', port: 1 }, soon())).rejects.toMatchObject(unreachable)
  await expect(dialEndpoint({ kind: 'unix', path: '/nowhere.sock' }, soon())).rejects.toMatchObject(unreachable)
})

test('a connection ends with its signal, before it stands and after', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gh-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'a.sock')
  await listen({ path })
  const ending = new AbortController()
  const socket = await dialEndpoint({ kind: 'unix', path }, ending.signal)
  const closed = once(socket, 'close')
  ending.abort()
  await closed
  await expect(dialEndpoint({ kind: 'unix', path }, ending.signal)).rejects.toMatchObject({
    code: 'upstream_unreachable',
  })
})

test('each side may end alone', async () => {
  const server = await listen({ host: '127.0.0.1', port: 0 })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  server.on('connection', (peer) => {
    peer.end('all I have to say')
    peer.once('data', (chunk) => expect(String(chunk)).toBe('still listening?'))
  })
  const socket = await dialEndpoint({ kind: 'tcp', host: '127.0.0.1', port: address.port }, soon())
  socket.resume()
  await once(socket, 'end')
  expect(socket.writable).toBe(true)
  socket.end('still listening?')
  await once(socket, 'close')
})

/** A way to the gateway that leads nowhere: it is given up, and nothing of it stays open, which would keep the process. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { dialGateway } from '#cli/client/dial.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

/** Answers whatever comes first with `answer`, and never ends a connection itself. */
async function proxy(answer: string) {
  const met = Promise.withResolvers<{ readonly ended: Promise<unknown> }>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    const ended = new Promise((resolve) => socket.once('close', resolve))
    socket.once('data', () => {
      socket.write(answer)
      met.resolve({ ended })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return { sockets, met: met.promise, env: { HTTPS_PROXY: `http://127.0.0.1:${port}` } }
}

const place = { url: 'https://ws.example.test' }

describe('a proxy', () => {
  test.each([
    ['that accepts and says nothing', ''],
    ['that answers half a head', 'HTTP/1.1 200 OK\r\n'],
    ['that opens the tunnel to a gateway that says nothing', 'HTTP/1.1 200 OK\r\n\r\n'],
  ])('%s is given up when the time is over', async (_, answer) => {
    const { met, env } = await proxy(answer)
    const clock = fakeClock()
    const dialled = dialGateway(place, { env, clock, signal: new AbortController().signal })
    const refused = expect(dialled).rejects.toMatchObject({ code: 'timed_out', exitCode: 5 })
    const { ended } = await met
    await clock.advance(15_000)
    await refused
    await ended
  })

  test('that says nothing is given up at Ctrl-C, and what it does later is nobody’s fault', async () => {
    const { met, env, sockets } = await proxy('')
    const ctrlC = new AbortController()
    const dialled = dialGateway(place, { env, clock: fakeClock(), signal: ctrlC.signal })
    const refused = expect(dialled).rejects.toMatchObject({ code: 'interrupted', exitCode: 130 })
    const { ended } = await met
    ctrlC.abort()
    for (const socket of sockets) socket.resetAndDestroy()
    await refused
    await ended
  })

  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n\r\n', /its answer is no HTTP/],
    ['a head without an end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17 * 1024)}`, /its answer is no HTTP/],
    ['no', 'HTTP/1.1 403 Forbidden\r\n\r\n', /answered 403/],
  ])('that answers %s is given up at once', async (_, answer, message) => {
    const { met, env } = await proxy(answer)
    const dialled = dialGateway(place, { env, clock: fakeClock(), signal: new AbortController().signal })
    await expect(dialled).rejects.toMatchObject({ code: 'proxy_failed', message: expect.stringMatching(message) })
    const { ended } = await met
    await ended
  })
})

test('authorities that cannot be read are told before anything is opened', async () => {
  const { env, sockets } = await proxy('HTTP/1.1 200 OK\r\n\r\n')
  const io = { env, clock: fakeClock(), signal: new AbortController().signal }
  const dialled = dialGateway({ ...place, caFile: '/nonexistent/ca.pem' }, io)
  await expect(dialled).rejects.toMatchObject({ code: 'certificate_refused' })
  expect(sockets.size).toBe(0)
})

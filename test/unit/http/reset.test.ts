import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { reset } from '#http/reset.ts'

/** Both ends of a connection; neither reads, or ends because the other one did. */
async function connected(): Promise<{ readonly near: Socket; readonly far: Socket } & AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined)
  const [[near]]: [Socket[], unknown] = await Promise.all([once(server, 'connection'), once(far, 'connect')])
  if (!near) throw new Error('no connection')
  near.on('error', () => undefined)
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      far.destroy()
      near.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test.each([
  ['that is open', () => undefined],
  ['that is being ended', (socket: Socket) => void socket.end()],
  [
    'that is being ended behind what its peer does not read',
    (socket: Socket) => void socket.end(Buffer.alloc(16 << 20)),
  ],
  ['that was ended', (socket: Socket) => once(socket.end(), 'finish')],
])('a connection %s is closed at once, and its peer is told', async (_what, before) => {
  await using both = await connected()
  const { near, far } = both
  await before(near)
  const closed = once(near, 'close')
  // A reset is an error first, and then the end.
  const over = new Promise((resolve) => far.once('close', resolve).once('end', resolve))
  reset(near)
  await closed
  far.resume()
  await over
  expect(near.destroyed).toBe(true)
})

/** What becomes of a WebSocket that waits for its turn when somebody leaves meanwhile. */
import { describe, expect, test } from 'vitest'
import { acceptKey } from '#proxy/accept-key.ts'
import { createProxy, rawClient, rawUpstream } from './proxy-world.ts'

const key = 'AAECAwQFBgcICQoLDA0ODw=='
const handshake = [
  ...['GET /ws HTTP/1.1', 'Host: nb.ws.example.com', 'Connection: Upgrade', 'Upgrade: websocket'],
  ...['Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`, '', ''],
].join('\r\n')
const accepted = [
  ...['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'],
  ...[`Sec-WebSocket-Accept: ${acceptKey(key)}`, '', ''],
].join('\r\n')

/** Turns that come when the test says so. */
async function waiting(answer = accepted) {
  const turns: (() => void)[] = []
  const upstream = await rawUpstream((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(answer))
  })
  const handshakes = {
    add(work: () => void) {
      turns.push(work)
      return true
    },
  }
  const proxy = await createProxy({ upstreamPort: upstream.port, handshakes })
  return {
    ...{ upstream, proxy },
    /** The next one, when there is one. */
    async turn() {
      await expect.poll(() => turns.length).toBeGreaterThan(0)
      turns.shift()?.()
    },
    waits: () => expect.poll(() => turns.length).toBeGreaterThan(0),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

describe('a handshake whose turn has yet to come', () => {
  test('gets on as its turns come, with all that the server said meanwhile', async () => {
    await using world = await waiting(`${accepted}hello `)
    using client = rawClient(world.proxy.port, handshake)
    await world.turn()
    await world.waits()
    expect(client.text()).toBe('')
    for (const socket of world.upstream.sockets) socket.write('there')
    await world.turn()
    expect(await client.until(/there$/)).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\nhello there$/)
  })

  test.each([0, 1])('is given up when its client leaves (after %i turns), and the server is told', async (turns) => {
    await using world = await waiting()
    using client = rawClient(world.proxy.port, handshake)
    for (let turn = 0; turn < turns; turn += 1) await world.turn()
    await world.waits()
    client.socket.destroy()
    await expect.poll(() => world.proxy.open()).toBe(0)
    await world.turn()
    await expect.poll(() => world.upstream.sockets.size).toBe(0)
    await expect.poll(() => world.proxy.client.size).toBe(0)
    expect(world.proxy.group.size).toBe(0)
    expect(world.proxy.outcomes).toMatchObject([{ cut: 'client' }])
  })

  test.each([0, 1])('is a failure when the server breaks (after %i turns), once', async (turns) => {
    await using world = await waiting()
    using client = rawClient(world.proxy.port, handshake)
    for (let turn = 0; turn < turns; turn += 1) await world.turn()
    await world.waits()
    for (const socket of world.upstream.sockets) socket.resetAndDestroy()
    await expect.poll(() => world.proxy.client.size).toBe(0)
    await world.turn()
    expect(await client.until(/upstream_unreachable$/)).toMatch(/^HTTP\/1\.1 502 /)
    expect(world.proxy.failures).toHaveLength(1)
    expect(world.proxy.switched()).toBe(0)
  })
})

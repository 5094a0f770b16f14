/** What becomes of a WebSocket that waits for its turn when somebody leaves meanwhile. */
import type { Duplex } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { acceptKey } from '#http/accept-key.ts'
import { createProxy, dialPort, rawClient, rawUpstream } from './proxy-world.ts'

const key = 'AAECAwQFBgcICQoLDA0ODw=='
const handshake = [
  ...['GET /ws HTTP/1.1', 'Host: nb.ws.example.com', 'Connection: Upgrade', 'Upgrade: websocket'],
  ...['Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`, '', ''],
].join('\r\n')
const accepted = [
  ...['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'],
  ...[`Sec-WebSocket-Accept: ${acceptKey(key)}`, '', ''],
].join('\r\n')
/** As a client gets it. */
const accepted101 = [
  ...['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'],
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
  const dialled: Duplex[] = []
  const dial = dialPort(upstream.port)
  const proxy = await createProxy({
    ...{ upstreamPort: upstream.port, handshakes },
    async dial(signal, reading) {
      const socket = await dial(signal, reading)
      dialled.push(socket)
      return socket
    },
  })
  return {
    ...{ upstream, proxy },
    /** The connections to the server, as the proxy holds them. */
    dialled,
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

  test('loses nothing of a server that says its last word and ends meanwhile', async () => {
    await using world = await waiting(accepted)
    using client = rawClient(world.proxy.port, handshake)
    await world.turn()
    await world.waits()
    for (const socket of world.upstream.sockets) socket.end('\x88\x02\x03\xe8', 'latin1')
    await wait(20)
    await world.turn()
    expect(await client.closed).toBe('end')
    expect(client.text()).toBe(`${accepted101}\x88\x02\x03\xe8`)
    client.socket.end()
    await expect.poll(() => world.proxy.outcomes).toMatchObject([{ status: 101, bytesOut: 4, cut: undefined }])
  })

  test('loses nothing of a server whose last word came with the switch, and which ends meanwhile', async () => {
    await using world = await waiting(`${accepted}bye`)
    using client = rawClient(world.proxy.port, handshake)
    await world.turn()
    await world.waits()
    for (const socket of world.upstream.sockets) socket.end(' all')
    await wait(20)
    await world.turn()
    expect(await client.until(/bye all/)).toContain(accepted101)
    expect(world.proxy.failures).toEqual([])
  })

  test('tells the client of a server that switches and ends without a word meanwhile', async () => {
    await using world = await waiting()
    using client = rawClient(world.proxy.port, handshake)
    await world.turn()
    await world.waits()
    for (const socket of world.upstream.sockets) socket.end()
    await expect.poll(() => world.dialled[0]?.readableEnded).toBe(true)
    await world.turn()
    expect(await client.closed).toBe('end')
    // 1011, in a frame of its own.
    expect(client.text().startsWith(`${accepted101}\x88`)).toBe(true)
    expect(client.text().slice(accepted101.length + 2, accepted101.length + 4)).toBe('\x03\xf3')
    await expect.poll(() => world.proxy.outcomes).toMatchObject([{ status: 101, cut: 'upstream' }])
    expect([world.proxy.failures, world.proxy.group.size, world.proxy.client.size]).toEqual([[], 0, 0])
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

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { tcpApp, tunnelScene } from '#test/support/tunnel-scene.ts'
import { longestMessage } from '#tunnel/protocol.ts'

const line = Buffer.from('SSH-2.0-test\r\n')

describe('bytes', () => {
  test('go both ways as they are, and are counted in the audit trail and the figures', async () => {
    await using scene = await tunnelScene()
    const { world } = scene
    using tunnel = await scene.open(await scene.bearer('alice'))
    const sent = Buffer.alloc(300_000, 'abcdefg')
    expect(await world.figure('gatehouse_streams', 'kind="tunnel"')).toBe(1)
    for (let at = 0; at < sent.length; at += longestMessage) tunnel.ws.send(sent.subarray(at, at + longestMessage))
    await world.until(() => tunnel.received().length === sent.length, 'all came back')
    expect(tunnel.received().equals(sent)).toBe(true)
    tunnel.ws.send(Buffer.alloc(0))
    expect(await tunnel.closed).toMatchObject({ code: 1000, reason: 'done' })
    const lines = () => world.audit.filter((event) => event.event.startsWith('stream-'))
    await world.until(() => lines().length === 2, 'it is written down')
    const about = { user: 'alice', workspace: 'team/nb', port: 2222, grant: 'owner', kind: 'tunnel' }
    expect(lines()).toMatchObject([
      { event: 'stream-opened', ...about },
      { event: 'stream-closed', ...about, reason: 'closed', bytesIn: 300_000, bytesOut: 300_000 },
    ])
    const bytes = (direction: string) =>
      world.figure('gatehouse_stream_bytes_total', `kind="tunnel",direction="${direction}"`)
    expect(await Promise.all([bytes('in'), bytes('out')])).toEqual([300_000, 300_000])
    expect(await world.figure('gatehouse_streams', 'kind="tunnel"')).toBe(0)
  })

  test('end in one direction, and go on in the other', async () => {
    const ended: Socket[] = []
    await using app = await tcpApp((socket) => {
      socket.resume().once('end', () => ended.push(socket))
      socket.write(line)
    })
    await using scene = await tunnelScene({ app })
    using tunnel = await scene.open(await scene.bearer('alice'))
    tunnel.ws.send('x', { binary: true })
    tunnel.ws.send(Buffer.alloc(0))
    await scene.world.until(() => ended.length === 1, 'the workspace has seen the end')
    const [socket] = ended
    socket?.write('and more')
    await scene.world.until(() => tunnel.received().toString().endsWith('and more'), 'it still speaks')
    expect(tunnel.hasEnded()).toBe(false)
    socket?.end()
    expect(await tunnel.closed).toMatchObject({ code: 1000 })
  })

  test('of a workspace that has ended first are followed by what its client still says', async () => {
    let heard = ''
    await using app = await tcpApp((socket) => {
      socket.on('data', (bytes) => {
        heard += bytes
      })
      socket.end('bye')
      socket.once('end', () => socket.destroy())
    })
    await using scene = await tunnelScene({ app })
    using tunnel = await scene.open(await scene.bearer('alice'))
    await scene.world.until(() => tunnel.hasEnded(), 'its end has come')
    expect(tunnel.received().toString()).toBe('bye')
    tunnel.ws.send('thank you', { binary: true })
    tunnel.ws.send(Buffer.alloc(0))
    expect(await tunnel.closed).toMatchObject({ code: 1000 })
    await scene.world.until(() => heard === 'thank you', 'it was heard')
  })

  test('are never compressed, and come in messages of 64 KiB at most', async () => {
    await using app = await tcpApp((socket) => void socket.end(Buffer.alloc(1_000_000)))
    await using scene = await tunnelScene({ app })
    const bearer = await scene.bearer('alice')
    const lengths: number[] = []
    using tunnel = await scene.open(bearer, { ws: { perMessageDeflate: true } })
    tunnel.ws.on('message', (data: Buffer) => lengths.push(data.length))
    expect(tunnel.extensions).toBeUndefined()
    await scene.world.until(() => tunnel.hasEnded(), 'all has come')
    expect(tunnel.received().length).toBe(1_000_000)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(longestMessage)
  })
})

describe('a client that sends', () => {
  test.each([
    { what: 'text', code: 1003, data: line, binary: false },
    { what: 'more than 64 KiB at once', code: 1009, data: Buffer.alloc(longestMessage + 1), binary: true },
  ])('$what is closed with $code, and nothing of it reaches the workspace', async ({ code, data, binary }) => {
    await using scene = await tunnelScene()
    using tunnel = await scene.open(await scene.bearer('alice'))
    tunnel.ws.send(data, { binary })
    expect(await tunnel.closed).toMatchObject({ code })
    await scene.world.until(() => scene.app.connections.size === 0, 'its connection is closed')
    expect(scene.app.bytes()).toBe(0)
  })
})

test('a reader that stalls holds up its own workspace and no memory; what it reads on is whole', async () => {
  let written = 0
  const whole = 48 * 1024 * 1024
  await using app = await tcpApp((socket) => {
    const piece = Buffer.alloc(65_536, 'x')
    const go = () => {
      while (written < whole) {
        written += piece.length
        if (!socket.write(piece)) return void socket.once('drain', go)
      }
      socket.end()
    }
    go()
  })
  await using scene = await tunnelScene({ app })
  using tunnel = await scene.open(await scene.bearer('alice'))
  tunnel.ws.pause()
  let before = -1
  // It has come to a stop: what both systems' buffers hold, and the marks.
  await expect
    .poll(
      () => {
        const isStill = written === before
        before = written
        return isStill
      },
      { interval: 100 },
    )
    .toBe(true)
  expect(written).toBeLessThan(24 * 1024 * 1024)
  tunnel.ws.resume()
  await expect.poll(() => tunnel.hasEnded(), { timeout: 15_000 }).toBe(true)
  expect(tunnel.received().length).toBe(whole)
})

test('a workspace that reads nothing holds up its client, and gets all of it in the end', async () => {
  await using app = await tcpApp((socket) => socket.pause())
  await using scene = await tunnelScene({ app })
  using tunnel = await scene.open(await scene.bearer('alice'))
  const whole = 48 * 1024 * 1024
  for (let sent = 0; sent < whole; sent += longestMessage) tunnel.ws.send(Buffer.alloc(longestMessage))
  let before = -1
  await expect
    .poll(
      () => {
        const isStill = tunnel.ws.bufferedAmount === before
        before = tunnel.ws.bufferedAmount
        return isStill
      },
      { interval: 100 },
    )
    .toBe(true)
  // It is still here, and not in the gateway.
  expect(tunnel.ws.bufferedAmount).toBeGreaterThan(whole / 2)
  for (const socket of app.connections) socket.resume()
  await expect.poll(() => app.bytes(), { timeout: 15_000 }).toBe(whole)
})

test('whoever leaves takes the connection to the workspace along', async () => {
  await using scene = await tunnelScene()
  using tunnel = await scene.open(await scene.bearer('alice'))
  tunnel.ws.send(line)
  await scene.world.until(() => tunnel.received().equals(line), 'it is through')
  tunnel.ws.terminate()
  await scene.world.until(() => scene.app.connections.size === 0, 'its connection is closed')
  const [app] = [...scene.app.connections]
  if (app) await once(app, 'close')
})

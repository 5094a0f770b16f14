/** One side of a socket goes away, at any time: the other side is closed, and nothing is kept. */
import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText, useTenants, websocketFields } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const clock = fakeClock(Date.now())
  const tenants = useTenants({ mode, clock })

  /** Both ends of an upgrade, of which neither closes when the other one does; the upstream has answered what it was given to answer with. */
  async function opened(answer: string | undefined) {
    const { a, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const sockets: Duplex[] = []
    a.app.answerUpgrade = (_request, socket) => {
      socket.on('error', () => undefined)
      socket.resume()
      sockets.push(socket)
      if (answer !== undefined) socket.write(answer)
      return true
    }
    const client = await openRaw(world.port)
    client.socket.on('error', () => undefined)
    client.send(requestText({ target, host, cookie, fields: [...websocketFields, 'Origin', `http://${host}`] }))
    await world.until(() => sockets.length === 1, 'the handshake at the upstream')
    if (answer !== undefined) expect((await client.answer()).status).toBe(101)
    a.app.answerUpgrade = undefined
    const [upstream] = sockets
    if (!upstream) throw new Error('no upstream')
    const isOver = (socket: Duplex) => socket.destroyed || socket.readableEnded
    const live = () => world.open.streams.all().reduce((sum, group) => sum + group.size, 0)
    /** Seconds until both ends and what the gateway keeps of them are gone. */
    const over = async () => {
      let seconds = 0
      const isTrue = async () => {
        if (isOver(upstream) && isOver(client.socket) && live() === 0) return true
        seconds += 1
        await clock.advance(1_000)
        return false
      }
      await world.until(isTrue, 'the end of both')
      expect(seconds).toBeLessThanOrEqual(30)
    }
    return { client, upstream, over }
  }

  const agreed = [
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n',
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
  ].join('')

  test.each([
    ['resets', 'before the upstream has answered', undefined],
    ['leaves', 'before the upstream has answered', undefined],
    ['resets', 'amid the stream', agreed],
    ['leaves', 'amid the stream', agreed],
  ])('#62 a client that %s %s', async (how, _when, answer) => {
    const { client, over } = await opened(answer)
    if (how === 'resets') client.socket.resetAndDestroy()
    else client.socket.destroy()
    await over()
  })

  test('#62 an upstream that leaves or breaks amid the stream, or before it has answered', async () => {
    for (const answer of [agreed, undefined]) {
      const { upstream, over } = await opened(answer)
      upstream.destroy()
      await over()
    }
  })

  test('#62 one side that says no more, while the other one never closes', async () => {
    for (const who of ['client', 'upstream'] as const) {
      const { client, upstream, over } = await opened(agreed)
      if (who === 'client') client.socket.end()
      else upstream.end()
      await over()
    }
  })
})

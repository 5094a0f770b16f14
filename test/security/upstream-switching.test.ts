/** An upstream that says 101 to what was no upgrade, or proves the wrong thing: what follows is nobody's answer. */

import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText, useTenants, websocketFields } from '#test/support/tenants.ts'

const bait = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbait'
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#60 101 to a plain request is a 502, and the connection ends', async () => {
    const { a, ask, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const sockets: Duplex[] = []
    a.app.answer = (request) => {
      sockets.push(request.socket)
      request.socket.write(`${switching}Upgrade: websocket\r\n\r\n${bait}`)
      return true
    }
    const fields = ['Origin', `http://${host}`]
    for (const method of ['GET', 'POST', 'HEAD']) {
      const answer = await ask(requestText({ method, target, host, cookie, fields }))
      expect(answer.status, method).toBe(502)
      expect(answer.body).not.toContain('bait')
    }
    a.app.answer = undefined
    await world.until(() => sockets.every((socket) => socket.destroyed), 'their end')
    expect((await ask(requestText({ target, host, cookie }))).body).not.toContain('bait')
  })

  test.each([
    ['without a proof', 'Upgrade: websocket\r\n'],
    ['with the proof of another key', 'Upgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n'],
    [
      'with two proofs',
      'Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Accept: x\r\n',
    ],
    ['to another protocol', 'Upgrade: h2c\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'],
    ['to no protocol', 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'],
  ])('#60 101 to an upgrade, %s, is a 502, and the connection ends', async (_what, lines) => {
    const { a, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const sockets: Duplex[] = []
    a.app.answerUpgrade = (_request, socket) => {
      sockets.push(socket.resume())
      socket.write(`${switching}${lines}\r\n${bait}`)
      return true
    }
    using connection = await openRaw(world.port)
    connection.send(requestText({ target, host, cookie, fields: [...websocketFields, 'Origin', `http://${host}`] }))
    const answer = await connection.answer()
    a.app.answerUpgrade = undefined
    expect(answer.status).toBe(502)
    expect(answer.body + (await connection.rest())).not.toContain('bait')
    await world.until(() => sockets.length === 1 && sockets.every((socket) => socket.readableEnded), 'its end')
  })
})

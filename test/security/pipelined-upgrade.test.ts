/** Bytes behind a handshake, sent before it is answered: an upstream that refuses would read them as the next request, past every check. */

import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText, settled, useTenants, websocketFields } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test.each([
    ['404', 'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone', 'none'],
    [
      '200 that it would keep open',
      'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nopen\r\n0\r\n\r\n',
      'open',
    ],
    ['400 without a length', 'HTTP/1.1 400 Bad Request\r\n\r\nto the end', 'to the end'],
  ])(
    '#59 where the upstream answers %s they never reach it, and its connection is not used again',
    async (what, bytes, body) => {
      const { a, ask, world } = tenants()
      const { cookie, authority: host, prefix: target } = a
      const sockets: Duplex[] = []
      let behind = ''
      a.app.answerUpgrade = (_request, socket, head) => {
        sockets.push(socket)
        behind += head.toString('latin1')
        socket.on('data', (chunk: Buffer) => {
          behind += chunk.toString('latin1')
        })
        if (what.endsWith('length')) socket.end(bytes)
        else socket.write(bytes)
        return true
      }
      const smuggled = requestText({
        method: 'POST',
        target: `${target}smuggled`,
        host,
        cookie,
        fields: ['Origin', `http://${host}`],
      })
      const fields = [...websocketFields, 'Origin', `http://${host}`]
      const seen = a.app.requests.length
      using connection = await openRaw(world.port)
      connection.send(requestText({ target, host, cookie, fields, body: smuggled }))
      await world.until(() => sockets.length === 1, 'the handshake at the upstream')
      connection.send(smuggled)
      expect(await connection.answer()).toMatchObject({ status: Number.parseInt(what, 10), body })
      expect(await connection.rest()).toBe('')
      a.app.answerUpgrade = undefined
      await world.until(() => sockets.every((socket) => socket.destroyed || socket.readableEnded), 'its end')
      // The next request comes on another connection.
      expect((await ask(requestText({ target: `${target}next`, host, cookie }))).status).toBe(200)
      expect(behind).toBe('')
      expect(a.app.requests.slice(seen).map(({ url }) => url)).toEqual([target, `${target}next`])
    },
  )

  test('#59 where it agrees they are the first bytes of the stream', async () => {
    const { a, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const fields = [...websocketFields, 'Origin', `http://${host}`]
    const seen = a.app.requests.length
    // A masked text frame: `GET`, with the mask of all zeros.
    const frame = '\x81\x83\0\0\0\0GET'
    using connection = await openRaw(world.port)
    connection.send(requestText({ target, host, cookie, fields, body: frame }))
    expect((await connection.answer()).status).toBe(101)
    expect(await connection.bytes(5)).toBe('\x81\x03GET')
    await settled()
    expect(a.app.requests.slice(seen)).toHaveLength(1)
  })
})

import { describe, expect, test } from 'vitest'
import { rawAnswer, rawHead } from '#proxy/raw-answer.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { rawClient, rawUpstream } from './proxy-world.ts'

describe('an answer on a bare socket', () => {
  test('is whole, says its length, and closes', async () => {
    await using server = await rawUpstream((socket) => {
      rawAnswer(
        socket,
        { status: 403, headers: ['Content-Type', 'text/plain; charset=utf-8'], body: 'nö' },
        fakeClock(),
      )
    })
    using client = rawClient(server.port, 'anything')
    expect(await client.closed).toBe('end')
    expect(Buffer.from(client.text(), 'latin1').toString()).toBe(
      'HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\nConnection: close\r\n\r\nnö',
    )
    await expect.poll(() => server.sockets.size).toBe(0)
  })

  test('reaches a client that is still sending; after a second the connection is closed', async () => {
    const clock = fakeClock()
    await using server = await rawUpstream((socket) => {
      socket.allowHalfOpen = true
      rawAnswer(socket, { status: 400, headers: [], body: 'no' }, clock)
    })
    using client = rawClient(server.port, Buffer.alloc(1 << 20), { allowHalfOpen: true })
    expect(await client.closed).toBe('end')
    expect(client.text()).toMatch(/no$/)
    client.socket.write('more')
    await clock.advance(900)
    expect(server.sockets.size).toBe(1)
    await clock.advance(200)
    await expect.poll(() => server.sockets.size).toBe(0)
  })

  test('never carries a second line in a field, and its status line comes from a table', () => {
    expect(rawHead(404, [])).toBe('HTTP/1.1 404 Not Found\r\n\r\n')
    expect(rawHead(799, [])).toBe('HTTP/1.1 799 \r\n\r\n')
    const internal = expect.objectContaining({ code: 'internal' })
    for (const [name, value] of [
      ['A', 'b\r\nC: d'],
      ['A', 'b\u0000'],
      ['A', '\u010a'],
      ['A B', 'c'],
      ['', 'c'],
      ['A:', 'c'],
    ]) {
      expect(() => rawHead(200, [name ?? '', value ?? ''])).toThrow(internal)
    }
  })
})

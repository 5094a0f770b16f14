/** What Node calls an upgrade and is no WebSocket: two servers that disagree on whether the protocol has changed are how requests are smuggled. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText, useTenants, websocketFields } from '#test/support/tenants.ts'

const key = ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==']
const version = ['Sec-WebSocket-Version', '13']
const toWebSocket = ['Connection', 'Upgrade', 'Upgrade', 'websocket']

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  const wrong = [
    ['by POST', { method: 'POST', fields: websocketFields }, 400, 'method'],
    ['by OPTIONS', { method: 'OPTIONS', fields: websocketFields }, 400, 'method'],
    ['by HEAD', { method: 'HEAD', fields: websocketFields }, 400, 'method'],
    ['in HTTP/1.0', { version: 'HTTP/1.0', fields: websocketFields }, 400, 'http_version'],
    [
      'to h2c',
      {
        fields: [
          'Connection',
          'Upgrade, HTTP2-Settings',
          'Upgrade',
          'h2c',
          'HTTP2-Settings',
          'AAMAAABkAARAAAAAAAIAAAAA',
        ],
      },
      426,
      'protocol',
    ],
    ['to h2c with a key', { fields: ['Connection', 'Upgrade', 'Upgrade', 'h2c', ...key, ...version] }, 426, 'protocol'],
    [
      'to a list',
      { fields: ['Connection', 'Upgrade', 'Upgrade', 'websocket, h2c', ...key, ...version] },
      426,
      'protocol',
    ],
    ['to two', { fields: [...toWebSocket, 'Upgrade', 'h2c', ...key, ...version] }, 426, 'protocol'],
    [
      'to another one',
      { fields: ['Connection', 'Upgrade', 'Upgrade', 'TLS/1.0', ...key, ...version] },
      426,
      'protocol',
    ],
    [
      'to a look-alike',
      { fields: ['Connection', 'Upgrade', 'Upgrade', 'websocket/13', ...key, ...version] },
      426,
      'protocol',
    ],
    ['without a key', { fields: [...toWebSocket, ...version] }, 400, 'key'],
    ['with a short key', { fields: [...toWebSocket, ...version, 'Sec-WebSocket-Key', 'c2hvcnQ='] }, 400, 'key'],
    [
      'with a long key',
      { fields: [...toWebSocket, ...version, 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZSBsb25n'] },
      400,
      'key',
    ],
    [
      'with an odd key',
      { fields: [...toWebSocket, ...version, 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZR=='] },
      400,
      'key',
    ],
    ['of version 12', { fields: [...toWebSocket, ...key, 'Sec-WebSocket-Version', '12'] }, 426, 'version'],
    ['of no version', { fields: [...toWebSocket, ...key] }, 426, 'version'],
    ['of two versions', { fields: [...toWebSocket, ...key, 'Sec-WebSocket-Version', '13, 12'] }, 426, 'version'],
    ['with a length', { fields: [...websocketFields, 'Content-Length', '4'], body: 'body' }, 400, 'body'],
    [
      'with chunks',
      { fields: [...websocketFields, 'Transfer-Encoding', 'chunked'], body: '4\r\nbody\r\n0\r\n\r\n' },
      400,
      'body',
    ],
  ] as const

  test.each(wrong)(
    '#58 an upgrade %s is refused, and nothing of it is forwarded',
    async (_what, request, status, fault) => {
      const { a, attack, world } = tenants()
      const { cookie, authority: host, prefix: target } = a
      const origin = ['Origin', `http://${host}`]
      const smuggled = requestText({ target: `${target}smuggled`, host, cookie })
      const outcome = await attack(async () => {
        using connection = await openRaw(world.port)
        const { body = '' } = { body: '', ...request }
        connection.send(
          requestText({
            ...request,
            target,
            host,
            cookie,
            fields: [...request.fields, ...origin],
            body: body + smuggled,
          }),
        )
        const answer = await connection.answer()
        const upgrade = status === 426 ? ['websocket'] : []
        expect(headersOf(answer, 'upgrade')).toEqual(upgrade)
        expect(headersOf(answer, 'connection')).toEqual(['close'])
        expect(await connection.rest()).toBe('')
        return answer
      })
      expect(outcome).toEqual({ status, reasons: [`upgrade_${fault}`], upstreamBytes: 0 })
    },
  )

  test('#58 an Upgrade that no Connection names is a plain request, and the field goes no further', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    for (const protocol of ['h2c', 'websocket', 'TLS/1.0']) {
      const fields = [
        'Upgrade',
        protocol,
        'Connection',
        'HTTP2-Settings',
        'HTTP2-Settings',
        'AAMAAABk',
        ...key,
        ...version,
      ]
      expect((await ask(requestText({ target, host, cookie, fields }))).status).toBe(200)
      const seen = a.app.requests.at(-1)
      for (const name of ['upgrade', 'http2-settings', 'connection']) {
        expect(seen && headersOf(seen, name), `${protocol} ${name}`).toEqual([])
      }
    }
  })
})

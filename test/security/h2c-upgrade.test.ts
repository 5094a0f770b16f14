/** `Upgrade: h2c` through a proxy once was a tunnel past its rules to whatever spoke HTTP/2 behind it: it is not forwarded, and nothing behind it is. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText, useTenants } from '#test/support/tenants.ts'

const settings = ['HTTP2-Settings', 'AAMAAABkAARAAAAAAAIAAAAA']
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'

const forms: ReadonlyArray<readonly [what: string, method: string, fields: readonly string[], body: string]> = [
  ['as RFC 7540 had it', 'GET', ['Connection', 'Upgrade, HTTP2-Settings', 'Upgrade', 'h2c', ...settings], ''],
  ['without naming its settings', 'GET', ['Connection', 'Upgrade', 'Upgrade', 'h2c', ...settings], ''],
  ['without settings', 'GET', ['Connection', 'upgrade', 'Upgrade', 'h2c'], ''],
  ['in capitals', 'GET', ['CONNECTION', 'UPGRADE, HTTP2-SETTINGS', 'UPGRADE', 'H2C', ...settings], ''],
  ['to h2', 'GET', ['Connection', 'Upgrade, HTTP2-Settings', 'Upgrade', 'h2', ...settings], ''],
  ['beside websocket', 'GET', ['Connection', 'Upgrade, HTTP2-Settings', 'Upgrade', 'websocket, h2c', ...settings], ''],
  ['behind websocket', 'GET', ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Upgrade', 'h2c', ...settings], ''],
  [
    'by POST with a body',
    'POST',
    ['Connection', 'Upgrade, HTTP2-Settings', 'Upgrade', 'h2c', ...settings, 'Content-Length', '5'],
    'hello',
  ],
  ['by OPTIONS', 'OPTIONS', ['Connection', 'Upgrade, HTTP2-Settings', 'Upgrade', 'h2c', ...settings], ''],
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test.each(forms)(
    '#77 %s: refused at workspaces and at our own pages, and what comes behind is nothing',
    async (_what, method, fields, body) => {
      const { a, world, attack } = tenants()
      const { cookie, authority, prefix } = a
      for (const [host, target] of [
        [authority, prefix],
        [`localhost:${world.port}`, '/'],
        [`localhost:${world.port}`, '/.gatehouse/api/v1/workspaces'],
      ] as const) {
        const outcome = await attack(async () => {
          using connection = await openRaw(world.port)
          const origin = ['Origin', `http://${host}`]
          const smuggled = requestText({ target: `${prefix}smuggled`, host: authority, cookie })
          connection.send(
            requestText({ method, target, host, cookie, fields: [...origin, ...fields], body }) + preface + smuggled,
          )
          const answer = await connection.answer()
          expect(headersOf(answer, 'connection')).toEqual(['close'])
          expect(await connection.rest()).toBe('')
          return answer
        })
        expect([400, 404, 426]).toContain(outcome.status)
        expect(outcome.upstreamBytes).toBe(0)
      }
    },
  )

  test('#77 where no Connection names it, it is a field of one hop, which goes no further', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    for (const fields of [
      ['Upgrade', 'h2c', ...settings],
      ['Upgrade', 'h2c', 'Connection', 'HTTP2-Settings', ...settings],
      ['Connection', 'close, HTTP2-Settings', ...settings],
    ]) {
      expect((await ask(requestText({ target, host, cookie, fields }))).status).toBe(200)
      const seen = a.app.requests.at(-1)
      for (const name of ['upgrade', 'http2-settings']) expect(seen && headersOf(seen, name), name).toEqual([])
    }
  })
})

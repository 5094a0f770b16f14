/** Characters in a field that end its line for one reader and not for another. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { blocked, requestText, useTenants, websocketFields } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#29 bare CR, LF and NUL in a value, folded lines and lines without a name are refused', async () => {
    const { a, attack } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const injected = 'X-Injected: 1'
    const lines = [
      ...[
        `X-A: b\r${injected}`,
        `X-A: b\n${injected}`,
        `X-A: b\0c`,
        `X-A: b\r\n ${injected}`,
        `X-A: b\r\n\t${injected}`,
      ],
      ...[
        `X-A: b\r\r\n${injected}`,
        `X-A: \x01`,
        `X-A: \x7f`,
        `X-A\0: b`,
        `X-A\r: b`,
        ': b',
        'X-A',
        `X-A b`,
        ' X-A: b',
      ],
      ...[`Cookie: ${cookie}\r${injected}`, `Host: ${host}\r${injected}`],
    ]
    const start = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\n`
    const upgrade = requestText({ target, host, cookie, fields: websocketFields }).slice(0, -2)
    for (const line of lines) {
      for (const head of [start, upgrade]) {
        const outcome = await attack(`${head}${line}\r\n\r\n`)
        expect(outcome, JSON.stringify(line)).toMatchObject({ status: 400, upstreamBytes: 0 })
        expect(outcome.reasons, JSON.stringify(line)).toEqual([
          expect.stringMatching(/^(?:bad_request|duplicate_field)$/),
        ])
      }
    }
  })

  test('#29 so are they in the request line', async () => {
    const { a, attack } = tenants()
    const { cookie, authority: host, prefix } = a
    const rest = `Host: ${host}\r\nCookie: ${cookie}\r\n\r\n`
    for (const target of [
      `${prefix}\rx`,
      `${prefix}\nx`,
      `${prefix}\0x`,
      `${prefix}\tx`,
      `${prefix} x`,
      `${prefix}\x7f`,
      `${prefix}\xe9`,
    ]) {
      const { status, upstreamBytes, reasons } = await attack(`GET ${target} HTTP/1.1\r\n${rest}`)
      expect({ status, upstreamBytes }, JSON.stringify(target)).toEqual({ status: 400, upstreamBytes: 0 })
      expect(reasons).toHaveLength(1)
    }
    // Without a version it would be HTTP/0.9, which knows no fields.
    expect(await attack(`GET ${prefix}\r\n${rest}`)).toEqual(blocked(505, 'http_version'))
  })

  test('#29 bytes above ASCII in a value arrive as the bytes they were', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const value = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join('')
    const fields = ['X-Bytes', value, 'Cookie', `name=${value}`]
    expect((await ask(requestText({ target, host, cookie, fields }))).status).toBe(200)
    const seen = a.app.requests.at(-1)
    expect(seen && headersOf(seen, 'x-bytes')).toEqual([value])
    expect(seen && headersOf(seen, 'cookie')).toEqual([`name=${value}`])
  })
})

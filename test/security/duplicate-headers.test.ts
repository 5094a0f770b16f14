/** A field that may stand once stands twice: the gateway would read the one, and the app the other. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#27 two of a field on which a decision rests are refused, equal or not', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const pairs = [
      ['Authorization', 'Basic YTpi', 'Bearer x'],
      ['Authorization', 'Basic YTpi', 'Basic YTpi'],
      ['Host', host, 'evil'],
      ['Sec-Fetch-Site', 'same-origin', 'cross-site'],
      ['Sec-Fetch-Mode', 'navigate', 'cors'],
      ['Sec-Fetch-Dest', 'document', 'empty'],
      ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ] as const
    for (const [name, first, second] of pairs) {
      const fields = [name, first, name.toLowerCase(), second]
      expect(await attackTwice({ target, host, cookie, fields }), name).toEqual(blocked(400, 'duplicate_field'))
    }
  })

  test('#27 so are two origins', async () => {
    const { a, attack } = tenants()
    const { cookie, authority: host, prefix: target } = a
    for (const second of [`http://${host}`, 'http://evil.test', 'null', '']) {
      for (const method of ['GET', 'POST']) {
        const fields = ['Origin', `http://${host}`, 'origin', second]
        const outcome = await attack(requestText({ method, target, host, cookie, fields }))
        expect(outcome, second).toEqual(blocked(400, 'duplicate_field'))
      }
    }
  })

  test('#27 several Cookie fields are one: each session is found, none of ours goes on, the others stay', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const fields = ['Cookie', 'first=1', 'cookie', cookie, 'Cookie', 'last=2; x="y;z"']
    expect((await ask(requestText({ target, host, fields }))).status).toBe(200)
    const seen = a.app.requests.at(-1)
    expect(seen && headersOf(seen, 'cookie')).toEqual(['first=1; last=2; x="y;z"'])
  })
})

/** Long targets and long lines: refused by their length, and not written down at it. */
import { describe, expect, test } from 'vitest'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#19 a target or a segment that is too long is refused', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, prefix, authority: host } = a
    const refused = blocked(414, 'target_too_long')
    for (const tail of [
      'x'.repeat(8192),
      'x/'.repeat(4200),
      `?${'x'.repeat(8192)}`,
      '%41'.repeat(3000),
      'x'.repeat(65_536),
    ]) {
      expect(await attackTwice({ target: prefix + tail, host, cookie }), `${tail.length} of ${tail[0]}`).toEqual(
        refused,
      )
    }
  })

  test('#19 the longest one that is served arrives whole', async () => {
    const { a, ask } = tenants()
    const { cookie, prefix, authority: host } = a
    const target = prefix.padEnd(8192, 'x')
    expect((await ask(requestText({ target, host, cookie }))).status).toBe(200)
    expect(a.app.requests.at(-1)?.url).toBe(target)
  })

  test('#19 no line of the log or of the audit trail grows with what was sent', async () => {
    const { a, attack, world } = tenants()
    const { authority: host } = a
    const before = world.lines.length
    const long = 'x'.repeat(7000)
    const requests = [
      requestText({ target: `/${long}`, host, cookie: long }),
      requestText({ target: `/workspaces/${long}/${long.slice(0, 900)}/`, host }),
      requestText({ target: '/', host: `${long}.localhost` }),
      requestText({ target: '/', host, fields: ['User-Agent', long, 'Origin', long.slice(0, 4000)] }),
      requestText({ target: `/${long}`, host, fields: ['Authorization', `Bearer gatehouse_${long}`] }),
    ]
    for (const request of requests) expect((await attack(request)).reasons).toHaveLength(1)
    const lines = world.lines.slice(before)
    expect(lines.length).toBeGreaterThanOrEqual(requests.length)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(1000)
  })
})

/** Dot segments in every spelling: two readers of one path must not see two workspaces (CVE-2025-32431, CVE-2025-47952, CVE-2026-33494). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blocked, requestText, settled, useTenants } from '#test/support/tenants.ts'

const dots = ['..', '%2e%2e', '%2E%2E', '.%2e', '%2e.', '.%2E', '%2E.']

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#2 dot segments that lead above the workspace are refused, for requests and for upgrades', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, authority: host, prefix } = a
    const refused = blocked(400, 'target_not_canonical')
    const up = mode === 'host' ? '' : '../'.repeat(3)
    const targets = dots.flatMap((dot) => [
      `${prefix}${dot}/b/lab`,
      `${prefix}${dot}/${up}workspaces/team/b/`,
      `${prefix}${dot}`,
      `${prefix}lab/${dot}/${dot}/b/lab`,
      `${prefix}lab//${dot}/${dot}/b/lab`,
      `${prefix}./${dot}/b/lab`,
      `${prefix}%2e/${dot}/b/lab?x`,
    ])
    for (const target of targets) {
      expect(await attackTwice({ target, host, cookie }), target).toEqual(refused)
    }
  })

  test('#2 nor is one taken for a name', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, authority: host } = a
    const spellings = [...dots, '.', '%2e', '%2E']
    const targets = spellings.flatMap((dot) => [
      `/${dot}/workspaces/team/b/`,
      `/workspaces/${dot}/b/`,
      `/workspaces/team/${dot}/b/`,
      `/workspaces/team/${dot}`,
      `/workspaces/${dot}/workspaces/team/b/`,
      `/${dot}`,
    ])
    for (const target of mode === 'path' ? targets : dots.map((dot) => `/${dot}/x`)) {
      expect(await attackTwice({ target, host, cookie }), target).toEqual(blocked(400, 'target_not_canonical'))
    }
  })

  test('#5 encoded slashes are of the segment they stand in: authorised as its own workspace, which gets the raw tail', async () => {
    const { a, b, ask } = tenants()
    const before = b.app.bytes()
    for (const tail of [
      '..%2f..%2f..%2fb/api',
      '..%2F..%2Fb',
      '%2e%2e%2f%2e%2e%2fb/',
      'x/..%5c..%5cb',
      '...',
      '..;/b',
    ]) {
      const target = a.prefix + tail
      expect((await ask(requestText({ target, host: a.authority, cookie: a.cookie }))).status, target).toBe(200)
      expect(a.app.requests.at(-1), target).toMatchObject({ app: 'team/a', url: target })
    }
    expect(b.app.bytes()).toBe(before)
  })

  test('#5 dot segments that stay within the workspace are not resolved either', async () => {
    const { a, ask } = tenants()
    const target = `${a.prefix}lab/../tree/./%2e%2e/x`
    await ask(requestText({ target, host: a.authority, cookie: a.cookie }))
    expect(a.app.requests.at(-1)?.url).toBe(target)
  })

  test('#2 #3 #5 [JK1.4] no mixture of encoded dots, slashes and names escapes the prefix', async () => {
    const { a, b, ask } = tenants()
    const { cookie, authority: host, prefix } = a
    const before = b.app.bytes()
    const pieces = [
      '/',
      '//',
      '%2f',
      '%2F',
      '..',
      '.',
      '%2e%2e',
      '%2E',
      '.%2e',
      '%5c',
      ';',
      'b',
      'team',
      'workspaces',
      'lab',
    ]
    const tails = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(''))
    const statuses = new Set<number>()
    await fc.assert(
      fc.asyncProperty(tails, fc.boolean(), async (tail, isCut) => {
        // With its last slash cut off, the tail is glued to the name itself.
        const target = (isCut && prefix !== '/' ? prefix.slice(0, -1) : prefix) + tail
        const seen = a.app.requests.length
        const { status } = await ask(requestText({ target, host, cookie }))
        statuses.add(status)
        await settled()
        const arrived = a.app.requests.slice(seen)
        expect(arrived.length).toBe(status === 200 ? 1 : 0)
        for (const { url } of arrived) {
          expect(url).toBe(target)
          expect(url.startsWith(prefix)).toBe(true)
          expect(new URL(url, 'http://reader.test').pathname.startsWith(prefix)).toBe(true)
        }
        expect(b.app.bytes()).toBe(before)
      }),
      { numRuns: 150 },
    )
    expect(statuses).toContain(200)
    expect(statuses).toContain(400)
  })
})

/**
 * Session cookies in pieces. Ours is one short cookie, so a piece is a cookie of another name: nothing is ever put together, counted or cleared, and
 * none of it reaches a workspace.
 */
import { describe, expect, test } from 'vitest'
import { cookieValues } from '#http/cookies.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  function scene() {
    const { world, a, attack } = tenants()
    const scope = { kind: 'workspace', authority: a.authority, path: a.prefix } as const
    const name = world.open.identities.authenticator.cookieName(scope)
    const [value = ''] = cookieValues(a.cookie, name)
    const ask = (cookie: string) => attack(requestText({ target: `${a.prefix}x`, host: a.authority, cookie }))
    return { name, value, ask, app: a.app }
  }

  test('#36 a cookie cut into pieces is nobody’s, whole or with one missing, stale, of another session, or counted to a billion', async () => {
    const { name, value, ask } = scene()
    const [head, tail] = [value.slice(0, 40), value.slice(40)]
    for (const [first, second] of [
      ['0', '1'],
      ['1', '2'],
    ] as const) {
      for (const mark of ['-', '_', '.', '.C', '-chunk-']) {
        const pieces = [`${name}${mark}${first}=${head}`, `${name}${mark}${second}=${tail}`]
        const sets = [
          pieces,
          pieces.toReversed(),
          pieces.slice(1),
          [...pieces, `${name}${mark}7=${tail}`],
          [`${name}=chunks:2`, ...pieces],
          [`${name}=count=1000000000`, `${name}${mark}count=1000000000`, ...pieces],
          [`${name}=${head}`, pieces[1] ?? ''],
          [`${name}=${head}`, `${name}=${tail}`],
        ]
        for (const set of sets) {
          const outcome = await ask(set.join('; '))
          expect(outcome, set.join('; ')).toMatchObject({ status: 401, upstreamBytes: 0 })
        }
      }
    }
  })

  test('#36 pieces beside the whole one change nothing, and do not reach the workspace', async () => {
    const { name, value, ask, app } = scene()
    const others = [`${name}-0=${value}`, `${name}.1=stale`, `${name}_count=1000000000`]
    const cookie = ['theme=dark', ...others, `${name}=${value}`, 'lang=en'].join('; ')
    expect((await ask(cookie)).status).toBe(200)
    const seen = app.requests.at(-1) ?? { rawHeaders: [] }
    expect(headersOf(seen, 'X-Forwarded-User')).toEqual(['alice'])
    const [passed = ''] = headersOf(seen, 'Cookie')
    expect(passed).not.toContain(value.slice(9, 30))
    expect(passed).toMatch(/^theme=dark; .*lang=en$/)
  })

  test('#36 a field full of them is refused by its length, or costs one look', async () => {
    const { name, ask } = scene()
    const many = (count: number) => Array.from({ length: count }, (_, index) => `${name}-${index}=x`).join('; ')
    expect((await ask(many(400))).status).toBe(401)
    expect((await ask(many(4_000))).status).toBe(431)
  })
})

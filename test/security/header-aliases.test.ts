/** Who somebody is, told in a spelling that only the app reads as ours (CVE-2025-64484, CVE-2026-39858, CVE-2026-30851). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Echo, headersOf } from '#test/support/echo-app.ts'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

const names = ['X-Forwarded-User', 'X-Gatehouse-Assertion', 'Remote-User', 'X-Auth-Request-User', 'X-Forwarded-For']

/** As CGI, WSGI and the most forgiving of frameworks would call it. */
const bare = (name: string) =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replace(/^(?:http)+/, '')

function readingsOf(echo: Echo | undefined, name: string): readonly string[] {
  const fields = echo?.rawHeaders ?? []
  return fields.filter((_, index) => index % 2 === 1 && bare(fields[index - 1] ?? '') === bare(name))
}

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#24 [JK16.3] who it is, is said by the gateway alone: of every other spelling and copy nothing arrives', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const aliases = names.flatMap((name) => [
      ...[name, name.toUpperCase(), name.toLowerCase(), name.replaceAll('-', '_'), name.replaceAll('-', '.')],
      ...[
        name.replaceAll('-', ''),
        name.replace('-', '_'),
        name.replace('-', '--'),
        `${name}-`,
        `_${name}`,
        `${name}~`,
      ],
      ...[`HTTP_${name.replaceAll('-', '_').toUpperCase()}`, `HTTP-${name}`, name.replaceAll('-', '!')],
    ])
    const spoofed = aliases.flatMap((name) => [name, 'bob', name, ''])
    for (let start = 0; start < spoofed.length; start += 160) {
      const fields = spoofed.slice(start, start + 160)
      expect((await ask(requestText({ target, host, cookie, fields }))).status).toBe(200)
      const seen = a.app.requests.at(-1)
      expect(readingsOf(seen, 'X-Forwarded-User')).toEqual(['alice'])
      expect(readingsOf(seen, 'X-Gatehouse-Assertion')).toEqual([expect.stringMatching(/^eyJ/)])
      expect(readingsOf(seen, 'X-Forwarded-For')).toEqual(['127.0.0.1'])
      expect(readingsOf(seen, 'Remote-User')).toEqual([])
      expect(readingsOf(seen, 'X-Auth-Request-User')).toEqual([])
      expect(seen?.rawHeaders.includes('bob')).toBe(false)
    }
  })

  test('#24 nor of any other mixture of case and separators that HTTP allows in a name', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const separators = fc.constantFrom(..."!#$%&'*+-.^_`|~", '', '--', '_-')
    const alias = fc
      .tuple(
        fc.constantFrom(...names),
        fc.array(separators, { minLength: 6, maxLength: 6 }),
        fc.array(fc.boolean(), { minLength: 8 }),
      )
      .map(([name, between, upper]) =>
        [...name.replace(/-/g, () => between.pop() ?? '')]
          .map((letter, index) => (upper[index % upper.length] ? letter.toUpperCase() : letter.toLowerCase()))
          .join(''),
      )
    await fc.assert(
      fc.asyncProperty(fc.array(alias, { minLength: 10, maxLength: 10 }), async (aliases) => {
        const fields = aliases.flatMap((name) => [name, 'bob'])
        expect((await ask(requestText({ target, host, cookie, fields }))).status).toBe(200)
        expect(a.app.requests.at(-1)?.rawHeaders.includes('bob')).toBe(false)
      }),
      { numRuns: 40 },
    )
  })

  test('#24 a name with a space behind it is no name', async () => {
    const { a, attackTwice } = tenants()
    const { cookie, authority: host, prefix: target } = a
    for (const name of [
      'X-Forwarded-User ',
      'X-Forwarded-User\t',
      ' X-Forwarded-User',
      'X Forwarded User',
      'X-Forwarded-User\u00a0',
    ]) {
      const outcome = await attackTwice({ target, host, cookie, fields: [name, 'bob'] })
      expect(outcome, name).toEqual(blocked(400, 'bad_request'))
    }
  })

  test('#25 an assertion that a client brings is replaced, also a valid one of somebody else', async () => {
    const { a, b, ask } = tenants()
    await ask(requestText({ target: b.prefix, host: b.authority, cookie: b.cookie }))
    const [ofBob = ''] = readingsOf(b.app.requests.at(-1), 'X-Gatehouse-Assertion')
    expect(claimsOf(ofBob)).toMatchObject({ sub: 'bob', aud: 'team/b' })
    for (const name of [
      'X-Gatehouse-Assertion',
      'x-gatehouse-assertion',
      'X_Gatehouse_Assertion',
      'Gatehouse-Assertion',
    ]) {
      const fields = [name, ofBob]
      await ask(requestText({ target: a.prefix, host: a.authority, cookie: a.cookie, fields }))
      const seen = a.app.requests.at(-1)
      expect(seen?.rawHeaders).not.toContain(ofBob)
      const [ofAlice = '', ...more] = seen ? headersOf(seen, 'x-gatehouse-assertion') : []
      expect(more).toEqual([])
      expect(claimsOf(ofAlice)).toMatchObject({ sub: 'alice', aud: 'team/a' })
    }
  })
})

function claimsOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

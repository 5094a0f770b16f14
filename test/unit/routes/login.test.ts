import { describe, expect, test } from 'vitest'
import { loginPath, paths } from '#surface/urls.ts'
import { alice, type Backend, fakeSurface, navigation, ownFetch } from './fake-surface.ts'

type Start = Awaited<ReturnType<Backend['startLogin']>>
type Completion = Awaited<ReturnType<Backend['finishLogin']>>

const away: Start = { kind: 'unavailable', issuer: 'corp' }

async function login(query: string, start?: Start) {
  const asked: unknown[] = []
  await using fake = await fakeSurface({
    async startLogin(request) {
      asked.push(request)
      return start ?? { kind: 'redirect', location: 'https://idp.example/auth', setCookies: ['a=1', 'b=2'] }
    },
  })
  const answer = await fake.app.inject({ url: `${paths.login}${query}`, headers: { cookie: 'other=1', ...navigation } })
  return { answer, asked }
}

async function callback(completion: Completion) {
  await using fake = await fakeSurface({ finishLogin: async () => completion })
  return fake.app.inject({
    url: `${paths.callback}?code=x&state=y`,
    headers: { ...navigation, 'sec-fetch-site': 'cross-site' },
  })
}

describe('a login', () => {
  test('goes to the issuer with its cookies, and knows the deep link', async () => {
    const { answer, asked } = await login('?to=%2F.gatehouse%2Fopen%2Falice%2Fnotebook%3Fto%3D%252Flab')
    expect(answer.statusCode).toBe(302)
    expect(answer.headers.location).toBe('https://idp.example/auth')
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(asked).toEqual([
      { issuer: undefined, returnTo: '/.gatehouse/open/alice/notebook?to=%2Flab', cookieHeader: 'other=1' },
    ])
  })

  test.each(['https://evil.test/', '//evil.test', '/\\evil.test', 'javascript:alert(1)', '/\t/evil.test'])(
    'to %j ends at the console',
    async (to) => {
      const { asked } = await login(`?to=${encodeURIComponent(to)}`)
      expect(asked).toMatchObject([{ returnTo: '/' }])
    },
  )

  test('asks where, when there are several issuers', async () => {
    const issuers = [
      { id: 'corp', displayName: 'Corporate' },
      { id: 'gh', displayName: '' },
    ]
    const { answer } = await login('?to=%2Fx', { kind: 'choose', issuers })
    expect(answer.statusCode).toBe(200)
    expect(answer.body).toContain('<a class="button" href="/.gatehouse/login?issuer=corp&amp;to=%2Fx">Corporate</a>')
    expect(answer.body).toContain('href="/.gatehouse/login?issuer=gh&amp;to=%2Fx">gh</a>')
  })

  test('is a 503 that tries again by itself while the issuer does not answer', async () => {
    const { answer } = await login('?to=%2Fx', away)
    expect(answer.statusCode).toBe(503)
    expect(answer.headers['retry-after']).toBe('5')
    expect(answer.body).toContain(
      '<meta http-equiv="refresh" content="5;url=/.gatehouse/login?issuer=corp&amp;to=%2Fx">',
    )
  })

  test.each([paths.login, paths.callback])('is never begun or ended by anything but a navigation: %s', async (url) => {
    const begun: string[] = []
    await using fake = await fakeSurface({
      async startLogin() {
        begun.push('start')
        return away
      },
      async finishLogin() {
        begun.push('finish')
        return { kind: 'done', location: '/', setCookies: [] }
      },
    })
    for (const headers of [
      ownFetch,
      { accept: '*/*' },
      { ...navigation, 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors' },
    ]) {
      expect((await fake.app.inject({ url, headers })).statusCode).toBe(401)
    }
    expect((await fake.app.inject({ method: 'HEAD', url, headers: navigation })).statusCode).toBe(405)
    expect(begun).toEqual([])
  })
})

describe('the way back', () => {
  test('ends at the deep link, with the session', async () => {
    const answer = await callback({ kind: 'done', location: '/x?a=1', setCookies: ['session=1', 'state=; Max-Age=0'] })
    expect([answer.statusCode, answer.headers.location]).toEqual([303, '/x?a=1'])
    expect(answer.headers['set-cookie']).toEqual(['session=1', 'state=; Max-Age=0'])
  })

  test('hands over who comes, and with which session', async () => {
    let seen: unknown
    await using fake = await fakeSurface({
      async finishLogin(query, browser) {
        seen = { code: query.get('code'), ...browser, previous: browser.previous?.session.identity.username }
        return { kind: 'done', location: '/', setCookies: [] }
      },
    })
    await fake.app.inject({
      url: `${paths.callback}?code=x`,
      headers: { ...alice, ...navigation, 'user-agent': 'Browser/1' },
    })
    expect(seen).toEqual({
      code: 'x',
      cookieHeader: 'session=alice',
      userAgent: 'Browser/1',
      requestId: 'none',
      address: '',
      previous: 'alice',
    })
  })

  const returnTo = '/x' as Extract<Completion, { kind: 'refused' }>['returnTo'] // a path of our own

  test.each([
    'cookies_refused',
    'state_missing',
    'state_foreign',
    'state_replayed',
    'locked',
    'username_taken',
  ] as const)('that is refused (%s) has a page of its own, and a way to begin again', async (reason) => {
    const answer = await callback({ kind: 'refused', reason, returnTo, setCookies: ['state=; Max-Age=0'] })
    expect([400, 403]).toContain(answer.statusCode)
    expect(answer.body).toContain(`<code>login_${reason}</code>`)
    expect(answer.body).toContain('href="/.gatehouse/login?to=%2Fx"')
    expect(answer.headers['set-cookie']).toEqual(['state=; Max-Age=0'])
  })

  test('tells nobody what exactly is wrong with a token', async () => {
    const texts = await Promise.all(
      (['token_signature', 'token_audience', 'id_token_nonce'] as const).map(async (reason) => {
        const { body } = await callback({ kind: 'refused', reason, returnTo, setCookies: [] })
        return body.replaceAll(`login_${reason}`, '')
      }),
    )
    expect(new Set(texts).size).toBe(1)
  })

  test('begins again where only a cookie was gone', async () => {
    const start: Start = { kind: 'redirect', location: 'https://idp.example/again', setCookies: ['a=1'] }
    const answer = await callback({ kind: 'restarted', start })
    expect(answer.headers.location).toBe('https://idp.example/again')
  })

  test('waits for an issuer that went away meanwhile', async () => {
    const setCookies = ['state=; Max-Age=0']
    const answer = await callback({ kind: 'unavailable', away: 'issuer', issuer: 'corp', returnTo, setCookies })
    expect(answer.statusCode).toBe(503)
    expect(answer.body).toContain(`content="5;url=${loginPath({ issuer: 'corp', to: '/x' }).replaceAll('&', '&amp;')}"`)
  })

  test('that the store can not keep now is a 503, which begins again for the same place', async () => {
    const setCookies = ['state=; Max-Age=0']
    const answer = await callback({ kind: 'unavailable', away: 'store', issuer: 'corp', returnTo, setCookies })
    expect([answer.statusCode, answer.headers['retry-after'], answer.headers['set-cookie']]).toEqual([
      503,
      '5',
      setCookies,
    ])
    expect(answer.body).toContain('<code>store_unavailable</code>')
    const again = loginPath({ issuer: 'corp', to: '/x' }).replaceAll('&', '&amp;')
    expect(answer.body).toContain(`content="5;url=${again}"`)
    expect(answer.body).toContain(`href="${again}"`)
  })
})

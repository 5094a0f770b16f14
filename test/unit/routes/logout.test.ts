import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { alice, type Backend, fakeSurface, navigation, origin, ownFetch, ownForm } from './fake-surface.ts'

describe('logging out', () => {
  test('ends the session, clears its cookie, and goes on to the issuer', async () => {
    const ended: string[] = []
    await using fake = await fakeSurface({
      async logOut(actor) {
        ended.push(actor.session.identity.username)
        return { location: 'https://idp.example/end?x=1', setCookies: ['session=; Max-Age=0'] }
      },
    })
    const answer = await fake.app.inject({ method: 'POST', url: paths.logout, headers: { ...alice, ...ownForm } })
    expect([answer.statusCode, answer.headers.location]).toEqual([303, 'https://idp.example/end?x=1'])
    expect(answer.headers['set-cookie']).toEqual(['session=; Max-Age=0'])
    expect(ended).toEqual(['alice'])
  })

  test('ends here where the issuer has no such place', async () => {
    await using fake = await fakeSurface({ logOut: async () => ({ location: undefined, setCookies: [] }) })
    const answer = await fake.app.inject({ method: 'POST', url: paths.logout, headers: { ...alice, ...ownForm } })
    expect(answer.headers.location).toBe(paths.loggedOut)
    const page = await fake.app.inject({ url: paths.loggedOut, headers: navigation })
    expect(page.body).toContain('You are logged out')
  })

  test('by a link only asks back: a page of somebody else may hold it', async () => {
    await using fake = await fakeSurface({
      logOut: async () => {
        throw new Error('nobody asked for it')
      },
    })
    const page = await fake.app.inject({
      url: paths.logout,
      headers: { ...alice, ...navigation, 'sec-fetch-site': 'cross-site' },
    })
    expect(page.statusCode).toBe(200)
    expect(page.body).toContain(`<form method="post" action="${paths.logout}"`)
    expect(fake.faults).toEqual([])
  })

  test('of nobody ends at the same page', async () => {
    await using fake = await fakeSurface()
    const get = await fake.app.inject({ url: paths.logout, headers: navigation })
    const post = await fake.app.inject({ method: 'POST', url: paths.logout, headers: ownForm })
    expect([get.headers.location, post.headers.location]).toEqual([paths.loggedOut, paths.loggedOut])
  })
})

describe('logging out at the issuer', () => {
  async function received(outcome: Awaited<ReturnType<Backend['receiveLogoutToken']>>) {
    const tokens: string[] = []
    await using fake = await fakeSurface({
      async receiveLogoutToken(token) {
        tokens.push(token)
        return outcome
      },
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const payload = 'logout_token=a.b.c'
    const answer = await fake.app.inject({ method: 'POST', url: paths.backchannelLogout, headers, payload })
    return { answer, tokens }
  }

  test('ends what it names: 200, and nothing is kept', async () => {
    const { answer, tokens } = await received({ kind: 'ended', count: 2 })
    expect([answer.statusCode, answer.body, answer.headers['cache-control']]).toEqual([200, '', 'no-store'])
    expect(tokens).toEqual(['a.b.c'])
  })

  test('with a token that is not accepted is a 400 that does not say why', async () => {
    const [one, other] = await Promise.all([
      received({ kind: 'refused', reason: 'token_signature' }),
      received({ kind: 'refused', reason: 'replayed' }),
    ])
    expect(one.answer.statusCode).toBe(400)
    expect(one.answer.body).toBe(other.answer.body)
  })

  test('may come again when it could not be looked at', async () => {
    const { answer } = await received({ kind: 'unavailable' })
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5'])
  })
})

describe('sessions', () => {
  const session = {
    name: 'abc',
    kind: 'cli',
    current: false,
    username: 'alice',
    issuer: 'https://idp.example',
    userAgent: 'gatehouse on laptop',
    createdAt: '2026-01-01T08:00:00Z',
    expiresAt: '2026-01-01T09:00:00Z',
    notAfter: '2026-01-01T20:00:00Z',
  } as const

  test('are listed and ended by the API and by the page', async () => {
    const ended: string[] = []
    await using fake = await fakeSurface({
      listSessions: () => [session],
      endSession(_actor, name) {
        ended.push(name)
        return { ok: true, value: undefined }
      },
    })
    const list = await fake.app.inject({ url: api.sessions, headers: { ...alice, ...ownFetch } })
    expect(list.json()).toEqual({ sessions: [session] })
    const deleted = await fake.app.inject({
      method: 'DELETE',
      url: api.session('abc'),
      headers: { ...alice, ...ownFetch, origin },
    })
    expect(deleted.statusCode).toBe(204)
    const posted = await fake.app.inject({
      method: 'POST',
      url: paths.sessionEnd,
      headers: { ...alice, ...ownForm },
      payload: 'session=abc',
    })
    expect([posted.statusCode, posted.headers.location]).toEqual([303, paths.whoami])
    expect(ended).toEqual(['abc', 'abc'])
    const page = await fake.app.inject({ url: paths.whoami, headers: { ...alice, ...navigation } })
    expect(page.body).toContain('gatehouse on laptop')
    expect(page.body).toContain('<input type="hidden" name="session" value="abc">')
  })
})

describe('who am I', () => {
  const expected = {
    kind: 'person',
    username: 'alice',
    uid: 'uid-alice',
    groups: ['ds'],
    issuer: 'https://idp.example',
    subject: 'sub-alice',
    session: {
      name: 'session-of-5',
      kind: 'browser',
      createdAt: '2026-01-01T08:00:00.000Z',
      expiresAt: '2026-01-01T09:00:00.000Z',
      notAfter: '2026-01-01T20:00:00.000Z',
    },
  }

  test.each(['application/json', '*/*', 'application/problem+json, application/json'])(
    'is JSON for %s',
    async (accept) => {
      await using fake = await fakeSurface()
      for (const url of [paths.whoami, api.whoami]) {
        const { body } = await fake.app.inject({ url, headers: { ...alice, ...ownFetch, accept } })
        expect(JSON.parse(body)).toEqual(expected)
      }
    },
  )

  test('is a page for a person, and says how it may differ', async () => {
    await using fake = await fakeSurface()
    const { body, headers } = await fake.app.inject({ url: paths.whoami, headers: { ...alice, ...navigation } })
    for (const text of ['alice', 'uid-alice', 'ds', 'https://idp.example', 'sub-alice'])
      expect(body).toContain(`>${text}</code>`)
    expect(headers.vary).toContain('Accept')
  })
})

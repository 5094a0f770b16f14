import { describe, expect, test } from 'vitest'
import { api, openPath, paths, sharePath } from '#surface/urls.ts'
import { alice, fakeSurface, navigation, origin, ownFetch, ownForm, workspaceView } from './fake-surface.ts'

const ref = { namespace: 'alice', name: 'notebook' }
const forMembers = [
  paths.console,
  paths.workspaceList,
  paths.whoami,
  paths.handover,
  paths.cliAuthorize,
  openPath(ref),
  sharePath(ref),
  api.whoami,
  api.workspaces,
  api.workspace(ref),
  api.events(ref),
  api.logs(ref),
  api.explain(ref),
  api.shares(ref),
  api.sessions,
  api.problems,
]

describe('without a session', () => {
  test.each(forMembers)('a navigation to %s is sent to the login, and back to where it wanted', async (path) => {
    await using fake = await fakeSurface()
    const url = `${path}?x=1&to=%2Flab%3Fa%3Db`
    const { statusCode, headers } = await fake.app.inject({ url, headers: navigation })
    expect(statusCode).toBe(302)
    const location = new URL(String(headers.location), origin)
    expect(location.pathname).toBe(paths.login)
    expect(location.searchParams.get('to')).toBe(url)
  })

  test.each(forMembers)('anything else for %s is a 401 problem, never a redirect', async (url) => {
    await using fake = await fakeSurface()
    const readers = [
      ownFetch,
      { accept: '*/*' },
      { accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' },
      { ...ownFetch, accept: 'text/html' },
    ]
    for (const headers of readers) {
      const response = await fake.app.inject({ url, headers })
      expect(response.statusCode).toBe(401)
      expect(response.headers['www-authenticate']).toBe('Bearer')
      expect(response.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(response.json()).toMatchObject({ code: 'unauthorized', status: 401, requestId: 'none' })
    }
  })

  test('a posted form is not redirected either: what was posted would be lost without a word', async () => {
    await using fake = await fakeSurface()
    const { statusCode, body } = await fake.app.inject({ method: 'POST', url: api.start(ref), headers: ownForm })
    expect(statusCode).toBe(401)
    expect(body).toContain('href="/.gatehouse/login"')
  })

  test('nothing of the backend is asked', async () => {
    let isAsked = false
    const ask = () => {
      isAsked = true
      return undefined
    }
    await using fake = await fakeSurface({ viewWorkspace: ask, listWorkspaces: () => ask() ?? [] })
    for (const url of forMembers) {
      await fake.app.inject({ url, headers: navigation })
      await fake.app.inject({ url, headers: ownFetch })
    }
    expect(isAsked).toBe(false)
  })
})

test('while the store cannot be asked, nobody is sent to the login: 503 with Retry-After', async () => {
  await using fake = await fakeSurface()
  for (const headers of [navigation, ownFetch]) {
    const response = await fake.app.inject({ url: '/', headers: { cookie: 'session=unavailable', ...headers } })
    expect(response.statusCode).toBe(503)
    expect(response.headers['retry-after']).toBe('2')
  }
})

describe('what a cookie may do', () => {
  const unsafe = [
    ['POST', api.start(ref)],
    ['POST', api.stop(ref)],
    ['POST', api.shares(ref)],
    ['DELETE', api.share(ref, 'x')],
    ['DELETE', api.session('x')],
    ['POST', sharePath(ref)],
    ['POST', `${sharePath(ref)}/revoke`],
    ['POST', paths.sessionEnd],
    ['POST', paths.logout],
    ['POST', paths.cliAuthorize],
  ] as const

  function recording() {
    const done: string[] = []
    const refused = { ok: false, problem: { code: 'x', status: 418, title: 'asked' } } as const
    const record = (what: string) => () => {
      done.push(what)
      return refused
    }
    return {
      done,
      backend: {
        startWorkspace: record('start'),
        stopWorkspace: record('stop'),
        listShares: record('list'),
        createShare: record('share'),
        deleteShare: record('revoke'),
        endSession: record('end'),
        logOut: async () => {
          done.push('logout')
          return { location: undefined, setCookies: [] }
        },
        deny: () => {
          done.push('deny')
          return '/'
        },
      },
    }
  }

  const strangers = [
    { origin: 'https://notebook-mfwgsy3f.example.test', 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' },
    { origin: 'null', 'sec-fetch-site': 'cross-site' },
    { origin: 'http://example.test', 'sec-fetch-site': 'cross-site' },
    { origin: 'https://example.test:8443' },
    {},
  ]

  test.each(unsafe)(
    '%s %s needs our own Origin: no sibling workspace, no other site, none at all',
    async (method, url) => {
      const { done, backend } = recording()
      await using fake = await fakeSurface(backend)
      for (const stranger of strangers) {
        const headers = { ...alice, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', ...stranger }
        const { statusCode, body } = await fake.app.inject({ method, url, headers })
        expect(statusCode).toBe(403)
        expect(body).toContain('cross_origin')
      }
      expect(done).toEqual([])
      expect(fake.foreign).toHaveLength(strangers.length)
    },
  )

  test.each(unsafe)('%s %s is done for a page of ours', async (method, url) => {
    const { done, backend } = recording()
    await using fake = await fakeSurface(backend)
    const json = url === api.shares(ref) || method === 'DELETE'
    const headers = json ? { ...alice, ...ownFetch, origin } : { ...alice, ...ownForm }
    const payload = method === 'POST' && !json ? 'people=bob&share=x&session=x&decision=deny&form=x' : undefined
    await fake.app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) })
    expect(done).toHaveLength(1)
    expect(fake.foreign).toEqual([])
  })

  test('reading by a script of another origin is refused, a link from there is followed', async () => {
    await using fake = await fakeSurface({ listWorkspaces: () => [workspaceView()] })
    const read = (headers: Record<string, string>) =>
      fake.app.inject({ url: api.workspaces, headers: { ...alice, ...headers } })
    expect(
      (await read({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' }))
        .statusCode,
    ).toBe(403)
    expect(
      (
        await read({
          'sec-fetch-site': 'cross-site',
          'sec-fetch-mode': 'cors',
          'sec-fetch-dest': 'empty',
          origin: 'https://evil.test',
        })
      ).statusCode,
    ).toBe(403)
    const link = await fake.app.inject({
      url: '/',
      headers: { ...alice, ...navigation, 'sec-fetch-site': 'cross-site' },
    })
    expect(link.statusCode).toBe(200)
    const frame = await fake.app.inject({
      url: '/',
      headers: { ...alice, ...navigation, 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'same-site' },
    })
    expect(frame.statusCode).toBe(403)
  })
})

test('a bearer needs no Origin: no page can send it for somebody', async () => {
  const started: string[] = []
  await using fake = await fakeSurface({
    startWorkspace(actor) {
      started.push(actor.session.identity.username)
      return { ok: true, value: workspaceView() }
    },
  })
  const headers = { authorization: 'Bearer bob' }
  expect((await fake.app.inject({ method: 'POST', url: api.start(ref), headers })).statusCode).toBe(200)
  expect(started).toEqual(['bob'])
})

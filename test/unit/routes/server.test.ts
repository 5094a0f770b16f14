import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { api, openPath, paths, sharePath } from '#surface/urls.ts'
import {
  alice,
  type Backend,
  fakeSurface,
  navigation,
  ownFetch,
  ownForm,
  served,
  shareView,
  workspaceView,
} from './fake-surface.ts'

const ref = { namespace: 'alice', name: 'notebook' }

/** Sends the path as it is, which clients that know URLs do not. */
function statusOf(port: number, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, host: '127.0.0.1', headers: navigation }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.on('error', reject).end()
  })
}

const rich: Partial<Backend> = {
  listWorkspaces: () => [workspaceView()],
  viewWorkspace: () => workspaceView({ state: 'Starting' }),
  listShares: () => ({ ok: true, value: [shareView()] }),
  startLogin: async () => ({ kind: 'choose', issuers: [{ id: 'a', displayName: 'A' }] }),
  startConsent: () => ({ kind: 'ask', device: 'laptop', redirectUri: 'http://127.0.0.1:4000/cb', form: 'sealed' }),
}

const pages = [
  paths.console,
  paths.whoami,
  paths.login,
  paths.logout,
  paths.loggedOut,
  paths.cliAuthorize,
  openPath(ref),
  sharePath(ref),
]

describe('every answer', () => {
  const requests = [
    ...pages.map((url) => ({ method: 'GET', url, headers: { ...alice, ...navigation } }) as const),
    { method: 'GET', url: '/nowhere', headers: { ...alice, ...navigation } },
    { method: 'GET', url: '/nowhere', headers: { ...alice, ...ownFetch } },
    { method: 'GET', url: '/%zz', headers: navigation },
    { method: 'GET', url: `/${'.gatehouse/open/a/'}${'x'.repeat(300)}`, headers: { ...alice, ...navigation } },
    { method: 'GET', url: api.workspaces, headers: ownFetch },
    { method: 'GET', url: api.workspaces, headers: { ...alice, ...ownFetch } },
    { method: 'GET', url: paths.console, headers: { cookie: 'session=unavailable', ...navigation } },
    { method: 'PUT', url: api.workspaces, headers: { ...alice, ...ownFetch, origin: 'https://example.test' } },
    { method: 'POST', url: api.start(ref), headers: { ...alice, ...ownForm, origin: 'https://evil.test' } },
    {
      method: 'POST',
      url: paths.backchannelLogout,
      payload: 'logout_token=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    },
  ] as const

  test.each(requests)('$method $url ($headers.sec-fetch-mode) has the fields that protect it', async (request) => {
    await using fake = await fakeSurface(rich)
    const { headers, body } = await fake.app.inject(request)
    expect(headers['cache-control']).toBe('no-store')
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; /)
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers['content-security-policy']).toContain("base-uri 'none'")
    expect(headers['content-security-policy']).not.toContain('unsafe')
    expect(headers['x-frame-options']).toBe('DENY')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['referrer-policy']).toBe('same-origin')
    expect(headers['cross-origin-opener-policy']).toBe('same-origin')
    expect(headers['cross-origin-resource-policy']).toBe('same-origin')
    expect(headers['strict-transport-security']).toMatch(/^max-age=/)
    expect(headers['x-request-id']).toBe('none')
    expect(headers).not.toHaveProperty('access-control-allow-origin')
    expect(body).not.toMatch(/ on[a-z]+=| style=|<script>/)
  })

  test('names the request by the id that the gateway gave it, never by one that came with it', async () => {
    await using fake = await fakeSurface()
    await using server = await served(fake)
    const response = await fetch(server.url + api.workspaces, { headers: { 'x-request-id': 'sent' } })
    expect(response.headers.get('x-request-id')).toBe('given-1')
    expect(await response.json()).toMatchObject({ requestId: 'given-1' })
  })

  test('promises no HTTPS where there is none', async () => {
    await using fake = await fakeSurface({}, { externalScheme: 'http' })
    const { headers } = await fake.app.inject({ url: paths.loggedOut, headers: navigation })
    expect(headers).not.toHaveProperty('strict-transport-security')
  })
})

describe('a page', () => {
  test.each(pages)('%s runs only what its own nonce names, and no two answers have the same', async (url) => {
    await using fake = await fakeSurface(rich)
    const load = async () => {
      const { headers, body } = await fake.app.inject({ url, headers: { ...alice, ...navigation } })
      const policy = String(headers['content-security-policy'])
      const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1] ?? ''
      expect(nonce.length).toBeGreaterThanOrEqual(22)
      expect(policy).toContain(`style-src 'nonce-${nonce}'`)
      expect(policy).toContain("connect-src 'self'")
      expect(policy).toMatch(/form-action 'self' https:\/\/idp\.example(?:;| http:\/\/127\.0\.0\.1:4000;)/)
      const loads = [...body.matchAll(/<(?:script|link rel="stylesheet")[^>]*>/g)]
      expect(loads.length).toBeGreaterThanOrEqual(2)
      for (const [tag] of loads) expect(tag).toContain(`nonce="${nonce}"`)
      return nonce
    }
    expect(await load()).not.toBe(await load())
  })

  test('links only to files that are there', async () => {
    await using fake = await fakeSurface(rich)
    for (const url of pages) {
      const { body } = await fake.app.inject({ url, headers: { ...alice, ...navigation } })
      for (const [, asset = ''] of body.matchAll(/(?:src|href)="(\/\.gatehouse\/assets\/[^"]+)"/g)) {
        const { statusCode, headers } = await fake.app.inject({ url: asset })
        expect([asset, statusCode]).toEqual([asset, 200])
        expect(headers['cache-control']).toBe('public, max-age=31536000, immutable')
        const again = await fake.app.inject({ url: asset, headers: { 'if-none-match': String(headers.etag) } })
        expect(again.statusCode).toBe(304)
      }
    }
  })

  test('has one heading of the first level, a language and a title', async () => {
    await using fake = await fakeSurface(rich)
    for (const url of [...pages, '/nowhere']) {
      const { body } = await fake.app.inject({ url, headers: { ...alice, ...navigation } })
      expect([url, body.match(/<h1[ >]/g)?.length]).toEqual([url, 1])
      expect(body).toContain('<html lang="en">')
      expect(body).toMatch(/<title>[^<]+ · Gatehouse<\/title>/)
    }
  })
})

describe('an asset of another version', () => {
  test('is this version’s file, but is not kept', async () => {
    await using fake = await fakeSurface()
    const { statusCode, headers } = await fake.app.inject({ url: `${paths.assets}0000/gatehouse.css` })
    expect(statusCode).toBe(200)
    expect(headers['cache-control']).toBe('no-cache')
  })

  test.each(['..%2f..%2fpackage.json', '__proto__', 'constructor', 'missing.js'])('%s is not found', async (file) => {
    await using fake = await fakeSurface()
    expect((await fake.app.inject({ url: `${paths.assets}x/${file}` })).statusCode).toBe(404)
  })
})

describe('a request that asks for nothing that is there', () => {
  test('by another method is a 405 that names those which are', async () => {
    await using fake = await fakeSurface()
    const { statusCode, headers, body } = await fake.app.inject({ method: 'GET', url: paths.backchannelLogout })
    expect(statusCode).toBe(405)
    expect(headers.allow).toBe('POST')
    expect(JSON.parse(body)).toMatchObject({ code: 'method_not_allowed', status: 405 })
  })

  test.each([
    '/.gatehouse/%77hoami',
    '/.gatehouse/open/%61lice/notebook',
    '/.gatehouse//whoami',
    '/.gatehouse/WHOAMI',
    '/.gatehouse/whoami/',
  ])('%s is not another spelling of something', async (url) => {
    await using fake = await fakeSurface({ viewWorkspace: () => workspaceView() })
    const { statusCode } = await fake.app.inject({ url, headers: { ...alice, ...navigation } })
    expect(statusCode).toBe(404)
  })

  test('by a path with dots in it is not found', async () => {
    await using fake = await fakeSurface()
    await using server = await served(fake)
    for (const path of ['/.gatehouse/./loggedOut', '/x/../.gatehouse/logged-out', '//.gatehouse/logged-out']) {
      expect(await statusOf(server.port, path)).toBe(404)
    }
    expect(await statusOf(server.port, paths.loggedOut)).toBe(200)
    expect(await statusOf(server.port, `http://example.test${paths.loggedOut}`)).toBe(200)
    expect(await statusOf(server.port, `http://example.test/x//${paths.loggedOut}`)).toBe(404)
  })

  test('with a body that is too large, of no type that is read, or broken, is a problem', async () => {
    await using fake = await fakeSurface({ listShares: () => ({ ok: true, value: [] }) })
    const post = (type: string, payload: string) =>
      fake.app.inject({
        method: 'POST',
        url: api.shares(ref),
        headers: { authorization: 'Bearer alice', 'content-type': type },
        payload,
      })
    expect((await post('application/json', JSON.stringify('x'.repeat(70_000)))).statusCode).toBe(413)
    expect((await post('text/plain', '{}')).statusCode).toBe(415)
    expect((await post('application/json', '{')).statusCode).toBe(400)
    expect((await post('application/json', '{"__proto__": {"x": 1}}')).statusCode).toBe(400)
    expect(fake.faults).toEqual([])
  })
})

describe('a fault of ours', () => {
  test('is a 500 that tells nothing of it, and is reported', async () => {
    const fault = new Error('password=hunter2 at 10.0.0.1')
    await using fake = await fakeSurface({
      listWorkspaces: () => {
        throw fault
      },
    })
    for (const reader of [navigation, ownFetch]) {
      const { statusCode, body } = await fake.app.inject({
        url: reader === navigation ? '/' : api.workspaces,
        headers: { ...alice, ...reader },
      })
      expect(statusCode).toBe(500)
      expect(body).not.toMatch(/hunter2|10\.0\.0\.1|Error|\.ts/)
    }
    expect(fake.faults).toEqual([fault, fault])
  })
})

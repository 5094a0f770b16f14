import { describe, expect, test } from 'vitest'
import { plainRequest } from '#test/support/plain-request.ts'
import { refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'

/** Follows redirects with nothing but `Accept: text/html`, up to the first one that leaves Gatehouse. */
async function toTheIssuer(from: string, issuer: string) {
  const statuses: number[] = []
  for (let url = from; statuses.length < 6; ) {
    const { status, headers } = await plainRequest(url, { headers: { Accept: 'text/html' } })
    statuses.push(status)
    url = new URL(headers.location ?? '', url).href
    if (url.startsWith(issuer)) return { statuses, asked: new URL(url).searchParams }
  }
  throw new Error('it never came to the issuer')
}

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  test('[SP1.1] a navigation without a cookie is redirected to the issuer, with state, nonce and an S256 challenge', async () => {
    await using world = await createWorld({ mode })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const first = await toTheIssuer(`${url}lab`, world.identityProvider.issuer)
    const second = await toTheIssuer(`${url}lab`, world.identityProvider.issuer)
    expect(first.statuses.every((status) => status === 302)).toBe(true)
    expect(Object.fromEntries(first.asked)).toMatchObject({
      response_type: 'code',
      client_id: world.identityProvider.clientId,
      redirect_uri: `${world.origin}/.gatehouse/callback`,
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^.{22,}$/),
      nonce: expect.stringMatching(/^.{22,}$/),
    })
    for (const secret of ['state', 'nonce', 'code_challenge']) {
      expect(second.asked.get(secret)).not.toBe(first.asked.get(secret))
    }
    expect(app.bytes()).toBe(0)
  })

  test('[SP1.2] after the login the app answers at the original deep link; a script, curl and a WebSocket without a cookie get 401, never 302', async () => {
    await using world = await createWorld({ mode })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const deep = `${url}lab/tree/a%20b.ipynb?reset&x=%2F`
    const browser = world.browser()
    await browser.open(deep)
    const page = await browser.login('alice', world.identityProvider.password)
    expect(page.status).toBe(200)
    expect(page.url.href).toBe(deep)
    const { pathname, search } = new URL(deep)
    expect(JSON.parse(page.body)).toMatchObject({ app: 'team/nb', url: pathname + search })
    expect(app.requests.length).toBe(1)

    const before = app.bytes()
    const stranger = world.browser()
    await stranger.navigate(`${world.origin}/.gatehouse/logged-out`)
    const answers = [
      await stranger.fetch(deep),
      await stranger.fetch(deep, { method: 'POST', body: 'x' }),
      await plainRequest(deep),
      await plainRequest(deep, { headers: { Accept: '*/*', 'User-Agent': 'curl/8.5.0' } }),
      await plainRequest(deep, { headers: { Accept: 'text/html', 'X-Requested-With': 'XMLHttpRequest' } }),
      await refusedSocket(undefined, deep),
    ]
    for (const { status, headers, body } of answers) {
      expect(status).toBe(401)
      expect(headers.location).toBeUndefined()
      expect(headers['content-type']).toBe('application/problem+json')
      expect(JSON.parse(body)).toMatchObject({ code: 'unauthorized', status: 401 })
    }
    expect(app.bytes()).toBe(before)
  })

  test('ten tabs at once all get where they wanted to', async () => {
    await using world = await createWorld({ mode })
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const browser = await world.as('alice')
    const pages = await Promise.all(Array.from({ length: 10 }, (_, index) => browser.tab().open(`${url}tab/${index}`)))
    expect(pages.map((page) => [page.status, page.url.href])).toEqual(
      Array.from({ length: 10 }, (_, index) => [200, `${url}tab/${index}`]),
    )
  })
})

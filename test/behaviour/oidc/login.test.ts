import { describe, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { loginGateway } from '#test/support/login-gateway.ts'

const minute = 60_000

test('[JK2.1] a login goes by code and PKCE, which the provider insists on', async () => {
  await using gateway = await loginGateway()
  const browser = gateway.browser()
  await browser.open(`${gateway.origin}/`)
  const authorize = browser.history.find((url) => url.pathname === '/authorize')
  expect(authorize?.searchParams.get('response_type')).toBe('code')
  expect(authorize?.searchParams.get('code_challenge_method')).toBe('S256')
  const plain = new URL(authorize ?? '')
  plain.searchParams.delete('code_challenge')
  plain.searchParams.delete('code_challenge_method')
  const refused = await gateway.browser().navigate(plain)
  expect(refused.redirect?.searchParams.get('error')).toBe('invalid_request')
  const page = await browser.login('alice', gateway.provider.password)
  expect(page.status).toBe(200)
  const callback = browser.history.find((url) => url.pathname === paths.callback)
  expect(callback?.searchParams.get('code')).toEqual(expect.any(String))
  expect(callback?.href).not.toContain('id_token')
})

describe('a person with a browser', () => {
  test('who opens a deep link logs in at the provider and lands on it, query and all', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    const asked = await browser.open(`${gateway.origin}/lab/tree/a%20b.ipynb?reset&x=%2F`)
    expect(asked.url.hostname).toBe('idp.localhost')
    const page = await browser.login('carol', gateway.provider.password)
    expect(page.url.href).toBe(`${gateway.origin}/lab/tree/a%20b.ipynb?reset&x=%2F`)
    expect(JSON.parse(page.body)).toEqual({ kind: 'person', username: 'carol', uid: 'demo-carol', groups: ['admins'] })
    expect(gateway.sessions()).toEqual(['carol browser'])
  })

  test('holds no code, token or state in any URL or cookie afterwards', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    await browser.open(`${gateway.origin}/`)
    await browser.login('alice', gateway.provider.password)
    expect(browser.page.url.search).toBe('')
    const names = browser.cookies.of(gateway.origin).map(({ name }) => name)
    expect(names).toEqual([expect.stringMatching(/^gatehouse-\d+$/)])
    expect(browser.page.refusedCookies).toEqual([])
  })

  test('who mistypes the password stays at the provider, without a session', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    await browser.open(`${gateway.origin}/`)
    const page = await browser.login('alice', 'wrong')
    expect(page.status).toBe(401)
    expect(gateway.sessions()).toEqual([])
  })

  test('in ten tabs at once, each with its own password form, is logged in everywhere', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    const tabs = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        const tab = browser.tab()
        await tab.open(`${gateway.origin}/tab/${index}`)
        return tab
      }),
    )
    for (const index of [3, 9, 0, 5, 1, 8, 2, 7, 4, 6]) {
      const page = await tabs[index]?.login('alice', gateway.provider.password)
      expect(page?.status).toBe(200)
      expect(page?.url.pathname).toBe(`/tab/${index}`)
    }
    expect(browser.cookies.of(gateway.origin)).toHaveLength(1)
  })

  test('who leaves the password form open for an hour still gets in', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    await browser.open(`${gateway.origin}/lab`)
    await gateway.world.clock.advance(59 * minute)
    const page = await browser.login('alice', gateway.provider.password)
    expect(page.url.href).toBe(`${gateway.origin}/lab`)
    expect(page.status).toBe(200)
  })

  test('who goes back to the callback’s URL is not logged in a second time by it', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    await browser.open(`${gateway.origin}/`)
    await browser.login('alice', gateway.provider.password)
    const callback = browser.history.find((url) => url.pathname.endsWith('/callback'))
    const thief = gateway.browser()
    const page = await thief.open(callback ?? '')
    expect(page.url.hostname).toBe('idp.localhost')
    expect(gateway.sessions()).toEqual(['alice browser'])
  })

  test('is logged in silently the next time, and as another session', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    await browser.open(`${gateway.origin}/`)
    await browser.login('alice', gateway.provider.password)
    const [first] = browser.cookies.of(gateway.origin)
    await browser.open(`${gateway.origin}/.gatehouse/login?to=/again`)
    expect(browser.page.url.href).toBe(`${gateway.origin}/again`)
    const [second] = browser.cookies.of(gateway.origin)
    expect(second?.value).not.toBe(first?.value)
    expect(gateway.sessions()).toEqual(['alice browser'])
  })
})

describe('the provider', () => {
  test('that is away lets sessions go on; new logins wait until it is back', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    await browser.open(`${gateway.origin}/`)
    await browser.login('alice', gateway.provider.password)
    await gateway.world.clock.advance(minute)
    await gateway.provider.admin.stopListening()
    const other = gateway.browser()
    expect((await other.open(`${gateway.origin}/lab`)).status).toBe(503)
    expect((await browser.open(`${gateway.origin}/lab`)).status).toBe(200)
    await gateway.provider.admin.startListening()
    await gateway.world.clock.advance(2_000)
    await other.open(`${gateway.origin}/lab`)
    expect((await other.login('bob', gateway.provider.password)).url.pathname).toBe('/lab')
  })

  test('that was never there makes a login unavailable, until it comes', async () => {
    await using gateway = await loginGateway()
    await gateway.provider.admin.stopListening()
    const browser = gateway.browser()
    expect((await browser.open(`${gateway.origin}/lab`)).status).toBe(503)
    await gateway.provider.admin.startListening()
    await gateway.world.clock.advance(2_000)
    await browser.open(`${gateway.origin}/lab`)
    expect((await browser.login('alice', gateway.provider.password)).url.pathname).toBe('/lab')
  })

  test('[JK2.3] may change its keys: sessions renew, and new logins are accepted', async () => {
    await using gateway = await loginGateway()
    const browser = gateway.browser()
    await browser.open(`${gateway.origin}/`)
    await browser.login('alice', gateway.provider.password)
    const expiry = () => gateway.replica.sessions.find(() => true)[0]?.spec.expiresAt
    const before = expiry()
    gateway.provider.admin.rotateKeys({ keepOld: false })
    await gateway.world.clock.advance(51 * minute)
    expect((await browser.open(`${gateway.origin}/`)).status).toBe(200)
    await expect.poll(expiry).not.toBe(before)
    const other = gateway.browser()
    await other.open(`${gateway.origin}/`)
    expect((await other.login('bob', gateway.provider.password)).status).toBe(200)
  })
})

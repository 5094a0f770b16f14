/** A browser that comes back to life with all its tabs: each begins a login of its own, and none gets in another's way. */
import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { createWorld, type World } from '#test/support/world.ts'

const tabCount = 10
/** No order that a start would give by itself. */
const shuffled = [7, 2, 9, 0, 4, 1, 8, 3, 6, 5]

const attemptsOf = (browser: ScriptedBrowser, world: World) =>
  browser.cookies.of(world.origin).filter(({ name }) => name.includes('-login-'))
const headerLength = (browser: ScriptedBrowser, url: string) =>
  (browser.cookies.header({ url: new URL(url), isSameSite: true, isSafeNavigation: true }) ?? '').length

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  test('#39 ten tabs, each at a workspace of its own, begin at once and finish in another order: all land at their deep links', async () => {
    await using world = await createWorld({ mode })
    const urls = await Promise.all(
      Array.from({ length: tabCount }, async (_, index) => {
        const { url } = await world.workspace({ name: `nb${index}`, owner: 'alice' })
        return `${url}lab/tree/${index}.ipynb?reset=${index}`
      }),
    )
    const browser = world.browser()
    const tabs = urls.map(() => browser.tab())
    await Promise.all(tabs.map((tab, index) => tab.open(urls[index] ?? '')))
    expect(tabs.map((tab) => tab.page.url.origin)).toEqual(urls.map(() => world.identityProvider.issuer))
    expect(attemptsOf(browser, world)).toHaveLength(tabCount)
    for (const url of [...urls, `${world.origin}${paths.callback}`])
      expect(headerLength(browser, url)).toBeLessThan(8_192)
    for (const index of shuffled) {
      const page = await tabs[index]?.login('alice', world.identityProvider.password)
      expect([page?.status, page?.url.href], `tab ${index}`).toEqual([200, urls[index]])
    }
    expect(attemptsOf(browser, world)).toEqual([])
    for (const [index, tab] of tabs.entries()) expect((await tab.navigate(urls[index] ?? '')).status).toBe(200)
    // Tabs that began before the first of them was finished end nobody's session.
    expect(new Set(world.open.identities.sessions.find(() => true).map(({ spec }) => spec.username))).toEqual(
      new Set(['alice']),
    )
  })

  test('#39 ten tabs of one workspace, all at the same instant, need one hand-over each and no second login', async () => {
    await using world = await createWorld({ mode })
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const browser = await world.as('alice')
    const before = world.audit.length
    const pages = await Promise.all(
      Array.from({ length: tabCount }, (_, index) => browser.tab().open(`${url}tab/${index}`)),
    )
    expect(pages.map((page) => [page.status, page.url.href])).toEqual(
      Array.from({ length: tabCount }, (_, index) => [200, `${url}tab/${index}`]),
    )
    expect(world.audit.slice(before).filter(({ event }) => event === 'login' || event === 'deny')).toEqual([])
    expect(headerLength(browser, url)).toBeLessThan(2_048)
  })

  test('#39 forty tabs leave ten attempts alive; those that were pushed out log in all the same', async () => {
    await using world = await createWorld({ mode })
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const browser = world.browser()
    const first = browser.tab()
    await first.open(`${url}first`)
    for (let index = 0; index < 40; index += 1) {
      await browser.tab().open(`${url}tab/${index}`)
      expect(attemptsOf(browser, world).length).toBeLessThanOrEqual(tabCount)
      expect(headerLength(browser, `${world.origin}${paths.callback}`)).toBeLessThan(8_192)
    }
    const page = await first.login('alice', world.identityProvider.password)
    expect([page.status, page.url.href]).toEqual([200, `${url}first`])
  })
})

test('#39 scripts, sockets and posts never begin a login, nor get a cookie of one', async () => {
  await using world = await createWorld()
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const browser = world.browser()
  await browser.navigate(`${world.origin}${paths.loggedOut}`)
  const login = `${world.origin}${paths.login}?to=/`
  const asked = [
    await browser.fetch(login),
    await browser.fetch(`${world.origin}/`),
    await browser.fetch(`${world.origin}${api.workspaces}`),
    await browser.fetch(`${url}api/kernels`),
    await browser.fetch(`${url}api/kernels`, { method: 'POST', body: 'x' }),
    await browser.fetch(`${world.origin}${paths.handover}?to=${encodeURIComponent(url)}&nonce=${'A'.repeat(43)}`),
  ]
  for (const page of asked) {
    expect([page.status, page.redirect, page.headers['set-cookie']], page.url.href).toEqual([401, undefined, undefined])
  }
  expect((await browser.navigate(login, { method: 'POST', from: browser.page })).status).toBe(405)
  expect(browser.cookies.all()).toEqual([])
})

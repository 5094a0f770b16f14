import { describe, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import type { Page, ScriptedBrowser } from '#test/support/browser-session.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { echoApp } from '#test/support/echo-app.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { modes } from '../gateway/scene.ts'

/** Up to the redirect that carries the ticket, which is not followed. */
async function ticketFor(browser: ScriptedBrowser, url: string): Promise<URL> {
  let page = await browser.navigate(url)
  for (let hops = 0; hops < 5 && page.redirect; hops += 1) {
    if (page.redirect.searchParams.has('ticket')) return page.redirect
    page = await browser.navigate(page.redirect, { from: page })
  }
  throw new Error(`no ticket for ${url}, but ${page.status}`)
}

const sessionCookies = (browser: ScriptedBrowser, url: string) =>
  browser.cookies.of(url).filter(({ name }) => /^gatehouse(-ws)?-\d+$/.test(name))
const refusals = ({ audit }: World) =>
  audit.flatMap((event) =>
    event.event === 'deny' && event.reason.startsWith('ticket:') ? [event.reason.slice(7)] : [],
  )

describe.each(modes)('in %s mode', (mode) => {
  test('a ticket becomes this host’s cookie and is gone from the address; the deep link goes on byte for byte', async () => {
    await using world = await createWorld({ mode })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    const deep = `${url}lab/tree/a%20b%2Fc.ipynb?reset&x=%2F&y=a+b`
    const ticket = await ticketFor(alice, deep)
    expect(ticket.pathname).toBe(paths.accept)
    const accepted = await alice.navigate(ticket)
    expect([accepted.status, accepted.redirect?.href]).toEqual([303, deep])
    expect(accepted.headers['cache-control']).toBe('no-store')
    const page = await alice.follow()
    expect([page.status, page.url.href]).toEqual([200, deep])
    expect(app.requests.map((echo) => echo.url)).toEqual([new URL(deep).pathname + new URL(deep).search])
  })

  test('a ticket is good once, for the browser whose nonce it has, at the place it was made for', async () => {
    await using world = await createWorld({ mode })
    const first = await world.workspace({ name: 'nb', owner: 'alice' })
    const second = await world.workspace({ name: 'nb2', owner: 'alice' })
    const alice = await world.as('alice')

    const used = await ticketFor(alice, first.url)
    const nonces = alice.cookies.of(first.url).filter(({ name }) => name.includes('-nonce-'))
    expect((await alice.open(used)).status).toBe(200)
    const before = sessionCookies(alice, first.url)
    const replayed = world.browser()
    for (const { name, value } of nonces) replayed.cookies.take(`${name}=${value}; Path=/`, used)
    expect((await replayed.navigate(used)).redirect?.href).toBe(first.url)
    expect(sessionCookies(replayed, first.url)).toEqual([])
    expect(refusals(world)).toEqual(['used'])
    expect(sessionCookies(alice, first.url)).toEqual(before)

    // Somebody else's browser, logged in or not, with a nonce of its own or without.
    const stolen = await ticketFor(await world.as('alice'), first.url)
    for (const thief of [world.browser(), await world.as('bob')]) {
      await thief.navigate(first.url)
      expect((await thief.navigate(stolen)).redirect?.href).toBe(first.url)
      expect(sessionCookies(thief, first.url)).toEqual([])
    }
    expect(refusals(world).slice(1)).toEqual(['wrong-nonce', 'wrong-nonce'])

    const moved = await ticketFor(alice, second.url)
    const elsewhere = new URL(moved)
    elsewhere.host = new URL(first.url).host
    elsewhere.searchParams.set('at', new URL(first.url).pathname)
    const page = await alice.navigate(elsewhere)
    expect([page.status, page.redirect]).toEqual([400, undefined])
    expect(refusals(world).at(-1)).toBe('wrong-host')
    expect((await alice.open(moved)).status).toBe(200)
  })

  test('a ticket that was changed, cut or made up is a page that says so, and no cookie', async () => {
    await using world = await createWorld({ mode })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    const good = await ticketFor(alice, url)
    const ticket = good.searchParams.get('ticket') ?? ''
    const flipped = ticket.slice(0, -3) + (ticket.at(-3) === 'A' ? 'B' : 'A') + ticket.slice(-2)
    for (const text of [
      '',
      'x',
      ticket.slice(1),
      ticket.slice(0, -5),
      flipped,
      `${ticket}.x`,
      'a.b.c',
      'x'.repeat(6_000),
    ]) {
      const wrong = new URL(good)
      wrong.searchParams.set('ticket', text)
      const page = await alice.navigate(wrong)
      expect([page.status, page.redirect, page.headers['set-cookie']], text).toEqual([400, undefined, undefined])
      // Its links must not carry on what stands in its address.
      expect(page.headers['referrer-policy']).toMatch(/^(same-origin|no-referrer)$/)
    }
    const own = good.searchParams.get('at') ?? ''
    for (const at of ['/', '/x', '//evil.test', `${own}x/`, ''].filter((other) => other !== own)) {
      const wrong = new URL(good)
      wrong.searchParams.set('at', at)
      expect((await alice.navigate(wrong)).status, at).toBe(400)
    }
    expect(app.bytes()).toBe(0)
    expect((await alice.open(good)).status).toBe(200)
  })

  test('a ticket lives for thirty seconds', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using world = await createWorld({ mode, clock })
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    const late = await ticketFor(alice, url)
    await clock.advance(30_000)
    const page = await alice.navigate(late)
    expect(page.redirect?.href).toBe(url)
    expect(refusals(world)).toEqual(['expired'])
    // The place itself finds out that nobody is logged in here yet, and begins again.
    expect((await alice.follow()).status).toBe(200)
    const early = world.browser()
    await early.open(`${world.origin}/`)
    await early.login('alice', world.identityProvider.password)
    const inTime = await ticketFor(early, url)
    await clock.advance(29_999)
    expect((await early.open(inTime)).status).toBe(200)
  })

  test('a ticket of a session that has ended meanwhile opens nothing', async () => {
    await using world = await createWorld({ mode })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    const ticket = await ticketFor(alice, url)
    await world.identityProvider.admin.endSessions('alice')
    await alice.open(ticket)
    expect(alice.page.url.origin).toBe(world.identityProvider.issuer)
    expect(refusals(world)).toEqual(['session-ended'])
    expect(app.bytes()).toBe(0)
  })

  test('a browser that keeps no cookie of the workspace is told so the third time, and not sent round for ever', async () => {
    await using world = await createWorld({ mode })
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    const visits: Page[] = []
    for (let round = 0; round < 3; round += 1) {
      for (const { name, path } of sessionCookies(alice, url))
        alice.cookies.take(`${name}=; Path=${path}; Max-Age=0`, new URL(url))
      visits.push(await alice.open(url))
    }
    expect(visits.map(({ status }) => status)).toEqual([200, 200, 400])
    expect(visits[2]?.body).toContain('does not keep its cookie')
  })
})

test('a workspace that was made again under its name first clears what the former one left in the browser', async () => {
  await using world = await createWorld()
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  alice.cookies.take('left=behind; Path=/', new URL(url))
  await world.resources.delete(workspaceKind, ref)
  await world.until(() => world.open.workspaces.directory.get(ref) === undefined, 'it is gone')
  await using app = await echoApp('the second')
  await world.workspace({ name: 'nb', owner: 'alice', apps: { 8888: app } })
  const counts = () =>
    Promise.all(
      ['forwarded', 'redirected'].map((outcome) =>
        world.figure('gatehouse_requests_total', `route="workspace",outcome="${outcome}"`),
      ),
    )
  const [forwarded = 0, redirected = 0] = await counts()
  const page = await alice.navigate(url)
  expect(await counts()).toEqual([forwarded, redirected + 1])
  expect([page.status, page.redirect?.href, page.headers['clear-site-data']]).toEqual([307, url, '"cache", "storage"'])
  expect((await alice.follow()).status).toBe(200)
  expect(alice.cookies.of(url).map(({ name }) => name)).not.toContain('left')
})

describe('a browser that no longer knows which workspace it was last at this name', () => {
  const clearing = '"cache", "storage"'
  const isTenant = ({ name }: { readonly name: string }) => name.endsWith('-tenant')
  const evict = (browser: ScriptedBrowser, url: string, isEvicted: (cookie: { readonly name: string }) => boolean) => {
    for (const { name, path } of browser.cookies.of(url).filter(isEvicted))
      browser.cookies.take(`${name}=; Path=${path}; Max-Age=0`, new URL(url))
  }

  test('is cleared by the hand-over, whether all of its cookies went or that one alone', async () => {
    await using world = await createWorld()
    const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    await world.resources.delete(workspaceKind, ref)
    await world.until(() => world.open.workspaces.directory.get(ref) === undefined, 'it is gone')
    await using second = await echoApp('the second')
    await world.workspace({ name: 'nb', owner: 'alice', apps: { 8888: second } })
    for (const isEvicted of [() => true, isTenant]) {
      evict(alice, url, isEvicted)
      alice.cookies.take('left=behind; Path=/', new URL(url))
      const seen = second.requests.length
      const accepted = await alice.navigate(await ticketFor(alice, `${url}deep?x=%2F`))
      expect([accepted.status, accepted.headers['clear-site-data']]).toEqual([303, clearing])
      expect(second.requests.length).toBe(seen)
      const page = await alice.follow()
      expect([page.status, page.url.href]).toEqual([200, `${url}deep?x=%2F`])
      expect(alice.history.length).toBe(2)
      expect(alice.cookies.of(url).map(({ name }) => name)).not.toContain('left')
      const again = await alice.navigate(url)
      expect([again.status, again.headers['clear-site-data']]).toEqual([200, undefined])
    }
    expect(app.requests.length).toBe(1)
    expect(JSON.stringify(second.requests)).not.toContain('left=')
  })

  test('is not sent round for ever when it does not keep that cookie; programs and forms are not sent at all', async () => {
    await using world = await createWorld()
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    const statuses: number[] = []
    for (let round = 0; round < 2; round += 1) {
      evict(alice, url, isTenant)
      statuses.push((await alice.open(url)).status)
    }
    expect(statuses).toEqual([200, 400])
    expect(alice.page.body).toContain('does not keep its cookie')
    evict(alice, url, isTenant)
    const form = { method: 'POST', body: 'a=1', headers: { Origin: new URL(url).origin } }
    expect((await alice.navigate(url, form)).status).toBe(200)
    expect((await alice.fetch(`${url}api`)).status).toBe(200)
    expect(app.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'POST', 'GET'])
  })
})

/** A page of somebody else that logs the visitor out, or ends his sessions: nothing happens without a form of ours. */
import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { cookieFor } from '#test/behaviour/gateway/scene.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'

async function scene() {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await createWorld())
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  const socket = stack.use(await openSocket(alice, url))
  const running = stack.move()
  const own = new URL(world.origin).origin
  // A browser would keep a Lax cookie from most of these by itself; here it comes along with each.
  const { Cookie = '' } = cookieFor(alice, `${world.origin}/`)
  const ask = (path: string, method: string, fields: Record<string, string>, body?: string) => {
    const type: Record<string, string> =
      body === undefined
        ? {}
        : { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': String(body.length) }
    return plainRequest(world.origin + path, {
      method,
      headers: { Cookie, ...type, ...fields },
      ...(body === undefined ? {} : { body }),
    })
  }
  const name = () => world.open.identities.sessions.find(() => true)[0]?.metadata.name ?? ''
  const expectStill = async () => {
    expect(world.open.identities.sessions.find(() => true).map(({ spec }) => spec.username)).toEqual(['alice'])
    expect(socket.isOpen()).toBe(true)
  }
  return { world, url, alice, own, ask, name, expectStill, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

const navigation = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', Accept: 'text/html' }

/** By whom: a foreign site, a workspace of ours (same-site, so SameSite keeps nothing), and pages that hide where they are. */
const foreign = (workspace: string): readonly Record<string, string>[] => [
  { ...navigation, Origin: 'https://evil.test', 'Sec-Fetch-Site': 'cross-site' },
  { ...navigation, Origin: new URL(workspace).origin, 'Sec-Fetch-Site': 'same-site' },
  { ...navigation, Origin: 'null', 'Sec-Fetch-Site': 'cross-site' },
  { ...navigation, 'Sec-Fetch-Site': 'cross-site' },
  { ...navigation, 'Sec-Fetch-Site': 'none' },
  { Origin: 'https://evil.test' },
  { Origin: `${new URL(workspace).protocol}//localhost` },
  {},
]

describe('logging out by a page of somebody else', () => {
  test('#50 by a posted form is refused', async () => {
    await using s = await scene()
    for (const fields of foreign(s.url)) {
      const answer = await s.ask(paths.logout, 'POST', fields, '')
      expect([answer.status, answer.headers['set-cookie']], JSON.stringify(fields)).toEqual([403, undefined])
      await s.expectStill()
    }
    const denied = s.world.audit.filter((event) => event.event === 'deny' && event.reason.startsWith('cross-origin:'))
    expect(denied).toHaveLength(foreign(s.url).length)
  })

  test('#50 by a link asks back; by an image, a script, a frame or a prefetch it does not even do that', async () => {
    await using s = await scene()
    for (const site of ['cross-site', 'same-site', 'none', 'same-origin']) {
      const page = await s.ask(paths.logout, 'GET', { ...navigation, 'Sec-Fetch-Site': site })
      expect([page.status, page.headers['set-cookie']], site).toEqual([200, undefined])
      expect(page.body).toContain('<form method="post"')
      expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'")
    }
    for (const [mode, dest] of [
      ['no-cors', 'image'],
      ['no-cors', 'script'],
      ['cors', 'empty'],
      ['navigate', 'iframe'],
      ['no-cors', 'empty'],
    ] as const) {
      for (const site of ['cross-site', 'same-site']) {
        const fields = { 'Sec-Fetch-Mode': mode, 'Sec-Fetch-Dest': dest, 'Sec-Fetch-Site': site }
        expect((await s.ask(paths.logout, 'GET', fields)).status, `${site} ${dest}`).toBe(403)
      }
    }
    for (const method of ['PUT', 'DELETE', 'PATCH'])
      expect((await s.ask(paths.logout, method, { Origin: s.own })).status, method).toBe(405)
    await s.expectStill()
  })

  test('#50 ending one of his sessions by the form of the page or by the API is refused alike', async () => {
    await using s = await scene()
    for (const fields of foreign(s.url)) {
      const form = await s.ask(paths.sessionEnd, 'POST', fields, `session=${s.name()}`)
      expect(form.status, JSON.stringify(fields)).toBe(403)
      expect((await s.ask(api.session(s.name()), 'DELETE', fields)).status, JSON.stringify(fields)).toBe(403)
    }
    await s.expectStill()
  })

  test('#50 at the issuer is asked back there too, and what is done there without us reaches us by its back channel alone', async () => {
    await using s = await scene()
    const { issuer } = s.world.identityProvider
    const tab = s.alice.tab()
    // Wherever the link is: it is the issuer that asks.
    const asked = await tab.open(`${issuer}/logout?post_logout_redirect_uri=https%3A%2F%2Fevil.test`)
    await s.expectStill()
    expect(asked.url.origin).toBe(issuer)
    await tab.open(`${issuer}/logout`)
    await s.expectStill()
    await tab.submit()
    await s.world.until(() => s.world.open.identities.sessions.find(() => true).length === 0, 'the session is over')
  })
})

test('#50 coming back from a logout without a state, or with a wrong one, is a page that changes nothing', async () => {
  await using s = await scene()
  for (const query of [
    '',
    '?state=',
    '?state=forged',
    '?state=a.b.c',
    `?state=${'x'.repeat(4_000)}`,
    '?state=a&state=b',
  ]) {
    const page = await s.ask(paths.loggedOut + query, 'GET', { ...navigation, 'Sec-Fetch-Site': 'cross-site' })
    expect([page.status, page.headers.location, page.headers['set-cookie']], query).toEqual([200, undefined, undefined])
    expect(page.body).not.toContain('forged')
  }
  await s.expectStill()
})

test('#50 the form of our own page does log out: the refusals above are not for another reason', async () => {
  await using s = await scene()
  const answer = await s.ask(
    paths.logout,
    'POST',
    { ...navigation, Origin: s.own, 'Sec-Fetch-Site': 'same-origin' },
    '',
  )
  expect(answer.status).toBe(303)
  expect(s.world.open.identities.sessions.find(() => true)).toEqual([])
})

/**
 * Cookies of our name that somebody else has planted: a sibling host can set them for the whole domain, and a page for a longer path ("cookie
 * tossing"; RFC 6265bis section 8.6). The one that is ours counts, or none does; never the planter's identity.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cookieValues } from '#http/cookies.ts'
import { signSessionId } from '#identity/session-cookie.ts'
import { parseSessionId } from '#identity/session-id.ts'
import { api } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { echoApp, headersOf } from '#test/support/echo-app.ts'
import { type Outcome, requestText, type Tenants, useTenants } from '#test/support/tenants.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { createWorld } from '#test/support/world.ts'

/** The value of one cookie of a Cookie field. */
function valueIn(cookie: string | undefined, name: string): string {
  const [value] = cookieValues(cookie, name)
  if (value === undefined) throw new Error(`no ${name} in ${cookie}`)
  return value
}

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  /** Alice's cookie at her workspace, and one that is good there as bob, as if he had been let in. */
  function twins({ world, a, bob }: Tenants) {
    const { authenticator, keyRing } = world.open.identities
    const scope = { kind: 'workspace', authority: a.authority, path: a.prefix } as const
    const name = authenticator.cookieName(scope)
    const url = new URL(world.origin)
    const bobs = bob.cookies.header({ url, isSameSite: true, isSafeNavigation: true })
    const ofConsole = authenticator.cookieName({ kind: 'console', authority: url.host, path: '/' })
    const id = parseSessionId(valueIn(bobs, ofConsole).split('.')[1] ?? '')
    if (!id) throw new Error('bob has no session')
    return { name, own: valueIn(a.cookie, name), planted: signSessionId(keyRing, id, scope) }
  }

  /** By a script of the page, with this Cookie field. */
  const ask = (cookie: string): Promise<Outcome> => {
    const { a, attack } = tenants()
    return attack(requestText({ target: `${a.prefix}x`, host: a.authority, cookie }))
  }
  const userSeen = () => headersOf(tenants().a.app.requests.at(-1) ?? { rawHeaders: [] }, 'X-Forwarded-User')

  test('#35 beside one that is not ours, in either order, ours counts', async () => {
    const { name, own } = twins(tenants())
    const flipped = own.slice(0, -1) + (own.endsWith('A') ? 'B' : 'A')
    for (const other of ['x', '', flipped, own.slice(1), `${own}x`, own.replace(/^.{8}/, '0badc0de')]) {
      for (const cookie of [`${name}=${own}; ${name}=${other}`, `${name}=${other}; ${name}=${own}`]) {
        expect((await ask(cookie)).status, cookie).toBe(200)
        expect(userSeen()).toEqual(['alice'])
      }
    }
    expect((await ask(`${name}=${own}; ${name}=${own}`)).status).toBe(200)
  })

  test('#35 of two that are ours, in either order, none counts', async () => {
    const { name, own, planted } = twins(tenants())
    const orders = [
      [own, planted],
      [planted, own],
      ['x', own, planted],
      [planted, 'x', own],
      [own, own, planted],
    ]
    for (const order of orders) {
      const cookie = order.map((value) => `${name}=${value}`).join('; ')
      expect(await ask(cookie), cookie).toEqual({ status: 401, reasons: ['login-needed:malformed'], upstreamBytes: 0 })
    }
    // Each of the two is good by itself; bob has a session, but nothing that lets him in.
    expect((await ask(`${name}=${own}`)).status).toBe(200)
    expect(await ask(`${name}=${planted}`)).toEqual({ status: 403, reasons: ['no-grant'], upstreamBytes: 0 })
  })

  test('#35 a crowd of them is looked at no further than the fourth', async () => {
    const { name, own } = twins(tenants())
    const crowd = (size: number) => Array.from({ length: size }, (_, index) => `${name}=${index}`).join('; ')
    expect((await ask(`${crowd(3)}; ${name}=${own}`)).status).toBe(200)
    expect((await ask(`${crowd(4)}; ${name}=${own}`)).status).toBe(401)
    expect((await ask(`${name}=${own}; ${crowd(200)}`)).status).toBe(200)
  })
})

describe('on HTTPS', () => {
  async function scene() {
    const dir = mkdtempSync(join(tmpdir(), 'gatehouse-twins-'))
    await using stack = new AsyncDisposableStack()
    stack.defer(() => rmSync(dir, { recursive: true, force: true }))
    const ca = createTestCa(dir)
    const files = ca.issue(['ws.example.test', '*.ws.example.test'])
    const tls = { domain: 'ws.example.test', ...files, ca: readFileSync(ca.caFile, 'utf8') }
    const world = stack.use(await createWorld({ tls }))
    const app = stack.use(await echoApp('team/nb'))
    const { url } = await world.workspace({ name: 'nb', owner: 'bob', apps: { 8888: app } })
    const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
    await bob.open(url)
    const running = stack.move()
    const whoami = `${world.origin}${api.whoami}`
    /** Whom the console takes a script of its own page for; `undefined`: nobody. */
    const whoIs = async (browser: ScriptedBrowser, headers: Record<string, string> = {}) => {
      const { status, body } = await browser.fetch(whoami, { headers })
      expect([200, 401]).toContain(status)
      return status === 200 ? JSON.parse(body).username : undefined
    }
    return { world, app, url, alice, bob, whoIs, [Symbol.asyncDispose]: () => running.disposeAsync() }
  }

  test('#35 only the name that no sibling host can set is read; a twin without the prefix, or with another, is nobody’s', async () => {
    await using s = await scene()
    const ownValue = (browser: ScriptedBrowser) =>
      valueIn(browser.tab().cookieHeader(`${s.world.origin}/`), '__Host-gatehouse')
    const [own, planted] = [ownValue(s.alice), ownValue(s.bob)]
    const names = [
      'gatehouse',
      '__Secure-gatehouse',
      '__host-gatehouse',
      '__HOST-gatehouse',
      `gatehouse-${s.world.port}`,
      'gatehouse-443',
    ]
    for (const name of names) {
      for (const Cookie of [
        `${name}=${planted}; __Host-gatehouse=${own}`,
        `__Host-gatehouse=${own}; ${name}=${planted}`,
      ])
        expect(await s.whoIs(s.alice, { Cookie }), Cookie).toBe('alice')
      expect(await s.whoIs(s.alice, { Cookie: `${name}=${planted}` }), name).toBeUndefined()
    }
  })

  test('#35 a workspace can plant no cookie of ours, whatever name and domain its answers and scripts say', async () => {
    await using s = await scene()
    const planted = valueIn(s.bob.tab().cookieHeader(`${s.world.origin}/`), '__Host-gatehouse')
    const tossed = ['__Host-gatehouse', '__Secure-gatehouse', 'gatehouse', '__host-gatehouse'].flatMap((name) => [
      `${name}=${planted}; Domain=ws.example.test; Path=/; Secure`,
      `${name}=${planted}; Domain=ws.example.test; Path=/.gatehouse/; Secure`,
      `${name}=${planted}; Domain=example.test; Path=/; Secure; SameSite=None`,
    ])
    s.app.answer = (_request, response) => {
      response.writeHead(200, { 'Set-Cookie': tossed }).end()
      return true
    }
    const victim = s.bob
    const before = victim.cookies.all()
    const page = await victim.navigate(s.url)
    expect(page.status).toBe(200)
    expect(victim.cookies.all().filter(({ isHostOnly }) => !isHostOnly)).toEqual([])
    expect(victim.cookies.of(s.world.origin)).toEqual(before.filter(({ host }) => host === 'ws.example.test'))
    // What a script writes passes no gateway: then the browser's own rule holds, and the names without it are read by nobody.
    for (const text of tossed) s.alice.cookies.take(text, new URL(s.url))
    const kept = s.alice.cookies.all().filter(({ name }) => name === '__Host-gatehouse')
    expect(kept.map(({ isHostOnly }) => isHostOnly)).toEqual([true])
    expect(await s.whoIs(s.alice)).toBe('alice')
    s.alice.cookies.delete('__Host-gatehouse')
    expect(await s.whoIs(s.alice)).toBeUndefined()
  })
})

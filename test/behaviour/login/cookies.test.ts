import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { Page, ScriptedBrowser } from '#test/support/browser-session.ts'
import { type EchoApp, echoApp, headersOf } from '#test/support/echo-app.ts'
import { createTestCa, type TestCa } from '#test/support/test-ca.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { modes } from '../gateway/scene.ts'

const domain = 'ws.example.test'
const dir = mkdtempSync(join(tmpdir(), 'gatehouse-cookies-'))
let ca: TestCa

beforeAll(() => {
  ca = createTestCa(dir)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** On HTTPS, on a domain as others have one: two workspaces of alice's, one with a second port. */
async function scene(mode: (typeof modes)[number]) {
  await using stack = new AsyncDisposableStack()
  const files = ca.issue([domain, `*.${domain}`])
  const world = stack.use(await createWorld({ mode, tls: { domain, ...files, ca: readFileSync(ca.caFile, 'utf8') } }))
  const apps = {
    a: stack.use(await echoApp('a')),
    side: stack.use(await echoApp('side')),
    b: stack.use(await echoApp('b')),
  }
  const spec = {
    ports: [
      { name: 'lab', port: 8888 },
      { name: 'app', port: 9000 },
    ],
  }
  const a = await world.workspace({ name: 'a', owner: 'alice', spec, apps: { 8888: apps.a, 9000: apps.side } })
  const b = await world.workspace({ name: 'b', owner: 'alice', apps: { 8888: apps.b } })
  const running = stack.move()
  const places = { a: a.url, side: world.url(a.ref, 9000), b: b.url }
  return { world, apps, places, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Every `Set-Cookie` of Gatehouse's on the way. */
async function collect(browser: ScriptedBrowser, world: World, url: string): Promise<readonly string[]> {
  const seen: string[] = []
  const note = ({ headers, url: { host } }: Page) => {
    if (host.endsWith(`${domain}:${world.port}`)) seen.push(...(headers['set-cookie'] ?? []))
  }
  note(await browser.navigate(url))
  for (let hops = 0; hops < 20 && (browser.page.redirect || browser.page.forms.length > 0); hops += 1) {
    if (browser.page.redirect) note(await browser.navigate(browser.page.redirect, { from: browser.page }))
    else if (browser.page.url.hostname === 'idp.localhost')
      note(await browser.submitOnly({ username: 'alice', password: world.identityProvider.password }))
    else break
  }
  expect(browser.page.status).toBe(200)
  return seen
}

describe.each(modes)('in %s mode', (mode) => {
  test('[JK11.1] every cookie of a login is __Host- or bound to its path, HttpOnly, Secure and SameSite=Lax, without a Domain', async () => {
    await using s = await scene(mode)
    const browser = s.world.browser()
    const seen = [...(await collect(browser, s.world, s.places.a)), ...(await collect(browser, s.world, s.places.b))]
    const session = seen.filter((text) => /^__(Host|Secure)-gatehouse=[^;]/.test(text))
    for (const text of seen) {
      const attributes = text.split('; ').slice(1)
      const fixed = attributes.filter((attribute) => !/^(Max-Age|Path)=/.test(attribute)).sort()
      expect(fixed, text).toEqual(['HttpOnly', 'SameSite=Lax', 'Secure'])
      expect(text).toMatch(/^__Host-gatehouse.*; Path=\/;|^__Secure-gatehouse=.*; Path=\/workspaces\/team\/[ab]\/;/)
    }
    const paths = session.map((text) => /; Path=([^;]*)/.exec(text)?.[1])
    expect(paths).toEqual(mode === 'host' ? ['/', '/', '/'] : ['/', '/workspaces/team/a/', '/workspaces/team/b/'])
    expect(browser.page.refusedCookies).toEqual([])
  })

  test('a cookie is worth nothing anywhere but where it was set: console, workspace, port', async () => {
    await using s = await scene(mode)
    const alice = await s.world.as('alice')
    for (const url of Object.values(s.places)) expect((await alice.open(url)).status).toBe(200)
    const urls = { console: `${s.world.origin}/`, ...s.places }
    const values = new Map(Object.entries(urls).map(([name, url]) => [name, sessionValue(alice, url)]))
    expect(new Set(values.values()).size).toBe(4)
    const bytes = () => Object.values(s.apps).reduce((sum, app) => sum + app.bytes(), 0)
    const pairs = Object.entries(urls).flatMap(([name, at]) =>
      [...values].map(([other, value]) => ({ name, at, value, isOwn: name === other, what: `${other} at ${name}` })),
    )
    for (const { name, at, value, isOwn, what } of pairs) {
      await alice.navigate(at)
      const before = bytes()
      const tie = alice.cookies.of(at).find((cookie) => cookie.name === '__Host-gatehouse-browser')?.value
      const headers = {
        Cookie: `__Host-gatehouse=${value}; __Secure-gatehouse=${value}; __Host-gatehouse-browser=${tie}`,
      }
      const { status } = await alice.fetch(name === 'console' ? s.world.origin + api.whoami : `${at}x`, { headers })
      expect([status, bytes() > before], what).toEqual([isOwn ? 200 : 401, isOwn && name !== 'console'])
    }
  })

  test('no cookie of Gatehouse or of the provider reaches a workspace, on a request or an upgrade; the app’s own do, byte for byte', async () => {
    await using s = await scene(mode)
    const { host } = new URL(s.places.a)
    const alice = await s.world.as('alice')
    await alice.open(s.places.a)
    const own = ['_xsrf=2|abc', 'theme="dark mode"', 'x=%20;y=1', 'gatehouser=1', 'host-gatehouse=2']
    for (const text of own)
      for (const pair of text.split(';'))
        alice.cookies.take(`${pair}; Path=/; Secure; SameSite=None`, new URL(s.places.a))
    await alice.navigate(`${s.places.a}lab`)
    using socket = await openSocket(alice, s.places.a, { ws: { ca: readFileSync(ca.caFile, 'utf8') } })
    expect(String(await socket.ask('x'))).toBe('x')
    const sent = alice.cookies.header({ url: new URL(s.places.a), isSameSite: true, isSafeNavigation: true }) ?? ''
    expect(sent).toMatch(/__(Host|Secure)-gatehouse=/)
    const cookies = s.apps.a.requests.slice(-2).map((echo) => headersOf(echo, 'Cookie'))
    expect(cookies).toEqual([[own.join('; ').replace(';y', '; y')], [own.join('; ').replace(';y', '; y')]])
    expect(s.apps.a.requests.flatMap(({ rawHeaders }) => rawHeaders).join('\n')).not.toMatch(
      /__(host|secure)-gatehouse|idp-\d+-/i,
    )
    // The provider's are on a host of their own.
    expect(alice.cookies.of(`https://${host}/`).filter(({ name }) => name.startsWith('idp-'))).toEqual([])
    expect(alice.cookies.of(`${s.world.identityProvider.issuer}/`).length).toBeGreaterThan(0)
  })

  test('cookies that a sibling workspace tosses at the console or at another workspace are ignored', async () => {
    await using s = await scene(mode)
    const alice = await s.world.as('alice')
    await alice.open(s.places.a)
    const mallory = await s.world.as('bob')
    const planted = mallory.cookies.of(s.world.origin).find(({ name }) => name === '__Host-gatehouse')?.value ?? ''
    const tossed = ['__Host-gatehouse', '__Secure-gatehouse', 'gatehouse', `gatehouse-${s.world.port}`].flatMap(
      (name) =>
        ['/', '/.gatehouse', new URL(s.places.a).pathname].map(
          (path) => `${name}=${planted}; Domain=${domain}; Path=${path}; Secure; SameSite=None`,
        ),
    )
    toss(s.apps.b, tossed)
    await alice.open(s.places.b)
    // By a script of that page, which no gateway sees.
    for (const text of tossed) alice.cookies.take(text, new URL(s.places.b))
    await alice.open(`${s.world.origin}${paths.whoami}`)
    expect(JSON.parse((await alice.fetch(s.world.origin + api.whoami)).body).username).toBe('alice')
    const page = await alice.open(s.places.a)
    expect(page.status).toBe(200)
    expect(headersOf(s.apps.a.requests.at(-1) ?? { rawHeaders: [] }, 'X-Forwarded-User')).toEqual(['alice'])
  })
})

function toss(app: EchoApp, cookies: readonly string[]): void {
  app.answer = (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html', 'Set-Cookie': [...cookies] }).end()
    return true
  }
}

/** Of the session cookie that this browser has there. */
function sessionValue(browser: ScriptedBrowser, url: string): string {
  const header = browser.cookies.header({ url: new URL(url), isSameSite: true, isSafeNavigation: true }) ?? ''
  const own = header.split('; ').find((pair) => /^__(Host|Secure)-gatehouse=/.test(pair))
  if (own === undefined) throw new Error(`no session at ${url}`)
  return own.slice(own.indexOf('=') + 1)
}

test('framing of every page of Gatehouse’s own is denied, refusals included', async () => {
  await using s = await scene('host')
  const alice = await s.world.as('alice')
  const stranger = s.world.browser()
  const pages = [
    await alice.navigate(`${s.world.origin}/`),
    await alice.navigate(`${s.world.origin}${paths.whoami}`),
    await alice.navigate(`${s.world.origin}${paths.logout}`),
    await alice.navigate(`${s.world.origin}${paths.loggedOut}`),
    await alice.navigate(`${s.world.origin}/.gatehouse/nothing`),
    await alice.navigate(`${s.world.origin}/.gatehouse/open/team/a`),
    await alice.navigate(`${s.world.origin}/.gatehouse/share/team/a`),
    await alice.navigate(`${s.world.origin}${paths.callback}`),
    await alice.navigate(`https://nothing-orswc3i.${domain}:${s.world.port}/`),
    await stranger.navigate(`${s.places.a}.gatehouse/accept?ticket=x`),
    await stranger.navigate(`${s.places.a}.gatehouse/status`),
  ]
  for (const page of pages) {
    if (page.redirect) continue
    expect(page.headers['content-security-policy'], page.url.href).toContain("frame-ancestors 'none'")
  }
  expect(pages.filter((page) => !page.redirect).length).toBeGreaterThanOrEqual(10)
})

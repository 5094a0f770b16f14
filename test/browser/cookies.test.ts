import type { BrowserContext, Cookie, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { logIn } from '#test/support/chromium.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { type Keeper, keeper, openScene, type Scene } from './isolation-scene.ts'

const isGatehouses = ({ name }: Cookie) => /gatehouse/i.test(name)

const isSessions = ({ name }: Cookie) => /^__(?:Host|Secure)-gatehouse$/.test(name)

/** Who the console takes the browser for; `undefined`: it is led to the login. */
async function whoIs(page: Page, origin: string): Promise<string | undefined> {
  await page.goto(origin + paths.whoami)
  return page.url().startsWith(origin) ? page.locator('.who').innerText() : undefined
}

/** As whom the app was last asked for its front page. */
function lastVisitorOf({ arrived }: Keeper): unknown {
  return arrived.findLast(({ url }) => url === '/')?.headers['x-forwarded-user']
}

/** Plants these cookies from the page's host for all of the domain, each under every name that might be taken for its own. */
async function toss(page: Page, domain: string, cookies: readonly Cookie[]): Promise<void> {
  const pairs = cookies.flatMap(({ name, value }) => {
    const names = [name, name.toLowerCase(), name.replace('__Host-', '__Secure-'), name.replace('__Host-', '')]
    return names.flatMap((one) => [`${one}=${value}`, `=${one}=${value}`, ` ${one} =${value}`])
  })
  await page.evaluate(`
    for (const pair of ${JSON.stringify(pairs)}) {
      for (const path of ['/', '/.gatehouse']) document.cookie = pair + '; Secure; Domain=${domain}; Path=' + path
    }
  `)
}

async function tossedScene(program: string): Promise<Scene & { lair: string; open: { url: string; keeper: Keeper } }> {
  const scene = await openScene(program)
  const { world } = scene
  const spec = { accessType: 'Public' }
  const evil = await keeper('evil')
  const kept = await keeper('open')
  const lair = await world.workspace({ name: 'evil', namespace: 'bob', owner: 'bob', spec, apps: { 8888: evil.app } })
  const open = await world.workspace({ name: 'open', namespace: 'team', spec, apps: { 8888: kept.app } })
  return { ...scene, lair: lair.url, open: { url: open.url, keeper: kept } }
}

async function cookiesOf(context: BrowserContext): Promise<readonly Cookie[]> {
  return (await context.cookies()).filter(isGatehouses)
}

async function forgetAllBut(context: BrowserContext, kept: string): Promise<void> {
  for (const { name, domain } of await context.cookies()) {
    if (domain !== kept) await context.clearCookies({ name, domain })
  }
}

describeWith('openssl', 'with certificates of a test authority', () => {
  describeWith('browser', 'in a real Chromium', (program) => {
    test('[JK22.4] cookies that a sibling host plants for the whole domain make nobody somebody else, and keep nobody from working', async () => {
      await using scene = await tossedScene(program)
      const { world, open } = scene
      const bob = await scene.person('bob')
      await bob.goto(open.url)
      expect(lastVisitorOf(open.keeper)).toBe('bob')
      const his = await cookiesOf(bob.context())
      for (const host of [world.origin, open.url].map((url) => new URL(url).hostname)) {
        const planted = his.filter(({ domain }) => domain === host)
        const alice = await scene.person('alice')
        await alice.goto(scene.lair)
        await toss(alice, '.example.test', planted)
        const taken = (await alice.context().cookies()).filter(({ domain }) => domain === '.example.test')
        expect(taken.map(({ value }) => value)).toContain(planted.find(isSessions)?.value)
        // Whoever is logged in stays who she is, in the console and where she was not before.
        expect(await whoIs(alice, world.origin)).toBe('alice')
        await alice.goto(open.url)
        expect(lastVisitorOf(open.keeper)).toBe('alice')
        // Whoever is not is nobody.
        await forgetAllBut(alice.context(), '.example.test')
        expect(await whoIs(alice, world.origin)).toBeUndefined()
        const before = open.keeper.arrived.length
        await alice.goto(open.url)
        expect(alice.url()).toContain('idp.localhost')
        expect(open.keeper.arrived.length).toBe(before)
        // And can log in.
        await logIn(alice, 'carol', world.identityProvider.password)
        await alice.waitForURL(open.url)
        expect(lastVisitorOf(open.keeper)).toBe('carol')
      }
    }, 60_000)

    test.each([
      { mode: 'host', isPlain: false },
      { mode: 'path', isPlain: false },
      { mode: 'host', isPlain: true },
      { mode: 'path', isPlain: true },
    ] as const)(
      '[JK22.6] no cookie of Gatehouse or of the identity provider reaches an app, only its own do, with $mode URLs, plain HTTP: $isPlain',
      async (options) => {
        await using scene = await openScene(program, options)
        const { world } = scene
        const { app, arrived } = await keeper('app')
        const own = { namespace: 'alice', owner: 'alice' }
        const { url } = await world.workspace({ ...own, name: 'nb', apps: { 8888: app } })
        const alice = await scene.person('alice')
        await alice.goto(url)
        await alice.evaluate(`document.cookie = 'own=of-the-app; Path=/'`)
        await alice.goto(`${url}again`)
        await alice.evaluate(`fetch('secret.txt', { method: 'POST', body: 'x' })`)
        await alice.evaluate(`new Promise((resolve, reject) => {
      const socket = new WebSocket(location.href.replace(/^http/, 'ws'))
      socket.onopen = resolve
      socket.onerror = reject
    })`)
        const cookies = await alice.context().cookies()
        const foreign = cookies.filter(({ name }) => name !== 'own')
        const hosts = new Set(foreign.map(({ domain }) => domain))
        expect(hosts).toEqual(new Set([new URL(world.origin).hostname, 'idp.localhost', new URL(url).hostname]))
        const told = [...arrived.map(({ headers }) => headers), ...app.requests.map(({ rawHeaders }) => rawHeaders)]
        expect(told.length).toBeGreaterThanOrEqual(4)
        const text = JSON.stringify(told)
        for (const { name, value } of foreign) {
          expect([name, text.includes(value)]).toEqual([name, false])
          expect(text).not.toContain(`${name}=`)
        }
        expect(text).toContain('own=of-the-app')
      },
    )
  })
})

import type { BrowserContext, Cookie, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { logIn } from '#test/support/chromium.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { domain, type Keeper, keeper, openScene, type Scene, serveElsewhere } from './isolation-scene.ts'

/** The domain of a cookie that is sent to each of its hosts. */
const everywhere = `.${domain}`

const isGatehouses = ({ name }: Cookie) => /gatehouse/i.test(name)

const isSessions = ({ name }: Cookie) => /^__(?:Host|Secure)-gatehouse$/.test(name)

/** Who the console takes the browser for; `undefined`: it is led to the login. */
async function whoIs(page: Page, origin: string): Promise<string | undefined> {
  await page.goto(origin + paths.whoami)
  return page.url().startsWith(origin) ? page.locator('.who').innerText() : undefined
}

/** As whom the app was last asked for its front page. */
function lastVisitorOf({ arrived }: Keeper): unknown {
  return arrived.findLast(({ url }) => url.endsWith('/'))?.headers['x-forwarded-user']
}

/** Plants these cookies from the page's host for all of the domain, each under every name that might be taken for its own. */
async function toss(page: Page, cookies: readonly Cookie[]): Promise<void> {
  const planted = cookies.flatMap(({ name, value, path }) => {
    const names = [name, name.toLowerCase(), name.replace('__Host-', '__Secure-'), name.replace('__Host-', '')]
    const pairs = names.flatMap((one) => [`${one}=${value}`, `=${one}=${value}`, ` ${one} =${value}`])
    return [path, '/', '/.gatehouse'].flatMap((at) =>
      pairs.map((pair) => `${pair}; Secure; Domain=${everywhere}; Path=${at}`),
    )
  })
  await page.evaluate(`for (const cookie of ${JSON.stringify(planted)}) document.cookie = cookie`)
}

/** A sibling host of the console and of all workspaces: in host mode another workspace, in path mode something else of the domain. */
async function siblingOf(scene: Scene, mode: 'host' | 'path'): Promise<{ readonly url: string } & AsyncDisposable> {
  if (mode === 'path') return serveElsewhere(scene, `blog.${domain}`)
  const { app } = await keeper('evil')
  const spec = { accessType: 'Public' }
  const { url } = await scene.world.workspace({ name: 'evil', owner: 'bob', spec, apps: { 8888: app } })
  return { url, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() }
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
    test.each(['host', 'path'] as const)(
      '[JK22.4] cookies that a sibling host plants for the whole domain make nobody somebody else, and keep nobody from working, in %s mode',
      async (mode) => {
        await using scene = await openScene(program, { mode })
        await using sibling = await siblingOf(scene, mode)
        const { world } = scene
        const kept = await keeper('open')
        const spec = { accessType: 'Public' }
        const open = await world.workspace({ name: 'open', spec, apps: { 8888: kept.app } })
        const bob = await scene.person('bob')
        await bob.goto(open.url)
        expect(lastVisitorOf(kept)).toBe('bob')
        const his = await cookiesOf(bob.context())
        for (const host of [world.origin, open.url].map((url) => new URL(url).hostname)) {
          const planted = his.filter(({ domain }) => domain === host)
          const alice = await scene.person('alice')
          await alice.goto(sibling.url)
          const taken = async () => {
            await toss(alice, planted)
            const cookies = await alice.context().cookies()
            return cookies.flatMap(({ domain, value }) => (domain === everywhere ? [value] : []))
          }
          await expect.poll(taken).toContain(planted.find(isSessions)?.value)
          // Whoever is logged in stays who she is, in the console and where she was not before.
          expect(await whoIs(alice, world.origin)).toBe('alice')
          await alice.goto(open.url)
          expect(lastVisitorOf(kept)).toBe('alice')
          // Whoever is not is nobody.
          await forgetAllBut(alice.context(), everywhere)
          expect(await whoIs(alice, world.origin)).toBeUndefined()
          const before = kept.arrived.length
          await alice.goto(open.url)
          expect(alice.url()).toContain('idp.localhost')
          expect(kept.arrived.length).toBe(before)
          // And can log in.
          await logIn(alice, 'carol', world.identityProvider.password)
          await alice.waitForURL(open.url)
          expect(lastVisitorOf(kept)).toBe('carol')
        }
      },
      60_000,
    )

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

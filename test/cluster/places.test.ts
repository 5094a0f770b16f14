/** Which place is whose: names, addresses, cookies and the way in, by the installed chart on an HTTPS domain, with pods behind it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import type { Page, ScriptedBrowser } from '#test/support/browser-session.ts'
import { kubectl } from '#test/support/cluster.ts'
import { lookupOf } from '#test/support/cluster-site/names.ts'
import { type ClusterSite, openSite, openWhenRunning, type SiteWorkspace } from '#test/support/cluster-site/site.ts'
import type { EchoAnswer } from '#test/support/echo-container.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { refusedSocket } from '#test/support/workspace-socket.ts'
import { cookieFor } from '../behaviour/gateway/scene.ts'
import { attackInCluster } from './isolation.ts'

/** Ways to write one's way up, or across, to another workspace. */
const ups = [
  '../',
  '%2e%2e/',
  '%2E%2E/',
  '.%2e/',
  '..%2f',
  '%2e%2e%2f',
  '/',
  '//',
  '%2f',
  '%2F%2F',
  './',
  '..;/',
  '..%5c',
  '\\',
]

/** Raw targets below, or glued to, a prefix that mean `other` to a careless reader. */
function spellings(prefix: string, other: string): readonly string[] {
  const tails = ups.flatMap((up) => [up, up.repeat(3) + other, `lab/${up.repeat(4)}${other}`, `${up}nb/`])
  const glued = prefix === '/' ? [] : tails.map((tail) => prefix.slice(0, -1) + tail)
  return [...tails.map((tail) => prefix + tail), ...glued]
}

/** Every page up to the app, with alice's login on the way where it is asked for. */
async function wayIn(browser: ScriptedBrowser, url: string, password: string): Promise<readonly Page[]> {
  const pages = [await browser.navigate(url)]
  while (browser.page.redirect || browser.page.forms.length > 0) {
    const { page } = browser
    if (page.redirect) pages.push(await browser.navigate(page.redirect, { from: page }))
    else pages.push(await browser.submitOnly({ username: 'alice', password }))
  }
  return pages
}

interface SetCookie {
  readonly name: string
  readonly value: string
  readonly path: string
  /** Beside its path and its age. */
  readonly others: readonly string[]
}

/** To this very host, or to the path of a workspace; never for scripts, without TLS, or for other sites' requests. */
function isBound({ name, path, others }: SetCookie, prefixes: readonly string[]): boolean {
  const isPlaced = name.startsWith('__Host-gatehouse')
    ? path === '/'
    : name === '__Secure-gatehouse' && prefixes.includes(path)
  return isPlaced && others.join() === 'HttpOnly,SameSite=Lax,Secure'
}

function attributesOf(text: string): SetCookie {
  const [pair = '', ...attributes] = text.split('; ')
  const [name = '', value = ''] = pair.split('=', 2)
  const others = attributes.filter((attribute) => !/^(Max-Age|Path)=/.test(attribute)).sort()
  return { name, value, others, path: /; Path=([^;]*)/.exec(text)?.[1] ?? '' }
}

describeWith('helm', 'places in a cluster', () => {
  describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
    let site: ClusterSite
    let alice: ScriptedBrowser
    let own: SiteWorkspace
    let namesake: SiteWorkspace

    beforeAll(async () => {
      site = await openSite({ replicas: 1, mode, hasElsewhere: true })
      own = await site.workspace('nb', { owner: 'alice' })
      namesake = await site.workspace('nb', { owner: 'alice', namespace: site.elsewhere })
      alice = await site.as('alice')
      await openWhenRunning(alice.tab(), own.url)
      await openWhenRunning(alice.tab(), namesake.url)
    }, 120_000)

    afterAll(() => site[Symbol.asyncDispose]())

    const reach = () => ({ address: site.address, ca: site.caText })
    const sockets = () => ({ lookup: lookupOf((name) => site.addressOf(name)), ws: { ca: site.caText } })
    const echoOf = ({ body }: Pick<Page, 'body'>): EchoAnswer => JSON.parse(body)
    /** A program with this browser's cookies for that place. */
    const ask = (browser: ScriptedBrowser, url: string, target?: string) =>
      plainRequest(url, { headers: cookieFor(browser, url), ...reach(), ...(target === undefined ? {} : { target }) })

    test('[SP1.1] a navigation without a cookie is redirected to the issuer, with state, nonce and an S256 challenge', async () => {
      const browser = site.browser()
      const toTheIssuer = async () => {
        const statuses: number[] = []
        let page = await browser.navigate(`${own.url}lab`, { headers: { Accept: 'text/html' } })
        for (; page.url.hostname !== `idp.${site.namespace}.svc`; page = await browser.navigate(page.redirect ?? '')) {
          statuses.push(page.status)
        }
        return { statuses, asked: page.url.searchParams }
      }
      const [first, second] = [await toTheIssuer(), await toTheIssuer()]
      expect(first.statuses.length).toBeGreaterThan(0)
      expect(first.statuses.every((status) => status === 302)).toBe(true)
      expect(Object.fromEntries(first.asked)).toMatchObject({
        response_type: 'code',
        client_id: 'gatehouse',
        redirect_uri: site.origin + paths.callback,
        code_challenge_method: 'S256',
        code_challenge: expect.stringMatching(/^[\w-]{43}$/),
        state: expect.stringMatching(/^.{22,}$/),
        nonce: expect.stringMatching(/^.{22,}$/),
      })
      for (const secret of ['state', 'nonce', 'code_challenge'])
        expect(second.asked.get(secret)).not.toBe(first.asked.get(secret))
    })

    test('[SP1.2] [JK2.1] after the login, by a code and the proof of who asked for it, the pod answers at the original deep link; a script, curl and a WebSocket without a cookie get 401, never 302', async () => {
      const deep = `${own.url}lab/tree/a%20b.ipynb?reset&x=%2F`
      const browser = site.browser()
      const exchanges = async () => (await site.provider.asked())['/token'] ?? 0
      const before = await exchanges()
      const pages = await wayIn(browser, deep, site.password)
      const { page } = browser
      expect([page.status, page.url.href]).toEqual([200, deep])
      const { pathname, search } = new URL(deep)
      expect(echoOf(page)).toMatchObject({ url: pathname + search, headers: { 'X-Forwarded-User': 'alice' } })
      const back = pages.find(({ url }) => url.pathname === paths.callback)
      expect([...(back?.url.searchParams.keys() ?? [])].sort()).toEqual(['code', 'iss', 'state'])
      expect(await exchanges()).toBe(before + 1)
      // That issuer gives nobody a code who has no proof to come.
      const unproved = new URL(pages.find(({ url }) => url.searchParams.has('code_challenge'))?.url ?? deep)
      for (const name of ['code_challenge', 'code_challenge_method']) unproved.searchParams.delete(name)
      const { redirect } = await site.browser().navigate(unproved)
      expect(redirect?.searchParams.get('error_description')).toContain('PKCE')

      const stranger = site.browser()
      await stranger.navigate(site.origin + paths.loggedOut)
      const answers = [
        await stranger.fetch(deep),
        await stranger.fetch(deep, { method: 'POST', body: 'x' }),
        await plainRequest(deep, reach()),
        await plainRequest(deep, { ...reach(), headers: { Accept: '*/*', 'User-Agent': 'curl/8.5.0' } }),
        await plainRequest(deep, {
          ...reach(),
          headers: { Accept: 'text/html', 'X-Requested-With': 'XMLHttpRequest' },
        }),
        await refusedSocket(undefined, deep, sockets()),
      ]
      for (const { status, headers, body } of answers) {
        expect([status, headers.location, headers['content-type']]).toEqual([
          401,
          undefined,
          'application/problem+json',
        ])
        expect(JSON.parse(body)).toMatchObject({ code: 'unauthorized', status: 401 })
      }
    })

    test('[JK1.1] the same name in two namespaces is two pods, each of which answers for itself alone', {
      timeout: 60_000,
    }, async () => {
      const his = await site.workspace('his', { owner: 'bob', namespace: site.elsewhere })
      const hers = await site.workspace('his', { owner: 'alice' })
      await openWhenRunning(alice.tab(), hers.url)
      const bob = await site.as('bob')
      await openWhenRunning(bob, his.url)
      const uidOf = ({ ref: { namespace, name } }: SiteWorkspace) => {
        const selector = `workspace.jupyter.org/workspace-name=${name}`
        return kubectl(['-n', namespace, 'get', 'pods', '-l', selector, '-o', 'jsonpath={.items[*].metadata.uid}'])
      }
      const podAt = async (browser: ScriptedBrowser, { url }: SiteWorkspace) => echoOf(await ask(browser, url)).pod
      for (const one of [own, namesake, hers]) expect(await podAt(alice, one)).toBe(await uidOf(one))
      expect(await podAt(bob, his)).toBe(await uidOf(his))
      expect(new Set(await Promise.all([own, namesake, hers, his].map(uidOf))).size).toBe(4)
      // The cookie of one opens no other, not even of the same owner.
      for (const [from, to] of [
        [own, namesake],
        [namesake, own],
        [hers, his],
      ] as const) {
        const answer = await plainRequest(to.url, { headers: cookieFor(alice, from.url), ...reach() })
        expect(answer.status).toBe(401)
      }
      expect((await alice.tab().open(his.url)).status).toBe(403)
      expect((await bob.tab().open(hers.url)).status).toBe(403)
    })

    test('[JK1.4] no spelling of dots and slashes leaves the prefix: it is refused, or goes on to the same pod as it is', {
      timeout: 60_000,
    }, async () => {
      const prefix = new URL(own.url).pathname
      const { pod } = echoOf(await ask(alice, own.url))
      const targets = spellings(prefix, `workspaces/${site.elsewhere}/nb/`)
      const statuses = new Set<number>()
      for (const target of targets) {
        const answer = await ask(alice, own.url, target)
        statuses.add(answer.status)
        if (answer.status !== 200) continue
        expect([target, echoOf(answer).pod, echoOf(answer).url]).toEqual([target, pod, target])
        expect(new URL(target, 'http://reader.test').pathname.startsWith(prefix), target).toBe(true)
      }
      expect(statuses).toContain(200)
      expect(statuses).toContain(400)
    })

    test('[JK11.1] every cookie of a login is __Host- or bound to its path, HttpOnly, Secure and SameSite=Lax, without a Domain', async () => {
      const browser = site.browser()
      const places = [own, namesake].map(({ url }) => url)
      const pages: Page[] = []
      for (const url of places) {
        pages.push(...(await wayIn(browser, url, site.password)))
        expect([browser.page.status, browser.page.refusedCookies]).toEqual([200, []])
      }
      const ours = pages.filter(({ url }) => url.hostname.endsWith('ws.example.test'))
      const seen = ours.flatMap(({ headers }) => headers['set-cookie'] ?? []).map(attributesOf)
      const prefixes = places.map((url) => new URL(url).pathname)
      expect(seen.length).toBeGreaterThan(3)
      expect(seen.filter((cookie) => !isBound(cookie, prefixes))).toEqual([])
      const sessions = seen.filter(({ name, value }) => /^__(Host|Secure)-gatehouse$/.test(name) && value !== '')
      expect(sessions.map(({ path }) => path)).toEqual(mode === 'host' ? ['/', '/', '/'] : ['/', ...prefixes])
    })

    describeWith('browser', 'in a real Chromium', (program) => {
      const bound = { timeout: 180_000 }
      if (mode === 'host')
        test(
          '[JK22.2] a page of one pod can neither read nor change another one, the console or the API as its visitor, whatever SameSite says',
          bound,
          () => attackInCluster(program, site),
        )
      else
        test(
          '[JK22.3] it can reach neither the console nor the API; the README says what workspaces can do to each other there',
          bound,
          async () => {
            await attackInCluster(program, site)
            const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8')
            expect(readme).toMatch(/Path mode cannot protect workspaces from each other\..*They share one origin/s)
          },
        )
    })

    if (mode === 'path')
      test('[JK1.2] the cookie of a workspace is refused at one whose path begins with its own', {
        timeout: 60_000,
      }, async () => {
        const foo = await site.workspace('foo', { owner: 'alice' })
        const foobar = await site.workspace('foobar', { owner: 'alice' })
        for (const { url } of [foo, foobar]) await openWhenRunning(alice.tab(), url)
        expect(new URL(foobar.url).pathname.startsWith(new URL(foo.url).pathname.slice(0, -1))).toBe(true)
        const [fooCookie, foobarCookie] = [cookieFor(alice, foo.url), cookieFor(alice, foobar.url)]
        expect(fooCookie).not.toEqual(foobarCookie)
        const at = (headers: Record<string, string>) => plainRequest(`${foobar.url}x`, { headers, ...reach() })
        expect((await at(fooCookie)).status).toBe(401)
        expect((await refusedSocket(undefined, foobar.url, { ...sockets(), headers: fooCookie })).status).toBe(401)
        expect((await at({ ...fooCookie, Accept: 'text/html' })).status).toBe(302)
        expect((await at(foobarCookie)).status).toBe(200)
      })

    if (mode === 'host')
      test('[JK1.3] a name that a label cannot bear gets a host by its hash, which is the same after a restart', {
        timeout: 60_000,
      }, async () => {
        const name = `${'long-'.repeat(8)}name`
        const { url } = await site.workspace(name, { owner: 'alice' })
        const { hostname } = new URL(url)
        expect(hostname).toMatch(/^long-long-long-long-0[a-z2-7]{26}\.ws\.example\.test$/)
        expect(echoOf(await openWhenRunning(alice.tab(), url)).headers.Host).toBe(new URL(url).host)
        await site.ours(['delete', 'pod', ...site.replicas.map(({ pod }) => pod)])
        const [replica] = await site.findReplicas()
        if (!replica) throw new Error('no replica')
        const page = await openWhenRunning(site.through(replica, alice), `${url}again`)
        expect([page.url.hostname, echoOf(page).url]).toEqual([hostname, '/again'])
        expect(new URL(site.url(`${name}x`)).hostname).not.toBe(hostname)
      })
  })
})

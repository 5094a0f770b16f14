/** What workspaces cannot do to each other and to Gatehouse, although they are one site: the installed chart on an HTTPS domain, with pods. */
import { beforeAll, expect, test } from 'vitest'
import { api, loginPath, openPath, paths, sharePath } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { lookupOf } from '#test/support/cluster-site/names.ts'
import { type ClusterSite, openWhenRunning, type SiteWorkspace } from '#test/support/cluster-site/site.ts'
import type { EchoAnswer } from '#test/support/echo-container.ts'
import { hearing } from '#test/support/hearing-app.ts'
import { knownOperations, ownOperations } from '#test/support/operation-paths.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { until } from '#test/support/until.ts'
import { refusedSocket } from '#test/support/workspace-socket.ts'
import { cookieFor } from '../behaviour/gateway/scene.ts'

const domain = 'ws.example.test'

/** A stolen cookie for every host of the domain, under each name that might be taken for its own. */
function tossed({ name, value }: { readonly name: string; readonly value: string }): readonly string[] {
  const names = [name, name.toLowerCase(), name.replace('__Host-', '__Secure-'), name.replace('__Host-', '')]
  return names.flatMap((as) =>
    ['/', '/.gatehouse', '/x'].map((path) => `${as}=${value}; Domain=${domain}; Path=${path}; Secure; SameSite=None`),
  )
}

export function betweenPlaces(siteOf: () => ClusterSite): void {
  let site: ClusterSite
  let alice: ScriptedBrowser
  let bob: ScriptedBrowser
  let own: SiteWorkspace
  let open: SiteWorkspace
  let ears: SiteWorkspace

  beforeAll(async () => {
    site = siteOf()
    own = await site.workspace('own', { owner: 'alice' })
    open = await site.workspace('open', { owner: 'bob', spec: { accessType: 'Public' } })
    ears = await site.workspace('ears', { owner: 'bob', container: hearing, spec: { accessType: 'Public' } })
    alice = await site.as('alice')
    bob = await site.as('bob')
    for (const { url } of [own, open, ears]) await openWhenRunning(alice.tab(), url)
    await openWhenRunning(bob.tab(), open.url)
  }, 120_000)

  const sockets = () => ({ lookup: lookupOf((name) => site.addressOf(name)), ws: { ca: site.caText } })

  test('[JK22.1] a WebSocket with another origin is refused with 403, a sibling workspace’s and the console’s as well', async () => {
    const foreign = ['https://evil.example', 'null', new URL(open.url).origin, site.origin, `http://own.${domain}`]
    for (const origin of foreign) {
      const refused = await refusedSocket(alice, own.url, { ...sockets(), headers: { Origin: origin } })
      expect([origin, refused.status]).toEqual([origin, 403])
    }
    using socket = await site.socket(alice, own.url)
    expect((await socket.ask('mine')).toString()).toBe('mine')
  })

  test('[JK22.4] cookies that a sibling host plants for the whole domain make nobody somebody else', async () => {
    const visitor = site.browser()
    await visitor.open(`${site.origin}/`)
    await visitor.login('alice', site.password)
    await visitor.open(open.url)
    for (const place of [site.origin, open.url]) {
      const planted = bob.cookies.of(place).filter(({ name }) => /gatehouse/i.test(name))
      expect(planted.length).toBeGreaterThan(0)
      for (const cookie of planted.flatMap(tossed)) visitor.cookies.take(cookie, new URL(ears.url))
    }
    expect(visitor.cookieHeader(open.url)).toContain('__Secure-gatehouse=')
    await visitor.open(site.origin + paths.whoami)
    expect(JSON.parse((await visitor.fetch(site.origin + api.whoami)).body).username).toBe('alice')
    for (const url of [open.url, `${open.url}x`]) {
      const echo: EchoAnswer = JSON.parse((await visitor.open(url)).body)
      expect(echo.headers['X-Forwarded-User']).toBe('alice')
    }
    // Who is not logged in is nobody, whatever was planted.
    const stranger = site.browser()
    const [his] = bob.cookies.of(site.origin).filter(({ name }) => name === '__Host-gatehouse')
    for (const as of ['__Secure-gatehouse', 'gatehouse'])
      stranger.cookies.take(`${as}=${his?.value}; Domain=${domain}; Path=/; Secure`, new URL(ears.url))
    expect((await stranger.navigate(site.origin + paths.whoami)).status).toBe(302)
    expect((await stranger.navigate(own.url)).status).toBe(302)
  })

  test('[JK22.5] none of Gatehouse’s own pages may be framed', async () => {
    const { ref } = own
    const here = [
      '/',
      paths.whoami,
      paths.workspaceList,
      loginPath({ to: '/' }),
      paths.logout,
      paths.loggedOut,
      paths.callback,
    ]
    const further = [paths.handover, paths.cliAuthorize, openPath(ref), sharePath(ref), api.whoami, '/no-such-page']
    const onHosts = [paths.accept, paths.status, '/.gatehouse/else'].map((path) => new URL(path, open.url).href)
    const urls = [
      ...[...here, ...further].map((path) => site.origin + path),
      ...onHosts,
      `https://none-orswc3i.${domain}:${site.port}/`,
    ]
    const stranger = site.browser()
    let pages = 0
    for (const url of urls) {
      for (const page of [await alice.tab().navigate(url), await stranger.navigate(url)]) {
        if (page.redirect) continue
        pages += 1
        expect([url, page.headers['content-security-policy']]).toEqual([
          url,
          expect.stringContaining("frame-ancestors 'none'"),
        ])
      }
    }
    expect(pages).toBeGreaterThan(15)
  })

  test('[JK6.3] no path for debugging or operation is there for anybody who comes by the Service, which leads to no other port; where those who run it look there is health, metrics and nothing else', async () => {
    const carol = await site.as('carol')
    await carol.open(open.url)
    const own = ['/healthz', '/readyz', '/metrics']
    const reach = { address: site.address, ca: site.caText }
    const statuses = async (origin: string, targets: readonly string[], headers = {}) => {
      const asked = targets.flatMap((path) => ['GET', 'POST'].map((method) => ({ method, path })))
      const answers = asked.map(({ method, path }) => plainRequest(origin + path, { ...reach, method, headers }))
      return new Set((await Promise.all(answers)).map(({ status }) => status))
    }
    expect(await statuses(site.origin, [...knownOperations, ...ownOperations])).toEqual(new Set([404]))
    const asAdministrator = { Cookie: carol.cookieHeader(site.origin) ?? '', Origin: site.origin }
    expect(await statuses(site.origin, [...knownOperations, ...ownOperations], asAdministrator)).toEqual(new Set([404]))
    const { origin } = new URL(open.url)
    const asVisitor = { ...cookieFor(carol, open.url), Origin: origin }
    expect(await statuses(origin, ownOperations, asVisitor)).toEqual(new Set([404]))
    const { spec } = JSON.parse(await site.ours(['get', 'service', site.namespace, '-o', 'json']))
    expect(spec.ports.map(({ port }: { port: number }) => port)).toEqual([site.port])
    const [replica] = site.replicas
    const operations = await Promise.all(
      [...knownOperations, ...ownOperations].map(async (path) => {
        const { status } = await plainRequest(`http://${replica?.address}:8802${path}`, {
          address: replica?.address ?? '',
        })
        return { path, status }
      }),
    )
    expect(
      operations
        .filter(({ status }) => status !== 404)
        .map(({ path }) => path)
        .sort(),
    ).toEqual([...own].sort())
  })

  test('[JK22.6] no cookie of the identity provider or of Gatehouse reaches a workspace, only its own do', async () => {
    const idp = `https://idp.${site.namespace}.svc/`
    const visitor = alice.tab()
    visitor.cookies.take('own=of-the-app; Path=/; Secure', new URL(ears.url))
    await visitor.navigate(`${ears.url}navigated`)
    await visitor.fetch(`${ears.url}fetched`, { method: 'POST', body: 'x' })
    // It answers 200 instead of opening one.
    expect((await refusedSocket(visitor, `${ears.url}upgraded`, sockets())).status).toBe(200)
    const heard = await until(async () => {
      const text = await site.kubectl(['logs', 'deployment/workspace-ears'])
      return ['navigated', 'fetched', 'upgraded'].every((path) => text.includes(`/${path}`)) ? text : undefined
    })
    expect(heard.match(/own=of-the-app/g)?.length).toBeGreaterThanOrEqual(3)
    const foreign = [site.origin, ears.url, idp].flatMap((url) => visitor.cookies.of(url))
    const hidden = foreign.filter(({ name }) => name !== 'own')
    expect(hidden.length).toBeGreaterThan(2)
    for (const { name, value } of hidden) {
      expect([name, heard.includes(`${name}=`)]).toEqual([name, false])
      expect([name, value !== '' && heard.includes(value)]).toEqual([name, false])
    }
  })
}

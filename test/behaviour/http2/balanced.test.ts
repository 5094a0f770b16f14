/** HTTP/2 in TLS behind a balancer that speaks PROXY v2: who the client is, and logging out. */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseNetwork } from '#lib/network.ts'
import { api, paths } from '#surface/urls.ts'
import { thisMachine } from '#test/support/browser-session.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { freePort } from '#test/support/free-port.ts'
import { formsOf } from '#test/support/page-form.ts'
import { openProxiedHttp2 } from '#test/support/proxied-http2.ts'
import { proxyHeader, proxyHeaderFrom } from '#test/support/proxy-header.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { modes, revocationBound } from '../gateway/scene.ts'

const domain = 'gatehouse.example.test'
/** Where the browser is, as the balancer tells it. */
const client = '203.0.113.7'

interface BalancedWorld extends AsyncDisposable {
  readonly world: World
  readonly ca: string
  /** Where balancers connect; browsers that are next door connect to the world's own port. */
  readonly port: number
}

async function balancedWorld(mode: 'host' | 'path'): Promise<BalancedWorld> {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'gh-balanced-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const authority = createTestCa(folder)
  const { certFile, keyFile } = authority.issue([domain, `*.${domain}`])
  const ca = readFileSync(authority.caFile, 'utf8')
  const port = await freePort()
  const trusted = ['127.0.0.1'].flatMap((text) => parseNetwork(text) ?? [])
  const world = opened.use(
    await createWorld({
      mode,
      tls: { domain, certFile, keyFile, ca },
      settings: (all) => ({
        ...all,
        listeners: all.listeners.flatMap((one) => [one, { ...one, port, proxyProtocol: { trusted } }]),
      }),
    }),
  )
  const running = opened.move()
  return { world, ca, port, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

describeWith('openssl', 'with certificates of a test authority', () => {
  test.each(modes)(
    'in %s mode every stream behind the PROXY header is of the client that it names, and who logs out by one is out everywhere',
    async (mode) => {
      await using balanced = await balancedWorld(mode)
      const { world, ca, port } = balanced
      const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
      const alice = await world.as('alice')
      await alice.open(url)
      using socket = await openSocket(alice, url, { lookup: thisMachine, ws: { ca } })
      const at = (of: string) => {
        const { host, origin, pathname, search } = new URL(of)
        const target = { ':scheme': 'https', ':authority': host, ':path': pathname + search }
        return { ...target, cookie: alice.cookieHeader(of) ?? '', origin }
      }
      const console = `${world.origin}/`
      const greeting = proxyHeaderFrom(client, 40_000)
      using http2 = await openProxiedHttp2({ port, greeting, servername: domain, ca })

      const answers = await Promise.all(
        ['a', 'b', 'c'].map((path) => http2.ask({ ...at(`${url}${path}`), 'x-forwarded-for': '6.6.6.6' })),
      )
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
      const told = app.requests.filter(({ url: asked }) => /\/[abc]$/.test(asked))
      expect(told.map((echo) => headersOf(echo, 'X-Forwarded-For'))).toEqual([[client], [client], [client]])

      app.answer = (request, response) =>
        request.url?.endsWith('/stream') === true && response.write('more') !== undefined
      const stream = http2.open(at(`${url}stream`))
      await new Promise((resolve) => stream.once('data', resolve))
      const streamEnded = new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode)))

      const page = await http2.ask(at(console))
      const form = formsOf(page.body).find(({ action }) => action === paths.logout)
      const type = 'application/x-www-form-urlencoded'
      const posted = { ...at(world.origin + paths.logout), ':method': 'POST', 'content-type': type }
      const body = new URLSearchParams([...(form?.fields ?? [])]).toString()
      // Of a page of somebody else's, it is not asked for.
      expect((await http2.ask({ ...posted, origin: 'https://elsewhere.test' }, body)).status).toBe(403)
      expect((await http2.ask(at(world.origin + api.whoami))).status).toBe(200)

      const began = performance.now()
      const left = await http2.ask(posted, body)
      expect(left.status).toBe(303)
      expect(new URL(String(left.headers.location)).origin).toBe(world.identityProvider.issuer)
      expect(await socket.closed).toMatchObject({ code: 1008, reason: 'session ended' })
      expect(await streamEnded).not.toBe(constants.NGHTTP2_NO_ERROR)
      expect(performance.now() - began).toBeLessThan(revocationBound)
      // By the connection that went on.
      const after = await Promise.all([http2.ask(at(world.origin + api.whoami)), http2.ask(at(url))])
      expect(after.map(({ status }) => status)).toEqual([401, 401])
      expect(world.audit).toContainEqual(expect.objectContaining({ event: 'logout', user: 'alice', client }))
      expect(world.open.identities.sessions.find(() => true).map(({ spec }) => spec.username)).toEqual([])
    },
    60_000,
  )

  test('whoever says nothing, or something else, in front of TLS gets no TLS; a balancer that speaks for itself is itself', async () => {
    await using balanced = await balancedWorld('host')
    const { world, ca, port } = balanced
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    const bad = [new Uint8Array(0), proxyHeader(0x11, 0x11, []), Buffer.from('PROXY TCP4 6.6.6.6 10.0.0.1 1 2\r\n')]
    for (const greeting of bad)
      await expect(openProxiedHttp2({ port, greeting, servername: domain, ca })).rejects.toThrow()
    using http2 = await openProxiedHttp2({ port, greeting: proxyHeader(0x20, 0, []), servername: domain, ca })
    const { host } = new URL(url)
    const cookie = alice.cookieHeader(url) ?? ''
    const answer = await http2.ask({ ':scheme': 'https', ':authority': host, ':path': '/own', cookie })
    expect(answer.status).toBe(200)
    const own = app.requests.findLast(({ url: asked }) => asked === '/own')
    expect(headersOf(own ?? { rawHeaders: [] }, 'X-Forwarded-For')).toEqual(['127.0.0.1'])
  })
})

import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { api } from '#surface/urls.ts'
import { startDemo } from '#test/support/demo-process.ts'
import { freePort } from '#test/support/free-port.ts'
import { askApi, createLaptopSite, eventually, type LaptopSite, startWorkspace } from '#test/support/laptop-site.ts'
import { proxyHeaderFrom } from '#test/support/proxy-header.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { tcpRelay } from '#test/support/tcp-relay.ts'
import { createTestCa } from '#test/support/test-ca.ts'

const domain = 'gatehouse.example.test'
const files = { namespace: 'alice', name: 'files' }
/** Where the browsers are, as the balancer tells it. */
const client = '203.0.113.7'

interface BalancedSite extends AsyncDisposable {
  readonly site: LaptopSite
  /** The settings file. */
  readonly settings: string
}

/** A laptop on a domain of its own, behind a balancer that speaks PROXY v2 to it and leaves TLS alone. */
async function balancedSite(mode: 'host' | 'path'): Promise<BalancedSite> {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'gh-https-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const front = await freePort()
  const authority = createTestCa(folder)
  const certificate = authority.issue([domain, `*.${domain}`])
  const https = { domain, port: front, ca: readFileSync(authority.caFile, 'utf8') }
  const site = opened.use(await createLaptopSite({ samples: [], mode, https }))
  const greeting = proxyHeaderFrom(client, 40_000)
  opened.use(await tcpRelay({ host: '127.0.0.1', port: site.port }, { port: front, greeting }))
  const proxyProtocol = { trusted: ['127.0.0.1/32'] }
  const listener = { kind: 'tls', host: '127.0.0.1', port: site.port, certificates: [certificate], proxyProtocol }
  const settings = join(folder, 'settings.yaml')
  const external = { scheme: 'https', port: front }
  await writeFile(settings, stringify({ domain, external, listeners: [listener] }))
  const running = opened.move()
  return { site, settings, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

describeWith('openssl', 'in TLS, on a domain of its own, behind a balancer that speaks PROXY v2', () => {
  test.each(['host', 'path'] as const)(
    'a settings file is all it takes in %s mode: login and workspace, strict cookies, the true client, logout from the provider',
    async (mode) => {
      await using balanced = await balancedSite(mode)
      const { site, settings } = balanced
      await site.declare(files)
      await using demo = await startDemo(site, { flags: ['--settings', settings] })
      expect(demo.printed()).toContain(`open        ${site.origin}\n`)
      const alice = await site.as('alice')
      expect([alice.page.status, alice.page.url.href]).toEqual([200, `${site.origin}/`])
      await startWorkspace(site, alice, files)
      const page = await alice.open(site.url(files))
      expect([page.status, page.body]).toEqual([200, expect.stringContaining('Directory listing')])

      const atGatehouse = alice.cookies.all().filter(({ host }) => host.endsWith(domain))
      expect(atGatehouse.length).toBeGreaterThan(1)
      for (const cookie of atGatehouse) {
        const isOfPath = cookie.path !== '/'
        expect(cookie.name).toMatch(isOfPath ? /^__Secure-/ : /^__Host-/)
        expect(cookie).toMatchObject({ isSecure: true, isHttpOnly: true, isHostOnly: true })
        expect(isOfPath && mode === 'host').toBe(false)
      }
      const audit = async () =>
        (await readFile(join(site.home, 'logs', 'audit.log'), 'utf8'))
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      expect(await audit()).toContainEqual(expect.objectContaining({ event: 'login', user: 'alice', client }))

      const provider = alice.tab()
      await provider.open(`http://idp.localhost:${site.port + 1}/logout`)
      expect((await provider.submit()).body).toContain('You are logged out')
      const answer = () => askApi(site, alice, 'GET', api.whoami)
      await eventually(async () => (await answer()).status === 401, 'the session has ended')
      expect(await audit()).toContainEqual(
        expect.objectContaining({ event: 'session-ended', user: 'alice', reason: 'logged-out-at-issuer' }),
      )
      await alice.open(site.url(files))
      expect([alice.page.url.hostname, alice.page.forms[0]?.fields.has('password')]).toEqual(['idp.localhost', true])
    },
    60_000,
  )
})

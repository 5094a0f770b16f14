/** What a client claims about the way it came: believed by nobody unless it was said whom to believe (CVE-2026-40575, CVE-2026-55430). */
import { describe, expect, test } from 'vitest'
import { parseNetwork } from '#lib/network.ts'
import { insecureChoices } from '#settings/insecure.ts'
import { loadSettings } from '#settings/load.ts'
import type { Settings } from '#settings/settings.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { requestText, useTenants } from '#test/support/tenants.ts'

const claims = [
  ...['X-Forwarded-For', '203.0.113.9', 'X-Forwarded-Host', 'evil.test', 'X-Forwarded-Proto', 'https'],
  ...['X-Forwarded-Port', '6666', 'X-Forwarded-Prefix', '/evil', 'X-Forwarded-Uri', '/workspaces/team/b/'],
  ...['X-Forwarded-Method', 'DELETE', 'X-Forwarded-Server', 'evil.test', 'X-Forwarded-Path', '/evil'],
  ...['X-Forwarded-User', 'evil', 'X-Forwarded-Email', 'evil', 'X-Forwarded-Groups', 'evil', 'X-Forwarded-Ssl', 'on'],
  ...['X-Forwarded-Context', '/evil', 'X-Forwarded-Access-Token', 'evil', 'X-Forwarded-Preferred-Username', 'evil'],
  ...[
    'Forwarded',
    'for=203.0.113.9;host=evil.test;proto=https',
    'X-Real-IP',
    '203.0.113.9',
    'True-Client-IP',
    '203.0.113.9',
  ],
  ...['X-Client-IP', '203.0.113.9', 'X-Cluster-Client-IP', '203.0.113.9', 'X-Original-URL', '/workspaces/team/b/'],
  ...['X-Original-Host', 'evil.test', 'X-Rewrite-URL', '/workspaces/team/b/', 'X-Envoy-Original-Path', '/evil'],
  ...[
    'X-Envoy-External-Address',
    '203.0.113.9',
    'X-Scheme',
    'https',
    'X-URL-Scheme',
    'https',
    'X-Original-Forwarded-For',
    'evil',
  ],
]
const claimed = /evil|203\.0\.113\.9|6666|workspaces\/team\/b|https|DELETE/

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#21 from a peer that is not trusted every such field is left out, and ours are the true ones', async () => {
    const { a, ask, world } = tenants()
    const { cookie, authority: host } = a
    const target = `${a.prefix}x`
    expect((await ask(requestText({ target, host, cookie, fields: claims }))).status).toBe(200)
    const seen = a.app.requests.at(-1)
    const fields = seen?.rawHeaders ?? []
    expect(fields.filter((text) => claimed.test(text))).toEqual([])
    const ours = fields.filter(
      (name, index) => index % 2 === 0 && /^(?:x-)?(?:forwarded|real|original|rewrite|envoy)/i.test(name),
    )
    const prefix = mode === 'path' ? ['X-Forwarded-Prefix', 'X-Forwarded-Context'] : []
    const always = ['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-User']
    expect(ours.toSorted()).toEqual([...always, ...prefix].toSorted())
    const said = (name: string) => (seen ? headersOf(seen, name) : [])
    expect(said('x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(said('x-forwarded-host')).toEqual([host])
    expect(said('x-forwarded-proto')).toEqual(['http'])
    expect(said('x-forwarded-port')).toEqual([String(world.port)])
    expect(said('x-forwarded-user')).toEqual(['alice'])
  })

  test('#21 they change neither the route, nor the right, nor where a redirect leads', async () => {
    const { a, b, ask, attack, attackTwice, world } = tenants()
    const { authority: host, prefix: target, cookie } = a
    const refused = await attackTwice({ target, host, fields: claims })
    expect(refused).toEqual({ status: 401, reasons: ['login-needed:none'], upstreamBytes: 0 })
    const other = { target: b.prefix, host: b.authority, cookie, fields: claims }
    expect(await attackTwice(other)).toMatchObject({ status: 401, upstreamBytes: 0 })
    const html = ['Accept', 'text/html']
    const withoutNonces = (text: string) => text.replace(/(nonce|state|code_challenge)=[^&;]+/g, '$1=')
    for (const [place, at] of [
      [host, target],
      [`localhost:${world.port}`, '/'],
      [`localhost:${world.port}`, '/.gatehouse/login'],
    ] as const) {
      const plain = await ask(requestText({ target: at, host: place, fields: html }))
      const spoofed = await ask(requestText({ target: at, host: place, fields: [...html, ...claims] }))
      const [location = ''] = headersOf(spoofed, 'location')
      expect(spoofed.status).toBe(302)
      expect(withoutNonces(location)).toBe(withoutNonces(headersOf(plain, 'location')[0] ?? ''))
    }
    expect((await attack(requestText({ target, host, fields: [...html, ...claims] }))).upstreamBytes).toBe(0)
    expect(world.audit.filter(({ client }) => client !== '127.0.0.1')).toEqual([])
  })
})

describe('behind a proxy that was configured as trusted', () => {
  const network = parseNetwork('127.0.0.0/8')
  const tenants = useTenants({ settings: (settings) => ({ ...settings, trustedProxies: network ? [network] : [] }) })

  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['203.0.113.7, 127.0.0.9', '203.0.113.7'],
    ['a', '127.0.0.1'],
    ['203.0.113.7, a', '127.0.0.1'],
    ['a, 203.0.113.7', '203.0.113.7'],
    ['203.0.113.7, , 127.0.0.9', '127.0.0.9'],
    ['', '127.0.0.1'],
    ['203.0.113.7:99999999', '127.0.0.1'],
    ['0x7f.1', '127.0.0.1'],
  ])('#22 the client of X-Forwarded-For %j is %s, and no other claim is believed', async (value, client) => {
    const { a, ask, attackTwice, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const fields = [...claims.slice(2), 'X-Forwarded-For', value]
    expect((await ask(requestText({ target, host, cookie, fields }))).status).toBe(200)
    const seen = a.app.requests.at(-1)
    expect(seen && headersOf(seen, 'x-forwarded-for')).toEqual([client])
    expect(seen?.rawHeaders.filter((text) => /evil|6666|https|DELETE/.test(text))).toEqual([])
    // Whatever it says, it opens nothing.
    const refused = { status: 401, reasons: ['login-needed:none'], upstreamBytes: 0 }
    expect(await attackTwice({ target, host, fields })).toEqual(refused)
    expect(world.audit.at(-1)).toMatchObject({ event: 'deny', client })
  })

  test('#22 two such fields are one list', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const fields = ['X-Forwarded-For', '203.0.113.7', 'x-forwarded-for', '127.0.0.9']
    await ask(requestText({ target, host, cookie, fields }))
    const seen = a.app.requests.at(-1)
    expect(seen && headersOf(seen, 'x-forwarded-for')).toEqual(['203.0.113.7'])
  })
})

describe('#23 the list of trusted proxies', () => {
  const load = (trustedProxies: string, more = '') =>
    loadSettings({
      face: 'serve',
      file: '/settings.yaml',
      env: {},
      cwd: '/',
      readText: async () =>
        `domain: ws.example.com\noidc: [{id: a, issuer: "https://idp.example.com", clientId: g}]\n${trustedProxies}\n${more}`,
    })
  const settingsOf = (loaded: Awaited<ReturnType<typeof load>>): Settings => {
    if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
    return loaded.settings
  }

  test('#23 is empty by default', async () => {
    expect(settingsOf(await load('')).trustedProxies).toEqual([])
  })

  test('#23 holds everybody only where a name that says so is set, which is logged at each start', async () => {
    for (const everybody of ['0.0.0.0/0', '::/0', '10.0.0.1/0', '::ffff:0:0/96']) {
      const refused = await load(`trustedProxies: ["${everybody}"]`)
      expect(refused.kind, everybody).toBe('invalid')
      const settings = settingsOf(await load(`trustedProxies: ["${everybody}"]`, 'insecureTrustEveryProxy: true'))
      expect(insecureChoices(settings).map(({ name }) => name)).toEqual(['insecureTrustEveryProxy'])
    }
  })
})

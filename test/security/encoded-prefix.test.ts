/** Whatever needs decoding has no place in what decides where a request goes; behind it, it is the app's and goes on byte for byte. */
import { describe, expect, test } from 'vitest'
import { blocked, openTenants, requestText, useTenants, websocketFields } from '#test/support/tenants.ts'

const tails = [
  // jupyter-collaboration names its rooms so.
  'api/collaboration/room/json%3Anotebook%3Ax%2Fy',
  'files/a%20b%2Fc%5Cd.ipynb',
  'x%23y',
  'x%00y%0d%0aSet-Cookie:%20a=b%09',
  'x%ff%FE%c3%28',
  'x;jsessionid=1/y;z',
  "%C3%A9%c3%a9/~!$&'()*+,;=:@",
  'x?y=%zz&z=\\&w=%',
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#4 #7 #8 behind the prefix every byte stays as it is, for requests and for upgrades', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix } = a
    for (const tail of tails) {
      const target = prefix + tail
      const answer = await ask(requestText({ target, host, cookie }))
      expect(answer.status, target).toBe(200)
      expect(answer.rawHeaders.join('\n')).not.toContain('a=b')
      expect(a.app.requests.at(-1)?.url).toBe(target)
      const fields = [...websocketFields, 'Origin', `http://${host}`]
      expect((await ask(requestText({ target, host, cookie, fields }))).status, target).toBe(101)
      expect(a.app.requests.at(-1)?.url).toBe(target)
    }
  })

  test('#4 so it does where the prefix is stripped', async () => {
    const { alice, tenant, ask } = tenants()
    const spec = { ports: [{ name: 'web', port: 8888, path: 'strip' }] }
    const { app, prefix, authority: host, cookie } = await tenant({ name: 'stripped', owner: 'alice', spec }, alice)
    for (const tail of tails) {
      expect((await ask(requestText({ target: prefix + tail, host, cookie }))).status, tail).toBe(200)
      expect(app.requests.at(-1)?.url).toBe(`/${tail}`)
    }
  })

  test('#3 #6 #7 #8 an encoded character in the prefix is refused', async () => {
    const { a, attackTwice } = tenants()
    const pieces = ['%2f', '%2F..%2f', '%5c', '%5c..%5c', '%23', '%00', '%0d%0a', '%09', '%20', '%3a', '%2e', '%61']
    const placesOf = (piece: string) =>
      mode === 'path'
        ? [
            `/workspaces/team/a${piece}b/`,
            `/workspaces/team/a${piece}`,
            `/workspaces/te${piece}am/a/`,
            `/work${piece}s/team/a/`,
          ]
        : [a.authority.replace('-', `${piece}-`), `${piece}${a.authority}`, a.authority.replace('.', piece)]
    for (const place of pieces.flatMap(placesOf)) {
      const request = mode === 'path' ? { target: place, host: a.authority } : { target: '/', host: place }
      const reason = mode === 'path' ? 'target_not_canonical' : 'host_malformed'
      expect(await attackTwice({ ...request, cookie: a.cookie }), place).toEqual(blocked(400, reason))
    }
  })

  test('#6 #7 a raw backslash and a raw fragment are refused wherever they stand', async () => {
    const { a, attack, attackTwice } = tenants()
    const { cookie, authority: host, prefix } = a
    const bad = [
      ['\\', 'target_backslash'],
      ['#', 'target_fragment'],
    ] as const
    for (const [character, reason] of bad) {
      const targets = [
        prefix.replaceAll('/', character),
        `${prefix.slice(0, -1)}${character}..${character}b`,
        `${prefix}${character}../b`,
        `${prefix}lab${character}x`,
      ].filter((target) => target.startsWith('/'))
      for (const target of targets) {
        expect(await attackTwice({ target, host, cookie }), target).toEqual(blocked(400, reason))
      }
    }
    const inQuery = requestText({ target: `${prefix}lab?x#y`, host, cookie })
    expect(await attack(inQuery)).toEqual(blocked(400, 'target_fragment'))
    expect((await attack(requestText({ target: '\\workspaces\\team\\b\\', host, cookie }))).status).toBe(400)
  })

  test('#11 a query is never looked at, neither for the route nor for the right', async () => {
    const { a, b, ask } = tenants()
    const before = b.app.bytes()
    for (const query of [`?x=${b.prefix}`, `?${b.url}`, `?//${b.authority}/`, '?/../../b/', '?ticket=x&token=y']) {
      const target = a.prefix + query
      expect((await ask(requestText({ target, host: a.authority, cookie: a.cookie }))).status, target).toBe(200)
      expect(a.app.requests.at(-1)).toMatchObject({ app: 'team/a', url: target })
    }
    expect(b.app.bytes()).toBe(before)
  })

  test('#12 a malformed percent sign in the path is refused, without a fault of ours', async () => {
    const { a, world, attackTwice, ask } = tenants()
    const { cookie, authority: host, prefix } = a
    for (const bad of ['%E0%A4%A', '%zz', '%', '%2', '%%41', '%u0041', '%-1']) {
      const target = `${prefix}x/${bad}`
      expect(await attackTwice({ target, host, cookie }), bad).toEqual(blocked(400, 'target_percent'))
    }
    const ours = `localhost:${world.port}`
    for (const target of [
      '/%ff',
      '/.gatehouse/open/%ff/%c3%28',
      '/.gatehouse/%E0%A4%A',
      '/.gatehouse/api/v1/workspaces/%zz/x',
    ]) {
      const { status } = await ask(requestText({ target, host: ours, fields: ['Accept', 'text/html'] }))
      expect(status, target).toBeGreaterThanOrEqual(300)
      expect(status, target).toBeLessThan(500)
    }
    expect(world.lines.filter((line) => line.includes('"internal"'))).toEqual([])
  })
})

test('#11 in path mode, a name without its last slash is led to it, and its query with it', async () => {
  await using tenants = await openTenants({ mode: 'path' })
  const { a, attack, ask } = tenants
  const request = requestText({
    target: '/workspaces/team/a?x=/workspaces/team/b',
    host: a.authority,
    cookie: a.cookie,
  })
  const { rawHeaders, status } = await ask(request)
  expect(status).toBe(308)
  expect(rawHeaders).toContain('/workspaces/team/a/?x=/workspaces/team/b')
  expect((await attack(request)).upstreamBytes).toBe(0)
})

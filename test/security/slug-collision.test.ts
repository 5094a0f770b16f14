/** Two names that could become one URL (CVE-2020-15110, CVE-2026-71327), and one URL that is the beginning of another one. */
import { describe, expect, test } from 'vitest'
import { openTenants, requestText, settled, type Tenant, useTenants } from '#test/support/tenants.ts'
import { hostLabel } from '#workspace/address.ts'

const long = (end: string) => `${'n'.repeat(60)}${end}`

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  /** What answers there, asked with the cookie of that place. */
  const appAt = async ({ prefix, authority, cookie }: Tenant) => {
    const answer = await tenants().ask(requestText({ target: `${prefix}who`, host: authority, cookie }))
    return answer.status === 200 ? JSON.parse(answer.body).app : answer.status
  }

  test('#16 [JK1.1] the same name in two namespaces is two workspaces: each app answers for itself alone', async () => {
    const { alice, bob, tenant } = tenants()
    const first = await tenant({ namespace: 'red', name: 'nb', owner: 'alice' }, alice)
    const second = await tenant({ namespace: 'blue', name: 'nb', owner: 'alice' }, alice)
    const third = await tenant({ namespace: 'green', name: 'nb', owner: 'bob' }, bob)
    expect(await Promise.all([first, second, third].map(appAt))).toEqual(['red/nb', 'blue/nb', 'green/nb'])
    const seen = [first, second, third].map(({ app }) => new Set(app.requests.map((request) => request.app)))
    expect(seen).toEqual([new Set(['red/nb']), new Set(['blue/nb']), new Set(['green/nb'])])
    // The cookie of one opens no other, not even of the same owner.
    expect(await appAt({ ...second, cookie: first.cookie })).toBe(401)
    expect(await appAt({ ...third, cookie: first.cookie })).toBe(401)
    expect((await alice.open(third.url)).status).toBe(403)
  })

  test('#16 names that only differ in where one part ends, or behind 60 characters, or that look encoded, are distinct', async () => {
    const { alice, tenant } = tenants()
    const names = [
      ['a-b', 'c'],
      ['a', 'b-c'],
      ['b-c', 'a'],
      ['c', 'a-b'],
      ['a', 'b.c'],
      ['a', 'xn--b-c'],
      ['team', long('a')],
      ['team', long('b')],
      ['maet', long('a')],
      ['team', `${long('a')}.${long('b')}`],
      ['team', `x-0${'a'.repeat(26)}`],
      ['workspaces', 'workspaces'],
    ] as const
    const made: Tenant[] = []
    for (const [namespace, name] of names) made.push(await tenant({ namespace, name, owner: 'alice' }, alice))
    expect(new Set(made.map(({ url }) => url)).size).toBe(names.length)
    for (const one of made) expect(await appAt(one)).toBe(`${one.ref.namespace}/${one.ref.name}`)
    for (const { app } of made) expect(new Set(app.requests.map((request) => request.app)).size).toBe(1)
  })
})

test('#16 [JK1.2] in path mode the cookie of a workspace is refused at one whose path begins with its own', async () => {
  await using tenants = await openTenants({ mode: 'path' })
  const { alice, tenant, attack, attackTwice } = tenants
  const foo = await tenant({ namespace: 'a', name: 'foo', owner: 'alice' }, alice)
  const foobar = await tenant({ namespace: 'a', name: 'foobar', owner: 'alice' }, alice)
  expect(foobar.prefix.startsWith(foo.prefix.slice(0, -1))).toBe(true)
  // Her browser does not send it there, and sent there by hand it is worth nothing.
  expect(foo.cookie).not.toBe(foobar.cookie)
  expect(alice.cookieHeader(foobar.url)).toBe(foobar.cookie)
  const { authority: host, prefix } = foobar
  const refused = { status: 401, reasons: ['login-needed:bad-signature'], upstreamBytes: 0 }
  expect(await attackTwice({ target: `${prefix}x`, host, cookie: foo.cookie })).toEqual(refused)
  const navigation = ['Accept', 'text/html']
  const page = await attack(requestText({ target: prefix, host, cookie: foo.cookie, fields: navigation }))
  expect(page).toEqual({ status: 302, reasons: [], upstreamBytes: 0 })
  expect(await attackTwice({ target: `${prefix}x`, host, cookie: foobar.cookie }).catch(() => 'let in')).toBe('let in')
})

test('#16 [JK1.3] in host mode a name that a label cannot bear gets a host by its hash, which is the same after a restart', async () => {
  const ref = { namespace: 'a-namespace-of-some-length', name: `${'long-'.repeat(8)}name` }
  const hosts: string[] = []
  for (const run of ['first', 'second']) {
    await using tenants = await openTenants()
    const { alice, tenant, ask } = tenants
    const { authority, cookie, app } = await tenant({ ...ref, owner: 'alice' }, alice)
    const answer = await ask(requestText({ target: `/${run}`, host: authority, cookie }))
    expect(JSON.parse(answer.body)).toMatchObject({ app: `${ref.namespace}/${ref.name}`, url: `/${run}` })
    hosts.push(authority.replace(/:\d+$/, ''))
    await settled()
    expect(app.requests.length).toBeGreaterThan(0)
  }
  expect(hosts[0]).toMatch(/^long-long-long-long-0[a-z2-7]{26}\.localhost$/)
  expect(hosts[1]).toBe(hosts[0])
  expect(hostLabel({ ...ref, name: `${ref.name}x` })).not.toBe(hostLabel(ref))
})

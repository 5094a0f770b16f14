/** What people write into an object of the cluster must not become a route, a header field or a script (CVE-2026-29777). */
import { expect, test } from 'vitest'
import { openTenants, requestText } from '#test/support/tenants.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const hostile = [
  '`id`$(id)',
  '"\'><script>alert(1)</script>',
  'x\r\nSet-Cookie: injected=1\r\nX-Injected: 1\r\n\r\n<h1>injected</h1>',
  '../../b',
  'Host(`b`) || PathPrefix(`/`)',
  '{{.Env}} <%= x %> $&{jndi:ldap://x}',
  '\u202egnp.exe\u0007\u001b[31m',
]

test('#17 a name that is no name is not stored, so it never becomes a route', async () => {
  await using tenants = await openTenants()
  const { resources } = tenants.world
  const spec = workspaceKind.parseSpec({})
  const create = (metadata: { name: string; namespace: string }) =>
    resources.create(workspaceKind, { metadata: { ...metadata, annotations: {} }, spec }).then(
      () => 'stored',
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    )
  for (const name of [...hostile, 'a/../b', 'a b', 'A', 'a_b', 'a.', '-a', '..', '', 'ä', 'a%2fb']) {
    expect(await create({ name, namespace: 'team' }), name).toBe('invalid_resource')
    expect(await create({ name: 'x', namespace: name }), name).toBe('invalid_resource')
  }
})

test('#17 nor is what would be written into a request or a URL', async () => {
  const wrong = [
    ...hostile.map((subpath) => ({ ports: [{ name: 'web', port: 8888, path: 'strip', subpath }] })),
    ...hostile.map((subpath) => ({ ports: [{ name: 'web', port: 8888, path: 'strip', subpath: `/${subpath}/` }] })),
    ...hostile.map((name) => ({ ports: [{ name, port: 8888 }] })),
    ...hostile.map((port) => ({ ports: [{ name: 'web', port }] })),
    ...hostile.map((desiredStatus) => ({ desiredStatus })),
    ...hostile.map((accessType) => ({ accessType })),
  ]
  for (const spec of wrong) expect(() => workspaceKind.parseSpec(spec), JSON.stringify(spec)).toThrow()
})

test('#17 whatever the text fields of an object say, pages show it as text and answers have the same fields', async () => {
  await using tenants = await openTenants()
  const { alice, world, tenant, ask } = tenants
  const displayName = hostile.join(' ')
  const spec = {
    displayName,
    appType: displayName,
    image: displayName,
    ports: [{ name: 'web', port: 8888, label: hostile[1] }],
    env: [{ name: 'X', value: displayName }],
  }
  const { ref, url, prefix, authority: host, cookie, app } = await tenant({ name: 'odd', owner: 'alice', spec }, alice)
  const api = `${world.origin}/.gatehouse/api/v1/workspaces/team/odd`
  for (const page of [
    `${world.origin}/`,
    `${world.origin}/.gatehouse/open/team/odd`,
    `${world.origin}/.gatehouse/share/team/odd`,
    api,
  ]) {
    const { status, headers, body } = await alice.navigate(page)
    expect(status, page).toBe(200)
    expect(JSON.stringify(headers), page).not.toContain('njected')
    if (headers['content-type']?.startsWith('text/html')) expect(body, page).not.toContain('<script>alert')
    else expect(JSON.parse(body)).toMatchObject({ displayName })
  }
  // The app hears of none of it, and where it stands has not changed.
  expect((await ask(requestText({ target: `${prefix}x`, host, cookie }))).status).toBe(200)
  expect(app.requests.at(-1)?.rawHeaders.join('\n')).not.toMatch(/njected|script|jndi/)
  expect(world.url(ref)).toBe(url)
  const logged = world.lines.join('')
  for (const control of ['\u202e', '\u001b', '\u0007', '\r']) expect(logged).not.toContain(control)
})

test('#17 an owner annotation names its owner to the letter, or nobody', async () => {
  await using tenants = await openTenants()
  const { alice, world } = tenants
  const owners = [
    'alice\r\n',
    ' alice',
    'alice ',
    'Alice',
    'alice/../alice',
    'alice,bob',
    '`alice`',
    '*',
    '"alice"',
    'alice\u0000',
    '',
  ]
  for (const [index, owner] of owners.entries()) {
    const { url, app } = await world.workspace({ name: `of-${index}`, owner })
    expect((await alice.open(url)).status, owner).toBe(403)
    expect(app.bytes(), owner).toBe(0)
  }
})

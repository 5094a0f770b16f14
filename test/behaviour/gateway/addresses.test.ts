import { describe, expect, test } from 'vitest'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { cookieFor } from './scene.ts'

const long = `${'long-name-'.repeat(6)}x`

describe('a workspace whose name does not fit into a host', () => {
  test.each([
    ['has a dot', 'my.notebook', 'team'],
    ['looks like an internationalised name', 'xn--nb', 'team'],
    ['is long', long, 'a-namespace-that-is-long-as-well'],
  ])('because it %s is served at a hashed one, which means it and no other', async (_why, name, namespace) => {
    await using world = await createWorld()
    const { ref, url, host, app } = await world.workspace({ name, namespace, owner: 'alice' })
    const twin = await world.workspace({ name, namespace: 'twin', owner: 'alice' })
    expect(host).toMatch(/^[a-z0-9-]{1,20}-0[a-z2-7]{26}\.localhost$/)
    expect(twin.host).not.toBe(host)
    const alice = await world.as('alice')
    const page = await alice.open(`${url}deep?x=1`)
    expect([page.status, page.url.href, JSON.parse(page.body).app]).toEqual([
      200,
      `${url}deep?x=1`,
      `${namespace}/${name}`,
    ])
    using socket = await openSocket(alice, `${url}ws`)
    expect(String(await socket.ask('here'))).toBe('here')
    expect(world.url(ref, 65_535)).toContain('--65535.localhost')
    expect((await alice.open(world.url(ref, 8888))).url.href).toBe(url)
    expect((await alice.open(world.url(ref, 65_535))).status).toBe(404)
    // Another hash is nobody; the same for an owner and for a stranger.
    const wrong = url.replace(/-0[a-z2-7]/, (start) => `-0${start.endsWith('a') ? 'b' : 'a'}`)
    expect((await alice.open(wrong)).status).toBe(403)
    expect(app.requests.length).toBe(3)
    await world.resources.delete(workspaceKind, ref)
    await world.until(() => world.open.workspaces.directory.get(ref) === undefined, 'it is gone')
    expect((await alice.open(url)).status).toBe(403)
    expect((await alice.open(twin.url)).status).toBe(200)
  })
})

test('a workspace made again under its name takes away first what the former one left in the browser', async () => {
  await using world = await createWorld()
  const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  app.answer = (_request, response) => {
    response.writeHead(200, { 'set-cookie': ['left=behind; Path=/', 'also=this; Path=/'] }).end('the old one')
    return true
  }
  expect((await alice.open(url)).body).toBe('the old one')
  expect((await alice.navigate(url)).headers['clear-site-data']).toBeUndefined()
  await world.resources.delete(workspaceKind, ref)
  await world.until(() => world.open.workspaces.directory.get(ref) === undefined, 'it is gone')
  const again = await world.workspace({ name: 'nb', owner: 'alice' })

  const cleared = await alice.navigate(`${url}deep?x=%2F`)
  expect(cleared.status).toBe(307)
  expect(cleared.headers['clear-site-data']).toBe('"cache", "storage"')
  expect(cleared.redirect?.href).toBe(`${url}deep?x=%2F`)
  expect(again.app.requests.length).toBe(0)
  expect(alice.cookies.of(url).map(({ name }) => name)).not.toEqual(expect.arrayContaining(['left']))
  const page = await alice.follow()
  expect(JSON.parse(page.body)).toMatchObject({ app: 'team/nb', url: '/deep?x=%2F' })
  expect(JSON.stringify(again.app.requests)).not.toMatch(/left=|also=/)
  expect((await alice.navigate(url)).status).toBe(200)
})

test('a foreign host gets 421, and a name that could be no workspace 404', async () => {
  await using world = await createWorld()
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  const before = app.bytes()
  const headers = cookieFor(alice, url)
  const { host } = new URL(url)
  for (const [name, status] of [
    ['evil.example', 421],
    [host.replace(/:\d+$/, ':1'), 421],
    [`x.${host}`, 404],
    [host.replace('nb-', ''), 404],
    [host.replace('nb-', 'nb--'), 404],
  ] as const) {
    const answer = await plainRequest(url, { headers: { ...headers, Host: name } })
    expect([name, answer.status]).toEqual([name, status])
  }
  expect(app.bytes()).toBe(before)
})

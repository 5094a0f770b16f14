import { Socket } from 'node:net'
import { describe, expect, test, vi } from 'vitest'
import { type EchoApp, echoApp } from '#test/support/echo-app.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor, declare, modes, share, statusOf } from './scene.ts'

const ref = { namespace: 'team', name: 'nb' }

const ports = [
  { name: 'ide', port: 8888, label: 'Notebook' },
  { name: 'app', port: 8501, label: 'Sales & more' },
  { name: 'studio', port: 8787, label: 'Studio' },
]

interface Studio extends AsyncDisposable {
  readonly apps: Readonly<Record<number, EchoApp>>
  /** The URL of each port. */
  readonly urls: readonly [string, string, string]
}

async function studio(world: World, spec: Record<string, unknown> = { ports }): Promise<Studio> {
  await using opened = new AsyncDisposableStack()
  const apps: Record<number, EchoApp> = {}
  for (const { name, port } of ports) apps[port] = opened.use(await echoApp(name))
  const { url } = await world.workspace({ name: 'nb', owner: 'alice', spec, apps })
  const all = opened.move()
  return {
    apps,
    urls: [url, world.url(ref, 8501), world.url(ref, 8787)],
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

describe.each(modes)('in %s mode', (mode) => {
  test('[DK2.1] three ports have three URLs that answer from three servers', async () => {
    await using world = await createWorld({ mode })
    await using of = await studio(world)
    const alice = await world.as('alice')
    expect(new Set(of.urls).size).toBe(3)
    for (const [index, { name }] of ports.entries()) {
      const page = await alice.open(`${of.urls[index]}x?y=1`)
      expect([page.status, JSON.parse(page.body).app]).toEqual([200, name])
    }
    expect(Object.values(of.apps).map((app) => app.requests.length)).toEqual([1, 1, 1])
  })

  test('[DK2.3] an undeclared port is a 404 to those who may open the workspace, and 403 as ever to others', async () => {
    await using world = await createWorld({ mode })
    await using of = await studio(world)
    const [alice, bob] = [await world.as('alice'), await world.as('bob')]
    for (const port of [22, 80, 8889, 65_535]) {
      const url = world.url(ref, port)
      expect((await alice.open(url)).status).toBe(404)
      expect((await bob.open(url)).status).toBe(403)
      expect((await plainRequest(url, { headers: cookieFor(alice, url) })).status).toBe(404)
      expect((await refusedSocket(alice, url)).status).toBe(404)
    }
    expect(Object.values(of.apps).map((app) => app.bytes())).toEqual([0, 0, 0])
  })

  test('the main port named by its number moves to its one URL by 308, with the rest of the path as it is', async () => {
    await using world = await createWorld({ mode })
    await using of = await studio(world)
    const alice = await world.as('alice')
    await alice.open(of.urls[0])
    const spelled = `${world.url(ref, 8888)}a%2Fb/?q=%20`
    await alice.open(spelled)
    expect(alice.page.url.href).toBe(`${of.urls[0]}a%2Fb/?q=%20`)
    const moved = await plainRequest(spelled, { headers: cookieFor(alice, spelled) })
    expect(moved.status).toBe(308)
    expect(moved.headers.location).toBe(`${of.urls[0]}a%2Fb/?q=%20`)
    const bob = await world.as('bob')
    expect((await bob.open(spelled)).status).toBe(403)
  })

  test('[DK3.1] a port with expose:false is not listed, is reached by its URL by those permitted, and is 403 to others', async () => {
    await using world = await createWorld({ mode })
    const hidden = ports.map((port) => (port.name === 'studio' ? { ...port, expose: false } : port))
    await using of = await studio(world, { ports: hidden })
    const alice = await world.as('alice')
    const front = await alice.open(`${world.origin}/`)
    expect(front.body).toContain('Notebook')
    expect(front.body).not.toContain('Studio')
    expect(front.body).not.toContain(of.urls[2])
    const page = await alice.open(of.urls[2])
    expect([page.status, JSON.parse(page.body).app]).toEqual([200, 'studio'])
    expect((await (await world.as('bob')).open(of.urls[2])).status).toBe(403)
  })

  test('[DK9.1] an IDE and an app beside it have their WebSockets open at once', async () => {
    await using world = await createWorld({ mode })
    await using of = await studio(world)
    const alice = await world.as('alice')
    for (const url of of.urls) await alice.open(url)
    using ide = await openSocket(alice, `${of.urls[0]}ws`)
    using app = await openSocket(alice, `${of.urls[1]}ws`)
    for (let round = 0; round < 3; round++) {
      expect(String(await ide.ask(`ide ${round}`))).toBe(`ide ${round}`)
      expect(String(await app.ask(`app ${round}`))).toBe(`app ${round}`)
    }
    expect([of.apps[8888]?.sockets.size, of.apps[8501]?.sockets.size]).toEqual([1, 1])
    const streams = (await statusOf(world, await atConsole(world, alice), ref)).connected
    expect(streams).toEqual([{ user: 'alice', streams: 2 }])
  })

  test('[DK9.2] the port of the app is shared with a group that may not open the IDE', async () => {
    await using world = await createWorld({ mode })
    await using of = await studio(world)
    const [alice, dave] = [await world.as('alice'), await world.as('dave')]
    await share(world, alice, ref, { grantees: [{ kind: 'Group', name: 'ds' }], ports: ['app'] })
    expect(JSON.parse((await dave.open(of.urls[1])).body)).toMatchObject({ app: 'app' })
    using socket = await openSocket(dave, `${of.urls[1]}ws`)
    expect(String(await socket.ask('hi'))).toBe('hi')
    for (const url of [of.urls[0], of.urls[2], world.url(ref, 22)]) {
      expect((await dave.open(url)).status).toBe(403)
      expect((await refusedSocket(dave, url)).status).toBe(403)
    }
    const view = await statusOf(world, await atConsole(world, dave), ref)
    expect(view.ports.map(({ name }) => name)).toEqual(['app'])
    expect(view.url).toBe(of.urls[1])
    expect((await (await world.as('bob')).open(of.urls[1])).status).toBe(403)
  })
})

async function atConsole(world: World, browser: Awaited<ReturnType<World['as']>>) {
  await browser.open(`${world.origin}/`)
  return browser
}

test('[DK2.2] the console lists the ports of a workspace by their labels, each with its link', async () => {
  await using world = await createWorld()
  await using of = await studio(world)
  const alice = await world.as('alice')
  const page = await alice.open(`${world.origin}/`)
  for (const [index, label] of ['Notebook', 'Sales &amp; more', 'Studio'].entries()) {
    const link = new RegExp(`<a[^>]* href="([^"]*)"[^>]*>[^<]*${label}`).exec(page.body)
    expect(link).not.toBeNull()
    const arrived = await alice.open(new URL(link?.[1] ?? '', world.origin))
    expect(arrived.url.href).toBe(of.urls[index])
  }
  const view = await statusOf(world, await atConsole(world, alice), ref)
  expect(view.ports.map(({ label, url }) => [label, url])).toEqual(
    ports.map(({ label }, index) => [label, of.urls[index]]),
  )
})

test('[DK2.4] port 22 and the address of an API server are never connected to, whoever names them', async () => {
  const connected = vi.spyOn(Socket.prototype, 'connect')
  try {
    await using world = await createWorld()
    const alice = await world.as('alice')
    const declared = [
      { name: 'ssh', port: 22 },
      { name: 'api', port: 6443 },
    ]
    const ssh = { kind: 'tcp', host: '127.0.0.1', port: 22 } as const
    for (const [name, address] of [
      ['by-number', '10.96.0.1'],
      ['by-name', 'kubernetes.default.svc'],
      ['link-local', '169.254.169.254'],
    ] as const) {
      const server = { kind: 'tcp', host: address, port: 443 } as const
      const of = await declare(world, {
        name,
        owner: 'alice',
        spec: { ports: declared.toReversed() },
        endpoints: { 22: ssh, 6443: server },
      })
      const state = () => world.open.workspaces.directory.get(of.ref)?.state
      await world.until(() => state()?.reason === 'AccessNotReady', 'it was tried')
      expect(state()?.message).toContain('a local instance is reached on loopback only')
      expect((await alice.open(of.url)).url.pathname).toBe(`/.gatehouse/open/team/${name}`)
      const direct = world.url(of.ref, 22)
      await alice.open(direct)
      expect([502, 503]).toContain((await plainRequest(direct, { headers: cookieFor(alice, direct) })).status)
    }
    await using app = await echoApp('beside')
    const beside = [{ name: 'app', port: 8888 }, ...declared]
    const endpoints = { 8888: app.endpoint, 22: ssh, 6443: { kind: 'tcp', host: '10.96.0.1', port: 6443 } } as const
    const running = await declare(world, { name: 'beside', owner: 'alice', spec: { ports: beside }, endpoints })
    expect((await alice.open(running.url)).status).toBe(200)
    for (const { port } of declared) {
      const direct = world.url(running.ref, port)
      await alice.open(direct)
      expect([502, 503]).toContain((await plainRequest(direct, { headers: cookieFor(alice, direct) })).status)
      expect([502, 503]).toContain((await refusedSocket(alice, direct)).status)
    }
    // By the request itself: its Host, its target, what a proxy would say of it.
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    await alice.open(url)
    const headers = cookieFor(alice, url)
    expect((await plainRequest(url, { headers: { ...headers, Host: '10.96.0.1:443' } })).status).toBe(421)
    const told = { 'X-Forwarded-Host': '10.96.0.1:443', Forwarded: 'host=10.96.0.1:443', 'X-Forwarded-Port': '22' }
    expect((await plainRequest(url, { headers: { ...headers, ...told } })).status).toBe(200)
    const targets = connected.mock.calls.map(([first]) => (Array.isArray(first) ? first[0] : first))
    expect(targets.length).toBeGreaterThan(5)
    for (const { host, port } of targets) {
      expect(['127.0.0.1', '::1', 'localhost', undefined]).toContain(host?.replace(/^.*\.localhost$/, 'localhost'))
      expect(Number(port)).toBeGreaterThan(1023)
    }
  } finally {
    connected.mockRestore()
  }
})

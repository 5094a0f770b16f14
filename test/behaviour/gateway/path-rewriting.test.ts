import { describe, expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import type { EchoApp } from '#test/support/echo-app.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor, modes } from './scene.ts'

interface Scene extends AsyncDisposable {
  readonly world: World
  readonly alice: ScriptedBrowser
  readonly url: string
  /** Path of the URL, `/` in host mode. */
  readonly prefix: string
  readonly app: EchoApp
}

async function appWith(mode: 'host' | 'path', port: Record<string, unknown>): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const world = opened.use(await createWorld({ mode }))
  const ports = [{ name: 'app', port: 8888, ...port }]
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice', spec: { ports } })
  const alice = await world.as('alice')
  await alice.open(url)
  const all = opened.move()
  return { world, alice, url, prefix: new URL(url).pathname, app, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** The request target that the app saw. */
async function seen({ alice, url, prefix, app }: Scene, rest: string): Promise<string | undefined> {
  const { status } = await plainRequest(url, { headers: cookieFor(alice, url), target: prefix + rest })
  expect(status).toBe(200)
  return app.requests.at(-1)?.url
}

const oddities = ['x?y=%2F', 'a%2Fb//c/%E2%82%AC;p=1', 'x/.%2e/y', '%25?', "x?a=b&c=//d/../e'", '?only=query']

async function location(scene: Scene, value: string): Promise<string | undefined> {
  scene.app.answer = (_request, response) => {
    response.writeHead(302, { location: value }).end()
    return true
  }
  const { status, headers } = await plainRequest(scene.url, { headers: cookieFor(scene.alice, scene.url) })
  expect(status).toBe(302)
  return headers.location
}

async function setCookies(scene: Scene, values: readonly string[]): Promise<readonly string[] | undefined> {
  scene.app.answer = (_request, response) => {
    response.writeHead(200, { 'set-cookie': [...values] }).end()
    return true
  }
  const page = await scene.alice.open(scene.url)
  return page.headers['set-cookie']
}

describe.each(modes)('in %s mode', (mode) => {
  test('[DK4.1] the app sees the path below its prefix in strip mode and the raw URI in preserve mode, byte by byte', async () => {
    await using stripped = await appWith(mode, { path: 'strip' })
    await using kept = await appWith(mode, { path: 'preserve' })
    for (const rest of oddities) {
      expect(await seen(stripped, rest)).toBe(`/${rest}`)
      expect(await seen(kept, rest)).toBe(kept.prefix + rest)
    }
    using _one = await openSocket(stripped.alice, `${stripped.url}ws?y=%2F`)
    expect(stripped.app.requests.at(-1)?.url).toBe('/ws?y=%2F')
    using _other = await openSocket(kept.alice, `${kept.url}ws?y=%2F`)
    expect(kept.app.requests.at(-1)?.url).toBe(`${kept.prefix}ws?y=%2F`)
  })

  test('[DK4.2] in strip mode redirects lead to the public address, absolute or not', async () => {
    await using scene = await appWith(mode, { path: 'strip' })
    const { prefix } = scene
    const { host, origin } = new URL(scene.url)
    for (const [written, leadsTo] of [
      ['/login?next=%2Fx#top', `${scene.url}login?next=%2Fx#top`],
      ['/', scene.url],
      [`http://${host}/a/b`, `${scene.url}a/b`],
      [`//${host}/a`, `${scene.url}a`],
      // An app that does know its prefix is not given it twice.
      [`${prefix}a`, `${scene.url}a`],
      ['next/page', `${scene.url}next/page`],
      ['?q=1', `${scene.url}?q=1`],
      ['https://elsewhere.example/a', 'https://elsewhere.example/a'],
    ] as const) {
      expect(new URL((await location(scene, written)) ?? '', scene.url).href).toBe(leadsTo)
    }
    scene.app.answer = (request, response) => {
      if (request.url !== '/start') return false
      response.writeHead(302, { location: `http://${request.headers.host}/end?x=1` }).end()
      return true
    }
    const arrived = await scene.alice.open(`${scene.url}start`)
    expect(arrived.url.href).toBe(`${origin}${prefix}end?x=1`)
    expect(JSON.parse(arrived.body)).toMatchObject({ url: '/end?x=1' })
  })

  test('[DK4.3] in strip mode the paths of cookies are the public ones, and the browser sends them back there', async () => {
    await using scene = await appWith(mode, { path: 'strip' })
    const { prefix } = scene
    const kept = await setCookies(scene, [
      'root=1; Path=/; HttpOnly',
      'deep=2; Path=/a/b; Secure',
      'none=3; SameSite=Lax',
      'out=4; Path=/../x',
    ])
    const own = kept?.filter((cookie) => /^(root|deep|none|out)=/.test(cookie))
    expect(own).toEqual([
      `root=1; Path=${prefix}; HttpOnly`,
      `deep=2; Path=${prefix}a/b; Secure`,
      'none=3; SameSite=Lax',
      mode === 'host' ? expect.stringMatching(/^out=4; Path=\//) : `out=4; Path=${prefix}`,
    ])
    scene.app.answer = undefined
    const page = await scene.alice.open(`${scene.url}again`)
    expect(JSON.parse(page.body).rawHeaders.join('\n')).toMatch(/\bnone=3\b.*root=1|root=1.*\bnone=3\b/)
  })

  test('[DK4.4] a fixed subpath is put in front instead of the prefix, and taken away from what the app says', async () => {
    await using scene = await appWith(mode, { path: 'strip', subpath: '/sub/' })
    const { prefix } = scene
    for (const rest of oddities) expect(await seen(scene, rest)).toBe(`/sub/${rest}`)
    expect(await location(scene, '/sub/login?a')).toBe(`${prefix}login?a`)
    expect(await location(scene, '/sub')).toBe(prefix)
    expect(await location(scene, `http://${new URL(scene.url).host}/sub/x`)).toBe(`${prefix}x`)
    const kept = await setCookies(scene, ['a=1; Path=/sub/', 'b=2; Path=/sub/deep', 'c=3; Path=/sub'])
    expect(kept?.filter((cookie) => /^[abc]=/.test(cookie))).toEqual([
      `a=1; Path=${prefix}`,
      `b=2; Path=${prefix}deep`,
      `c=3; Path=${prefix}`,
    ])
  })

  test('in preserve mode nothing that the app says of its own paths is changed', async () => {
    await using scene = await appWith(mode, { path: 'preserve' })
    const { prefix } = scene
    for (const path of [`${prefix}login?next=%2Fx`, 'next/page', 'https://elsewhere.example/a']) {
      expect(await location(scene, path)).toBe(path)
    }
    const [kept] = (await setCookies(scene, [`a=1; Path=${prefix}x`])) ?? []
    expect(kept).toBe(`a=1; Path=${prefix}x`)
  })
})

/** Gatehouse's cookies and tokens in the hands of an app, and an app's cookies in the place of Gatehouse's. */
import { describe, expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { commandLineSecret } from '#test/support/command-line.ts'
import { type Echo, type EchoApp, headersOf } from '#test/support/echo-app.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText, useTenants, websocketFields } from '#test/support/tenants.ts'
import type { World } from '#test/support/world.ts'

const gone = /^(?:authorization|keep-alive|te|x-hop|http2-settings|forwarded|transfer-encoding|proxy.*)$|auth.request/

/** As a new tab sends it: to its page of a workspace the console is another site, on localhost. */
function cookieAtConsole(browser: ScriptedBrowser, world: World): string {
  const cookie = browser.tab().cookieHeader(`${world.origin}/`)
  if (cookie === undefined) throw new Error('no cookie at the console')
  return cookie
}

function lastOf(app: EchoApp): Echo {
  const seen = app.requests.at(-1)
  if (!seen) throw new Error('nothing has arrived')
  return seen
}

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#32 [JK16.1] an app sees neither our cookies nor our tokens, nothing that other proxies say of users, and nothing that was for one hop', async () => {
    const { a, alice, ask, world } = tenants()
    const { authority: host, prefix: target } = a
    const secret = await commandLineSecret(world, alice)
    const ofConsole = cookieAtConsole(alice, world)
    const ofOtherKinds = [
      '__Host-gatehouse=s',
      '__Secure-gatehouse=s',
      '__Host-gatehouse-x=s',
      '__HOST-GATEHOUSE=s',
      'gatehouse-1=s',
    ]
    const cookie = [
      a.cookie,
      ...ofOtherKinds,
      ofConsole,
      'Gatehouse-ws-8800=s',
      `"gatehouse-${world.port}"=own`,
      'own=1',
    ].join('; ')
    const secrets = [a.cookie, ofConsole]
      .flatMap((header) => header.split('; '))
      .map((pair) => pair.replace(/^[^=]*=/, ''))
    const fields = [
      ...[
        'X-Auth-Request-User',
        'mallory',
        'X-Auth-Request-Email',
        'mallory',
        'X-Auth-Request-Access-Token',
        'mallory',
      ],
      ...[
        'X_Auth_Request_Groups',
        'mallory',
        'X-Forwarded-User',
        'mallory',
        'X-Forwarded-Host',
        'mallory',
        'Forwarded',
        'for=mallory',
      ],
      ...[
        'Proxy-Authorization',
        'Basic mallory',
        'Proxy-Connection',
        'mallory',
        'Proxy-Authenticate',
        'mallory',
        'Proxy',
        'http://mallory',
      ],
      ...['Keep-Alive', 'timeout=mallory', 'TE', 'gzip, mallory', 'X-Hop', 'mallory', 'HTTP2-Settings', 'mallory'],
    ]
    const plain = ['Connection', 'keep-alive, X-Hop, TE']
    const upgrade = [...websocketFields, 'Connection', 'X-Hop', 'Origin', `http://${host}`]
    const ours = ['Authorization', `Bearer ${secret}`]
    const requests = [
      { cookie, fields: [...fields, ...plain, ...ours] },
      { cookie: 'own=1', fields: [...fields, ...plain, ...ours] },
      { cookie: 'own=1', fields: [...fields, ...plain, 'authorization', `bearer  ${secret}`] },
      { cookie, fields: [...fields, ...upgrade, ...ours] },
      { cookie: 'own=1', fields: [...fields, ...upgrade, ...ours] },
    ]
    for (const request of requests) {
      const { status } = await ask(requestText({ target, host, ...request }))
      expect([200, 101]).toContain(status)
      const seen = lastOf(a.app)
      const all = seen.rawHeaders.join('\n')
      for (const text of ['mallory', secret, ...secrets]) expect(all).not.toContain(text)
      expect(all).not.toMatch(/gatehouse_|__host-|__secure-|gatehouse-ws|gatehouse-1=/i)
      const names = seen.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
      expect(names.filter((name) => gone.test(name))).toEqual([])
      expect(headersOf(seen, 'cookie').join()).toMatch(/(?:^|; )own=1$/)
      expect(headersOf(seen, 'connection')).toEqual(status === 101 ? ['Upgrade'] : [])
    }
  })

  test('#32 [JK16.2] cookies of the app, and an Authorization of its own, arrive as they were', async () => {
    const { a, ask } = tenants()
    const { authority: host, prefix: target } = a
    const own =
      '_xsrf=2|ab|cd; session="a;b"; x=; =y; username-localhost-8888="2|1:0|10:x=="; gatehouse=app; xgatehouse-1=app'
    const schemes = [
      'token 0123abcd',
      'Bearer eyJhbGciOiJub25lIn0.e30.',
      'Basic YTpi',
      'Negotiate YII=',
      'gatehouse_x',
      'bearer',
    ]
    for (const authorization of schemes) {
      for (const more of [[], [...websocketFields, 'Origin', `http://${host}`]]) {
        const fields = ['Cookie', `${own}; ${a.cookie}`, 'Authorization', authorization, ...more]
        expect([200, 101], authorization).toContain((await ask(requestText({ target, host, fields }))).status)
        expect(headersOf(lastOf(a.app), 'cookie')).toEqual([own])
        expect(headersOf(lastOf(a.app), 'authorization')).toEqual([authorization])
      }
    }
  })

  test('#32 [JK16.4] no Set-Cookie of an app, whatever its Domain and Path, overwrites or shadows a cookie of ours', async () => {
    const { a, alice, ask, world } = tenants()
    const { cookie, authority: host, prefix } = a
    const [hostname = ''] = host.split(':')
    const names = [
      `gatehouse-${world.port}`,
      `gatehouse-ws-${world.port}`,
      `gatehouse-${world.port}-tenant`,
      '__Host-gatehouse',
    ]
    const places = [
      'Path=/',
      `Path=${prefix}`,
      'Path=/; Domain=localhost',
      `Path=/; Domain=${hostname}`,
      'Path=/.gatehouse/',
    ]
    const forged = [
      ...names.flatMap((name) => places.map((place) => `${name}=forged; ${place}; HttpOnly`)),
      ...names.flatMap((name) => [
        `=${name}=forged`,
        ` ${name} =forged; Path=/`,
        `${name.toUpperCase()}=forged`,
        `${name}`,
        `\t${name}=forged`,
      ]),
      ...names.map((name) => `__Secure-gatehouse=forged; Secure; Path=/; Domain=localhost; x=${name}`),
      ...['localhost', '.localhost', 'LOCALHOST', 'evil.test', `x.${hostname}`, `${hostname}.evil`].map(
        (domain) => `forged=1; Domain=${domain}`,
      ),
      ...['forged=1; domain =localhost', 'forged=1; Domain=localhost; Domain=', `forged=1; Domain=; Domain=localhost`],
    ]
    const kept = ['own=1; Path=/', 'own2=1', `own3=1; Domain=${hostname}; Path=${prefix}`, 'own4=1; Path=/elsewhere']
    const before = { console: cookieAtConsole(alice, world), workspace: alice.cookieHeader(a.url) }

    const setCookies = [...forged, ...kept]
    a.app.answer = (_request, response) => {
      response.writeHead(200, ['Content-Type', 'text/html', ...setCookies.flatMap((value) => ['Set-Cookie', value])])
      response.end('of the app')
      return true
    }
    const received = headersOf(await ask(requestText({ target: prefix, host, cookie })), 'set-cookie')
    expect(received.filter((value) => value.includes('forged'))).toEqual([])
    expect(received.filter((value) => /domain=.+/i.test(value))).toEqual([])
    expect(received).toHaveLength(kept.length)
    const paths = received.flatMap((value) => /Path=([^;]*)/.exec(value)?.[1] ?? [])
    if (mode === 'path')
      expect(paths.filter((path) => !`${path}/`.startsWith(prefix) && !path.startsWith(prefix))).toEqual([])

    // So a browser that opens it keeps what it had, there and at the console.
    await alice.navigate(a.url)
    a.app.answer = undefined
    expect(cookieAtConsole(alice, world)).toBe(before.console)
    for (const pair of before.workspace?.split('; ') ?? []) expect(alice.cookieHeader(a.url)).toContain(pair)
    expect((await alice.open(`${world.origin}/.gatehouse/api/v1/whoami`)).body).toContain('alice')
    expect(JSON.parse((await alice.open(a.url)).body)).toMatchObject({ app: 'team/a' })
  })

  test('#32 the same holds for answers to upgrades, for hints and for trailers', async () => {
    const { a, ask, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const forged = `Set-Cookie: gatehouse-${world.port}=forged; Path=/\r\nSet-Cookie: x=forged; Domain=localhost\r\n`
    const fields = [...websocketFields, 'Origin', `http://${host}`]
    const accept = 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'
    for (const start of [
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${accept}`,
      'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n',
    ]) {
      a.app.answerUpgrade = (_request, socket) =>
        socket.end(`${start}${forged}Set-Cookie: own=1\r\n\r\n`).writable || true
      const answer = await ask(requestText({ target, host, cookie, fields }))
      expect(start).toContain(String(answer.status))
      expect(headersOf(answer, 'set-cookie')).toEqual(['own=1'])
    }
    a.app.answerUpgrade = undefined
    a.app.answer = (_request, response) => {
      const hints = `HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n${forged}\r\n`
      const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n'
      response.socket?.end(`${hints}${head}1\r\nx\r\n0\r\n${forged}\r\n`)
      return true
    }
    using connection = await openRaw(world.port)
    connection.send(requestText({ target, host, cookie, fields: ['Connection', 'close'] }))
    const all = await connection.rest()
    a.app.answer = undefined
    expect(all).toMatch(/^HTTP\/1\.1 103 /)
    expect(all).toContain('\r\nx\r\n')
    expect(all).not.toContain('forged')
  })

  test('#32 what an app says to its next hop, and what would act for it there, goes no further', async () => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const hop = [
      ...[
        'Connection',
        'X-Hop, close',
        'X-Hop',
        'hop',
        'Keep-Alive',
        'timeout=hop',
        'Proxy-Authenticate',
        'hop',
        'TE',
        'hop',
      ],
      ...[
        'Proxy-Connection',
        'hop',
        'Upgrade',
        'hop',
        'Proxy-Authentication-Info',
        'hop',
        'X-Gatehouse-Assertion',
        'hop',
      ],
      ...['Alt-Svc', 'h3="hop"', 'Set-Cookie2', 'hop', 'Clear-Site-Data', '"cookies"'],
    ]
    a.app.answer = (_request, response) => {
      response.writeHead(200, [...hop, 'X-Own', 'own'])
      response.end('x')
      return true
    }
    const answer = await ask(requestText({ target, host, cookie }))
    a.app.answer = undefined
    expect(answer.rawHeaders.join('\n')).not.toMatch(/hop|cookies/i)
    expect(headersOf(answer, 'x-own')).toEqual(['own'])
  })
})

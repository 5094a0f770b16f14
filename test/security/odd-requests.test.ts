/**
 * Odd requests that are passed on, or that the app answers oddly: the next request to the same app is somebody else's, by the same pooled
 * connection where there is one left, and it and its answer are his own.
 */
import { describe, expect, test } from 'vitest'
import { openRaw } from '#test/support/raw-http.ts'
import { type SharedApp, useSharedApp } from '#test/support/shared-app.ts'
import { requestText, settled, websocketFields } from '#test/support/tenants.ts'

/** Alice's request, and what the app gets of it. */
interface OddRequest {
  readonly bytes: (world: SharedApp) => string
  readonly arrives: string
}

const to = (target: string, arrives = target): OddRequest => ({ bytes: ({ text }) => text(target), arrives })
const having = (fields: readonly string[], arrives = ''): OddRequest => ({
  bytes: ({ text }) => text('x', { fields }),
  arrives,
})
/** The request line written by hand, and the Host field in a spelling of its own. */
const written = (
  line: (target: string, host: string) => string,
  spelt = (host: string) => host,
  more = '',
): OddRequest => ({
  bytes: ({ shared, cookies }) =>
    `${line(`${shared.prefix}x`, shared.authority)}\r\nHost: ${spelt(shared.authority)}\r\nCookie: ${cookies.alice}\r\n${more}\r\n`,
  arrives: 'x HTTP/1.1',
})

const settings = ['HTTP2-Settings', 'AAMAAABkAARAAAAAAAIAAAAA']
const key = ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version', '13']
const aliases = ['X_Forwarded_User', 'X.Forwarded.User', 'HTTP_X_FORWARDED_USER', 'Remote-User', 'x-forwarded-user']
const claims = ['X-Forwarded-Host', 'X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Prefix', 'Forwarded', 'X-Real-IP']
const high = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join('')

const passedOn: ReadonlyArray<readonly [title: string, odd: OddRequest]> = [
  ['#1 two slashes within the path', to('x//evil.example//y/')],
  ['#4 encoded slashes and colons', to('api/collaboration/room/json%3Anotebook%3Ax%2Fy')],
  ['#4 #7 #8 encoded line ends, NUL and number signs', to('x%00%0d%0a%0d%0aGET%20/smuggled%20HTTP/1.1%23%09')],
  ['#5 encoded slashes that a decoder would climb by', to('..%2f..%2f..%2fb/api')],
  ['#5 dot segments that stay within the workspace', to('lab/../tree/./%2e%2e/x')],
  [
    '#10 #14 the host in capitals',
    written(
      (target) => `GET ${target} HTTP/1.1`,
      (host) => host.toUpperCase(),
    ),
  ],
  ['#11 another workspace in the query', to('x?next=/workspaces/team/b/&x=%zz\\')],
  ['#13 an absolute target', written((target, host) => `GET http://${host}${target} HTTP/1.1`)],
  ['#21 claims of another route', having(claims.flatMap((name) => [name, '/workspaces/team/b/']))],
  ['#24 identity in other spellings', having(aliases.flatMap((name) => [name, 'bob', name, '']))],
  ['#25 an assertion', having(['X-Gatehouse-Assertion', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.'])],
  [
    '#26 nominated fields',
    having(['Connection', 'Host, X-Forwarded-User', 'connection', 'Content-Length, close, Cookie']),
  ],
  ['#27 several Cookie fields', having(['Cookie', 'a=1', 'cookie', 'b=2'], 'a=1; b=2')],
  ['#28 names of prototypes', having(['__proto__', 'x', 'constructor', 'y', 'toString', 'z'], '__proto__: x')],
  ['#29 bytes above ASCII', having(['X-Bytes', high], high)],
  ['#58 #77 Upgrade that no Connection names', having(['Upgrade', 'h2c', 'Connection', 'HTTP2-Settings', ...settings])],
  [
    '#58 #77 Upgrade on a connection that is to close',
    having(['Upgrade', 'h2c', 'Connection', 'close, HTTP2-Settings', ...settings]),
  ],
  ['#58 Upgrade to WebSocket that no Connection names', having(['Upgrade', 'websocket', ...key])],
  ['#74 spaces before the target', written((target) => `GET   ${target} HTTP/1.1`)],
  ['#74 GET of RTSP', written((target) => `GET ${target} RTSP/1.0`)],
  [
    '#74 HTTP/1.0 that would keep its connection',
    written((target) => `GET ${target} HTTP/1.0`, undefined, 'Connection: keep-alive\r\n'),
  ],
]

const bait = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbait'
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const world = useSharedApp({ mode })

  test.each(passedOn)('%s: passed on, and the next request by that connection is bob’s own', async (_what, odd) => {
    const { tenants, app, bobIsServed } = world()
    const before = app.heads.length
    const answer = await tenants.ask(odd.bytes(world()))
    expect(answer).toMatchObject({ status: 200, body: expect.stringMatching(/^GET \S+ HTTP\/1\.1 alice$/) })
    const [seen, ...more] = app.heads.slice(before)
    expect(more).toEqual([])
    expect(seen?.text).toContain(odd.arrives)
    await bobIsServed()
    expect(app.heads.at(-1)?.connection).toBe(seen?.connection)
  })

  test('#20 a redirect with fields by which servers fetch something: passed on, and the next answer is bob’s own', async () => {
    const { tenants, app, text, bobIsServed } = world()
    app.respond = (_head, socket) =>
      socket.write(
        'HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nX-Accel-Redirect: /bob-1\r\nContent-Length: 0\r\n\r\n',
      ) !== undefined
    expect((await tenants.ask(text('x'))).status).toBe(302)
    app.respond = undefined
    const { connection } = app.heads.at(-1) ?? {}
    await bobIsServed()
    expect(app.heads.at(-1)?.connection).toBe(connection)
  })

  const odd: ReadonlyArray<readonly [title: string, fields: readonly string[], answer: string, status: number]> = [
    [
      '#59 a handshake refused with 404, bytes behind it',
      websocketFields,
      bait.replace('200 OK', '404 Not Found'),
      404,
    ],
    ['#59 a handshake answered with 200, bytes behind it', websocketFields, bait, 200],
    ['#60 a plain request answered with 101', [], `${switching}\r\n${bait}`, 502],
    [
      '#60 a handshake answered with the wrong proof',
      websocketFields,
      `${switching}Sec-WebSocket-Accept: x\r\n\r\n${bait}`,
      502,
    ],
  ]

  test.each(odd)('%s: that connection ends, and bob is served by another one', async (_what, fields, bytes, status) => {
    const { tenants, shared, app, text, bobIsServed } = world()
    const before = app.heads.length
    app.respond = (_head, socket) => socket.write(bytes) !== undefined
    using connection = await openRaw(tenants.world.port)
    const smuggled = requestText({ target: `${shared.prefix}smuggled`, host: shared.authority })
    connection.send(text('x', { fields }) + (fields.length > 0 ? smuggled : ''))
    expect((await connection.answer()).status).toBe(status)
    const [seen] = app.heads.slice(before)
    await bobIsServed()
    expect(app.heads.at(-1)?.connection).not.toBe(seen?.connection)
    await tenants.world.until(() => seen !== undefined && !app.isOpen(seen.connection), 'the end of that connection')
    await settled()
    expect(app.heads.slice(before).filter(({ text: head }) => head.includes('smuggled'))).toEqual([])
  })
})

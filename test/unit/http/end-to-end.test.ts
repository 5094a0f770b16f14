import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RequestHeads } from '#http/end-to-end.ts'

const heads = new RequestHeads((name) => name.startsWith('__Host-gatehouse'))

function build(rawHeaders: string[], options: { isAuthorizationOurs?: boolean } = {}) {
  return heads.build({ rawHeaders, isAuthorizationOurs: false, ...options })
}

/** What an app sees under one name, whatever spelling it looks for. */
function seenAs(fields: readonly string[], name: string): string[] {
  const bare = (text: string) =>
    text
      .toLowerCase()
      .replace(/^http_/, '')
      .replace(/[^a-z0-9]/g, '')
  return fields.flatMap((field, index) =>
    index % 2 === 0 && bare(field) === bare(name) ? [fields[index + 1] ?? ''] : [],
  )
}

describe('what a client says', () => {
  test('fields of its own pass as they were written, in their order, repeated ones too', () => {
    const raw = [
      'Host',
      'nb.example.com',
      'aCCept',
      '*/*',
      'X-XSRFToken',
      'é=\xff',
      'Via',
      'a',
      'Via',
      'b',
      'X-Request-Id',
      '',
    ]
    expect(build(raw).fields).toEqual(raw)
    const socket = [
      'Sec-WebSocket-Key',
      'a',
      'sec-websocket-Protocol',
      'x, y',
      'Sec-WebSocket-Extensions',
      'permessage-deflate',
    ]
    expect(build(socket).fields).toEqual(socket)
  })

  test('names that objects know are names like others', () => {
    const raw = ['__proto__', 'x', 'constructor', 'y', 'toString', 'z', 'hasOwnProperty', '']
    expect(build(raw).fields).toEqual(raw)
  })

  test.each([
    ...['X-Forwarded-User', 'x-forwarded-USER', 'X_Forwarded_User', 'x-forwarded_user', 'X.Forwarded.User'],
    ...[
      'XForwardedUser',
      'HTTP_X_FORWARDED_USER',
      'HTTP-X-Forwarded-User',
      'HTTP_HTTP_X_Forwarded_User',
      "X'Forwarded!User",
    ],
    ...[
      'REMOTE_USER',
      'Remote-User',
      'REMOTEUSER',
      'HTTP_REMOTE_USER',
      'Remote.Groups',
      'X-Remote-User',
      'X-Authenticated-User',
    ],
    ...[
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'X-Forwarded-Proto',
      'X-Forwarded-Port',
      'X-Forwarded-Prefix',
      'X_Forwarded_Context',
    ],
    ...[
      'X-Forwarded-Uri',
      'X-Forwarded-Method',
      'X-Forwarded-Server',
      'X-Forwarded',
      'Forwarded',
      'FORWARDED',
      'X-Real-IP',
      'X_Real_Ip',
    ],
    ...[
      'X-Original-URL',
      'X-Original-Host',
      'X-Rewrite-URL',
      'X-Envoy-Original-Path',
      'X-Scheme',
      'True-Client-IP',
      'X-Client-IP',
    ],
    ...[
      'X-Auth-Request-User',
      'X_Auth_Request_Email',
      'X-Gatehouse-Assertion',
      'x_gatehouse_assertion',
      'XGatehouseAssertion',
    ],
    ...[
      'Proxy',
      'Proxy-Authorization',
      'Proxy_Connection',
      'Keep-Alive',
      'Upgrade',
      'HTTP2-Settings',
      'Expect',
      'Connection',
      'TE',
    ],
    ...[
      'Transfer_Encoding',
      'Content_Length',
      'Content.Length',
      'TransferEncoding',
      'HTTP_HOST',
      'HTTP_COOKIE',
      'Authorization_',
    ],
  ])('%s is never passed on', (name) => {
    expect(build([name, 'mallory']).fields).toEqual([])
    expect(seenAs(build([name, 'mallory', name, '', name.toLowerCase(), 'x']).fields, 'X-Forwarded-User')).toEqual([])
  })

  test('no spelling of a reserved name comes through', () => {
    const separator = fc.constantFrom('', '-', '_', '.', '--', '!', '~')
    const words = fc.constantFrom(
      ...[
        ['x', 'forwarded', 'user'],
        ['x', 'gatehouse', 'assertion'],
        ['remote', 'user'],
        ['x', 'real', 'ip'],
        ['forwarded'],
      ],
    )
    const spelling = fc
      .tuple(
        words,
        fc.infiniteStream(separator),
        fc.infiniteStream(fc.boolean()),
        fc.constantFrom('', 'HTTP_', 'http-'),
      )
      .map(([parts, separators, uppers, prefix]) => {
        const joined = parts.map((part) => part + separators.next().value).join('')
        return prefix + [...joined].map((letter) => (uppers.next().value ? letter.toUpperCase() : letter)).join('')
      })
    fc.assert(
      fc.property(spelling, (name) => {
        expect(build([name, 'mallory']).fields).toEqual([])
      }),
    )
  })

  test('more names than are remembered change no verdict', () => {
    for (let index = 0; index < 3_000; index++) build([`X-Junk-${index}`, 'x'])
    expect(build(['X-Forwarded-User', 'mallory', 'X-Junk-1', 'x']).fields).toEqual(['X-Junk-1', 'x'])
  })
})

describe('Connection', () => {
  test('nominated fields are left out, in any case, from all Connection fields', () => {
    const raw = [
      'Connection',
      'X-Hop, keep-alive',
      'x-hop',
      '1',
      'connection',
      ' X-OTHER ,close',
      'X-Other',
      '2',
      'X-Kept',
      '3',
    ]
    expect(build(raw).fields).toEqual(['X-Kept', '3'])
  })

  test('a nomination reaches neither what the gateway adds nor Host, Cookie, Authorization, Origin, length and content', () => {
    const nomination =
      'X-Forwarded-User, X-Gatehouse-Assertion, Cookie, Host, Content-Length, Authorization, Origin, Content-Type, Sec-Fetch-Site'
    const raw = ['Host', 'a', 'Origin', 'o', 'Content-Type', 't', 'Sec-Fetch-Site', 's', 'Authorization', 'token x']
    const head = build(['Connection', nomination, ...raw, 'Cookie', 'a=1; __Host-gatehouse=s', 'Content-Length', '5'])
    expect(head.fields).toEqual([...raw, 'Cookie', 'a=1'])
    expect(head.framing).toEqual({ kind: 'length', length: 5 })
  })
})

describe('credentials', () => {
  test("cookies of ours are taken out, the app's pass byte for byte, several fields become one", () => {
    const raw = ['Cookie', '__Host-gatehouse=s; _xsrf="2|a"', 'cookie', 'b=2;  c=3; __Host-gatehouse-x=1']
    expect(build(raw).fields).toEqual(['Cookie', '_xsrf="2|a"; b=2;  c=3'])
    expect(build(['Cookie', '__Host-gatehouse=s']).fields).toEqual([])
  })

  test('Authorization passes unless it is ours', () => {
    const raw = ['Authorization', 'token abc']
    expect(build(raw).fields).toEqual(raw)
    expect(build(raw, { isAuthorizationOurs: true }).fields).toEqual([])
  })
})

describe('framing', () => {
  test('is read, and never passed on as a field', () => {
    expect(build([]).framing).toEqual({ kind: 'none' })
    expect(build(['content-length', '0'])).toMatchObject({ framing: { kind: 'length', length: 0 }, fields: [] })
    expect(build(['Transfer-Encoding', 'Chunked'])).toMatchObject({ framing: { kind: 'chunked' }, fields: [] })
    expect(() => build(['Transfer-Encoding', 'gzip, chunked'])).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    )
  })

  test('of TE only the wish for trailers is kept', () => {
    expect(build(['TE', 'gzip;q=0.5, Trailers']).acceptsTrailers).toBe(true)
    expect(build(['TE', 'gzip']).acceptsTrailers).toBe(false)
  })

  test('a trailer section holds nothing that is acted on beforehand', () => {
    const raw = [
      'X-Checksum',
      '1',
      'Content-Length',
      '9',
      'Host',
      'x',
      'X_Forwarded_User',
      'm',
      'authorization',
      'x',
      'Set-Cookie',
      'a=b',
    ]
    expect(heads.trailers([...raw, 'Transfer-Encoding', 'chunked', 'If-Match', 'x', 'Content-Type', 'x'])).toEqual([
      'X-Checksum',
      '1',
    ])
  })
})

import { describe, expect, test } from 'vitest'
import { readRequestHead } from '#http/request-head.ts'

const read = (fields: readonly string[], httpVersion = '1.1') =>
  readRequestHead(['Host', 'a.example', ...fields], { httpVersion })
const fault = (fault: string, status = 400) => ({ kind: 'problem', fault, status })

describe('readRequestHead', () => {
  test('a bare head has a host and nothing else', () => {
    expect(read([])).toEqual({
      kind: 'head',
      httpVersion: '1.1',
      host: 'a.example',
      cookie: undefined,
      origin: undefined,
      authorization: undefined,
      secFetchSite: undefined,
      secFetchMode: undefined,
      secFetchDest: undefined,
      secFetchUser: undefined,
      accept: undefined,
      xRequestedWith: undefined,
      userAgent: undefined,
      xForwardedFor: undefined,
      connection: [],
      upgrade: undefined,
      secWebSocketKey: undefined,
      secWebSocketVersion: undefined,
      expect: undefined,
      contentLength: undefined,
      isChunked: false,
    })
  })

  test('reads the fields it knows in any case and leaves the others', () => {
    const head = read([
      'ORIGIN',
      'https://a.example',
      'authorization',
      'Bearer x',
      'Sec-Fetch-Site',
      'same-origin',
      'sec-fetch-MODE',
      'cors',
      'Sec-Fetch-Dest',
      'empty',
      'Sec-Fetch-User',
      '?1',
      'Accept',
      'text/html',
      'X-Requested-With',
      'XMLHttpRequest',
      'User-Agent',
      'curl/8',
      'X-Forwarded-For',
      '192.0.2.1',
      'Upgrade',
      'websocket',
      'Sec-WebSocket-Key',
      'k',
      'Sec-WebSocket-Version',
      '13',
      'Expect',
      '100-continue',
      'Content-Length',
      '12',
      'X-Origin',
      'no',
      'Origi',
      'no',
      'Origin2',
      'no',
    ])
    expect(head).toMatchObject({
      origin: 'https://a.example',
      authorization: 'Bearer x',
      secFetchSite: 'same-origin',
      secFetchMode: 'cors',
      secFetchDest: 'empty',
      secFetchUser: '?1',
      accept: 'text/html',
      xRequestedWith: 'XMLHttpRequest',
      userAgent: 'curl/8',
      xForwardedFor: '192.0.2.1',
      upgrade: 'websocket',
      secWebSocketKey: 'k',
      secWebSocketVersion: '13',
      expect: '100-continue',
      contentLength: 12,
    })
  })

  test('several Cookie fields are one, joined as RFC 9113 says', () => {
    expect(read(['Cookie', 'a=1', 'x', 'y', 'cookie', 'b=2; c=3'])).toMatchObject({ cookie: 'a=1; b=2; c=3' })
  })

  test('several X-Forwarded-For fields are one list in their order', () => {
    expect(read(['X-Forwarded-For', 'a', 'x-forwarded-for', 'b, c'])).toMatchObject({ xForwardedFor: 'a, b, c' })
  })

  test('Connection members are lower case, from all fields', () => {
    expect(read(['Connection', 'keep-alive'])).toMatchObject({ connection: ['keep-alive'] })
    expect(read(['Connection', 'close', 'connection', 'X-Auth , ,Upgrade'])).toMatchObject({
      connection: ['close', 'x-auth', 'upgrade'],
    })
  })

  test('an empty value is there, and one of its kind', () => {
    expect(read(['Origin', ''])).toMatchObject({ origin: '' })
    expect(read(['Origin', '', 'Origin', 'https://a.example'])).toEqual(fault('duplicate_field'))
  })

  test.each([
    'Host',
    'Authorization',
    'Origin',
    'Sec-Fetch-Site',
    'Sec-Fetch-Mode',
    'Sec-Fetch-Dest',
    'Content-Length',
    'Sec-WebSocket-Key',
  ])('a second %s is a problem, equal or not, in any case', (name) => {
    expect(read([name, '1', name.toUpperCase(), '1'])).toEqual(fault('duplicate_field'))
    expect(read([name.toLowerCase(), '1', name, '2'])).toEqual(fault('duplicate_field'))
  })

  test('without Host there is nobody to ask, in HTTP/1.0 too', () => {
    expect(readRequestHead(['Accept', '*/*'], { httpVersion: '1.1' })).toEqual(fault('host_missing'))
    expect(readRequestHead([], { httpVersion: '1.0' })).toEqual(fault('host_missing'))
  })

  test.each([
    'gzip, chunked',
    'xchunked',
    'chunked, identity',
    'identity',
    'chunked, chunked',
    ' chunked',
    'chunked ',
    '',
  ])('Transfer-Encoding %j is a problem', (value) => {
    expect(read(['Transfer-Encoding', value])).toEqual(fault('transfer_encoding'))
  })

  test('chunked is the one transfer coding, once, alone and not in HTTP/1.0', () => {
    expect(read(['Transfer-Encoding', 'chunked'])).toMatchObject({ isChunked: true, contentLength: undefined })
    expect(read(['Transfer-Encoding', 'Chunked'])).toMatchObject({ isChunked: true })
    expect(read(['Transfer-Encoding', 'chunked', 'transfer-encoding', 'chunked'])).toEqual(fault('duplicate_field'))
    expect(read(['Transfer-Encoding', 'chunked', 'Content-Length', '3'])).toEqual(fault('transfer_encoding'))
    expect(read(['Content-Length', '0', 'Transfer-Encoding', 'chunked'])).toEqual(fault('transfer_encoding'))
    expect(read(['Transfer-Encoding', 'chunked'], '1.0')).toEqual(fault('transfer_encoding'))
  })

  test.each(['+1', '-1', '0x1', '1,1', '1e1', '1.0', ' 1', '', '99999999999999999999'])(
    'Content-Length %j is a problem',
    (value) => {
      expect(read(['Content-Length', value])).toEqual(fault('content_length'))
    },
  )

  test.each(['0.9', '2.0', '1.2', ''])('version %j is 505', (httpVersion) => {
    expect(read([], httpVersion)).toEqual(fault('http_version', 505))
  })

  test('HTTP/1.0 is read', () => {
    expect(read([], '1.0')).toMatchObject({ kind: 'head', httpVersion: '1.0' })
  })

  test.each(['a\u0000', 'a\r\nX: y', 'a\nb', '\u001b[31m', 'a\u007f'])(
    'a control character in a value is a problem: %j',
    (value) => {
      for (const name of ['Cookie', 'Authorization', 'Connection', 'User-Agent', 'X-Forwarded-For']) {
        expect(read([name, value])).toEqual(fault('control_character'))
      }
      expect(readRequestHead(['Host', value], { httpVersion: '1.1' })).toEqual(fault('control_character'))
    },
  )

  test('a tab and high bytes are no control characters', () => {
    expect(read(['User-Agent', 'a\tb\u00e9\u0080'])).toMatchObject({ userAgent: 'a\tb\u00e9\u0080' })
  })

  test('1000 fields are read and one more is 431', () => {
    const fields = Array.from({ length: 999 }, () => ['x', 'y']).flat()
    expect(read(fields).kind).toBe('head')
    expect(read([...fields, 'x', 'y'])).toEqual(fault('too_many_fields', 431))
    expect(readRequestHead(['Host', 'a', 'b', 'c'], { httpVersion: '1.1', mostFields: 1 })).toEqual(
      fault('too_many_fields', 431),
    )
  })

  test('names that mean something to objects mean nothing here', () => {
    const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'length', 'valueOf', 'x'.repeat(5000), '']
    const head = read(names.flatMap((name) => [name, 'evil']))
    expect(head).toEqual(read([]))
    expect(Object.getPrototypeOf(head)).toBe(Object.prototype)
  })

  test('a name is the same only if every character is: no bit tricks', () => {
    // Each of these becomes "host", "origin" or "cookie" when bit 0x20 is set or the text is folded by Unicode's rules.
    expect(read(['coo\u212aie', 'a=1', 'or\u0130gin', 'x', '\u000forigin', 'x'])).toMatchObject({
      cookie: undefined,
      origin: undefined,
    })
    expect(read(['sec\rfetch\rsite', 'none'])).toMatchObject({ secFetchSite: undefined })
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { longestProxyHeader, readProxyHeader } from '#server/proxy-protocol.ts'
import { proxyHeader } from '#test/support/proxy-header.ts'

const bytes = (...values: readonly number[]) => Uint8Array.from(values)
const v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb]
const v6 = [
  ...bytes(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
  ...new Uint8Array(16),
  0xff,
  0xff,
  0,
  80,
]

const complete = (length: number, source?: { address: string; port: number }) => ({ kind: 'complete', length, source })
const problem = (fault: string) => ({ kind: 'problem', fault })

describe('readProxyHeader', () => {
  test('PROXY over TCP names the source, in one spelling', () => {
    expect(readProxyHeader(proxyHeader(0x21, 0x11, v4))).toEqual(complete(28, { address: '192.0.2.1', port: 0x1234 }))
    expect(readProxyHeader(proxyHeader(0x21, 0x21, v6))).toEqual(complete(52, { address: '2001:db8::1', port: 65535 }))
    const mapped = [...new Uint8Array(10), 0xff, 0xff, 192, 0, 2, 7, ...new Uint8Array(16), 0, 1, 0, 2]
    expect(readProxyHeader(proxyHeader(0x21, 0x21, mapped))).toEqual(complete(52, { address: '192.0.2.7', port: 1 }))
  })

  test('extensions behind the addresses are passed over, and belong to the header', () => {
    expect(readProxyHeader(proxyHeader(0x21, 0x11, [...v4, 0x04, 0, 3, 1, 2, 3]))).toEqual(
      complete(34, { address: '192.0.2.1', port: 0x1234 }),
    )
  })

  test('LOCAL and UNSPEC name nobody, whatever they carry', () => {
    expect(readProxyHeader(proxyHeader(0x20, 0x00, []))).toEqual(complete(16))
    expect(readProxyHeader(proxyHeader(0x20, 0x11, v4))).toEqual(complete(28))
    expect(readProxyHeader(proxyHeader(0x20, 0xff, v4))).toEqual(complete(28))
    expect(readProxyHeader(proxyHeader(0x21, 0x00, [1, 2, 3]))).toEqual(complete(19))
  })

  test.each([
    ['version 1', new TextEncoder().encode('PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n'), 'version_1'],
    ['an HTTP request', new TextEncoder().encode('GET / HTTP/1.1\r\n'), 'signature'],
    ['a TLS hello', bytes(0x16, 3, 1, 2), 'signature'],
    ['a signature that goes wrong at its end', proxyHeader(0x21, 0x11, v4).with(11, 0x0b), 'signature'],
    ['version 3', proxyHeader(0x31, 0x11, v4), 'version'],
    ['version 1 in the binary form', proxyHeader(0x11, 0x11, v4), 'version'],
    ['an unknown command', proxyHeader(0x22, 0x11, v4), 'command'],
    ['UDP', proxyHeader(0x21, 0x12, v4), 'family'],
    [
      'a Unix socket',
      proxyHeader(
        0x21,
        0x31,
        Array.from({ length: 216 }, () => 0),
      ),
      'family',
    ],
    ['an unknown family', proxyHeader(0x21, 0x41, v4), 'family'],
    ['addresses cut off', proxyHeader(0x21, 0x11, v4.slice(0, 11)), 'addresses'],
    ['IPv4 addresses called IPv6', proxyHeader(0x21, 0x21, v4), 'addresses'],
  ])('refuses %s', (_what, header, fault) => {
    expect(readProxyHeader(header)).toEqual(problem(fault))
  })

  test('refuses a length beyond the limit before the rest of it came', () => {
    const longest = proxyHeader(0x21, 0x11, [...v4, ...new Uint8Array(longestProxyHeader - 28)])
    expect(readProxyHeader(longest)).toMatchObject({ kind: 'complete', length: longestProxyHeader })
    const tooLong = proxyHeader(0x21, 0x11, [...v4, ...new Uint8Array(longestProxyHeader - 27)])
    expect(readProxyHeader(tooLong.subarray(0, 16))).toEqual(problem('too_long'))
  })

  test('nothing at all may still become a header', () => {
    expect(readProxyHeader(bytes())).toEqual({ kind: 'incomplete' })
  })

  const headers = fc.record({
    command: fc.constantFrom(0x20, 0x21),
    family: fc.constantFrom(0x00, 0x11, 0x21),
    body: fc.uint8Array({ minLength: 36, maxLength: 80 }),
  })

  test('what follows does not matter, and every shorter piece is incomplete', () => {
    fc.assert(
      fc.property(headers, fc.uint8Array({ maxLength: 40 }), ({ command, family, body }, rest) => {
        const header = proxyHeader(command, family, body)
        const read = readProxyHeader(header)
        expect(read).toMatchObject({ kind: 'complete', length: header.length })
        expect(readProxyHeader(Uint8Array.from([...header, ...rest]))).toEqual(read)
        for (let length = 0; length < header.length; length += 1) {
          expect(readProxyHeader(header.subarray(0, length))).toEqual({ kind: 'incomplete' })
        }
      }),
      { numRuns: 50 },
    )
  })

  test('a refusal is final: more bytes never turn it into something else', () => {
    const nearHeaders = fc
      .tuple(headers, fc.nat({ max: 30 }), fc.integer({ min: 0, max: 255 }))
      .map(([{ command, family, body }, at, value]) => proxyHeader(command, family, body).with(at, value))
    fc.assert(
      fc.property(fc.oneof(nearHeaders, fc.uint8Array({ maxLength: 60 })), (stream) => {
        let refused = false
        for (let length = 0; length <= stream.length; length += 1) {
          const { kind } = readProxyHeader(stream.subarray(0, length))
          if (refused) expect(kind).toBe('problem')
          refused ||= kind === 'problem'
        }
      }),
      { numRuns: 200 },
    )
  })
})

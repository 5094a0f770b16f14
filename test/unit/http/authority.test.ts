import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAuthority } from '#http/authority.ts'

describe('parseAuthority', () => {
  test.each([
    ['example.test', 'example.test', undefined],
    ['Notebook-MFWGSY3F.Example.TEST', 'notebook-mfwgsy3f.example.test', undefined],
    ['localhost:8800', 'localhost', 8800],
    ['nb-mfwgsy3f--8888.localhost:65535', 'nb-mfwgsy3f--8888.localhost', 65535],
    ['127.0.0.1:1', '127.0.0.1', 1],
    ['[::1]', '[::1]', undefined],
    ['[2001:DB8:0:0:0:0:0:1]:443', '[2001:db8::1]', 443],
    ['1.example', '1.example', undefined],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', undefined],
  ])('reads %s', (text, host, port) => {
    expect(parseAuthority(text)).toEqual({ host, port, text: port === undefined ? host : `${host}:${port}` })
  })

  test.each([
    '',
    ' ',
    'a, b',
    'a,b',
    'a@b',
    'user:pw@a',
    'a/b',
    'a\\b',
    'a?b',
    'a#b',
    'a b',
    'a\tb',
    'a\u0000',
    '.',
    'a.',
    '.a',
    'a..b',
    '-a',
    'a-',
    'a_b',
    'a%41',
    'é.example',
    '\u212aelvin',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(127)}aa`,
    'a:',
    'a:0',
    'a:080',
    'a:65536',
    'a:100000',
    'a:+1',
    'a:1e3',
    'a:80:80',
    'a: 80',
    ':80',
    '::1',
    '[::1',
    '::1]',
    '[]',
    '[a]',
    '[127.0.0.1]',
    '[::1]x',
    '[::1]]',
    '[[::1]]',
    '[::1]:',
    '[fe80::1%eth0]',
    '[fe80::1%25eth0]',
    '127.1',
    '2130706433',
    '0x7f000001',
    'a.0x1',
    '127.0.0.01',
    '256.1.1.1',
    '1.2.3.4.5',
  ])('refuses %j', (text) => {
    expect(parseAuthority(text)).toBeUndefined()
  })

  const texts = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'aZ0.-:@[],/%1 xn', '\u212a', '\u0130'), maxLength: 16 }),
    fc.webAuthority({ withPort: true, withIPv4: true, withIPv6: true, withUserInfo: true }),
    fc.string({ unit: 'binary', maxLength: 12 }),
  )

  test('what it accepts is one lower-case name and a port, and reads the same again', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const authority = parseAuthority(text)
        if (!authority) return
        expect(authority.text).toMatch(
          /^(?:[a-z0-9]|[a-z0-9][a-z0-9.-]*[a-z0-9]|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?$/,
        )
        expect(parseAuthority(authority.text)).toEqual(authority)
      }),
      { numRuns: 2000 },
    )
  })

  test('upper and lower case are one host', () => {
    fc.assert(
      fc.property(fc.domain(), (domain) => {
        expect(parseAuthority(domain.toUpperCase())).toEqual(parseAuthority(domain))
      }),
    )
  })
})

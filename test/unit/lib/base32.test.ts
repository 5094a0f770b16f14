import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase32, encodeBase32 } from '#lib/base32.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

describe('base32', () => {
  test.each([
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ])('encodes the test vectors of RFC 4648 section 10 in lower case and without padding: %j', (plain, encoded) => {
    expect(encodeBase32(bytesOf(plain))).toBe(encoded)
    expect(decodeBase32(encoded)).toEqual(bytesOf(plain))
  })

  test('any bytes come back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes)
      }),
    )
  })

  test('what decodes at all is spelled as encoding would spell it', () => {
    const nearBase32 = fc.string({
      unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567', 'A', '0', '1', '='),
      maxLength: 20,
    })
    fc.assert(
      fc.property(nearBase32, (text) => {
        const bytes = decodeBase32(text)
        if (bytes) expect(encodeBase32(bytes)).toBe(text)
      }),
      { numRuns: 1000 },
    )
  })

  test.each(['MY', 'my======', 'mz', 'm', 'mzx', 'mzxw6y', 'mzxw6ytbo', 'm0', 'm1', 'm8', 'mÿ', 'm\u212a', ' my'])(
    'refuses %j',
    (text) => {
      expect(decodeBase32(text)).toBeUndefined()
    },
  )
})

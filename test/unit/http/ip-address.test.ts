import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalAddress } from '#http/ip-address.ts'

describe('canonicalAddress', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::00A0', '2001:db8::a0'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:0201', '192.0.2.1'],
    ['::', '::'],
    ['::ffff:0:1', '0.0.0.1'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical)
  })

  test.each([
    '',
    'localhost',
    '127.1',
    '01.2.3.4',
    ' ::1',
    '[::1]',
    '::1%lo',
    '1.2.3.4:80',
    '10.0.0.0/8',
    ':::',
    '1.2.3.4\n',
  ])('%j is none', (text) => {
    expect(canonicalAddress(text)).toBeUndefined()
  })

  test('every address has one spelling', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const canonical = canonicalAddress(text)
        expect(canonical).toBeDefined()
        expect(canonicalAddress(canonical ?? '')).toBe(canonical)
        expect(canonicalAddress(text.toUpperCase())).toBe(canonical)
      }),
    )
  })
})

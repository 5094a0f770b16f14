import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressBlock } from '#http/address-block.ts'
import { canonicalAddress } from '#http/ip-address.ts'

const block = (text: string) => addressBlock(canonicalAddress(text) ?? 'no address')

describe('addressBlock', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::192.0.2.1', '0:0:0:0::/64'],
    ['fe80::', 'fe80:0:0:0::/64'],
  ])('%s counts as %s', (text, expected) => {
    expect(block(text)).toBe(expected)
  })

  test('two addresses of IPv6 are one block exactly when their first 64 bits are the same', () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat(0xffff))
    const address = fc.tuple(...Array.from({ length: 8 }, () => group))
    fc.assert(
      fc.property(address, address, fc.boolean(), (one, other, isNear) => {
        const second = isNear ? [...one.slice(0, 4), ...other.slice(4)] : other
        const text = (groups: readonly number[]) => canonicalAddress(groups.map((part) => part.toString(16)).join(':'))
        const [a = '', b = ''] = [text(one), text(second)]
        fc.pre(a.includes(':') && b.includes(':'))
        const isSame = one.slice(0, 4).every((part, index) => part === second[index])
        expect(addressBlock(a) === addressBlock(b)).toBe(isSame)
      }),
    )
  })
})

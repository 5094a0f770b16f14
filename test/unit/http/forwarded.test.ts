import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientAddress, trustedNetworks } from '#http/forwarded.ts'
import { type Network, parseNetwork } from '#lib/network.ts'

function trusting(...texts: readonly string[]) {
  return trustedNetworks(
    texts.map((text): Network => {
      const network = parseNetwork(text)
      if (!network) throw new Error(text)
      return network
    }),
  )
}

const proxies = trusting('10.0.0.0/8', 'fd00::/8', '192.0.2.1')

describe('clientAddress', () => {
  test('by default nobody is believed', () => {
    expect(clientAddress('10.0.0.1', '1.2.3.4', trustedNetworks())).toBe('10.0.0.1')
  })

  test('a peer that is not trusted is the client, whatever it claims', () => {
    expect(clientAddress('198.51.100.9', '1.2.3.4', proxies)).toBe('198.51.100.9')
    expect(clientAddress('192.0.2.2', '1.2.3.4', proxies)).toBe('192.0.2.2')
  })

  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['6.6.6.6, 1.2.3.4, 10.1.1.1, fd00::5', '1.2.3.4'],
    ['10.9.9.9, 10.1.1.1', '10.9.9.9'],
    ['6.6.6.6,\t10.1.1.1 ', '6.6.6.6'],
    ['::ffff:10.2.2.2', '10.2.2.2'],
    ['1.2.3.4, ::ffff:10.2.2.2', '1.2.3.4'],
    ['2001:DB8:0::1', '2001:db8::1'],
    ['1.2.3.4:5678', '1.2.3.4'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['', '10.0.0.1'],
  ])('the rightmost address of %j that is not trusted', (field, client) => {
    expect(clientAddress('10.0.0.1', field, proxies)).toBe(client)
  })

  test.each([
    'a',
    'unknown',
    '_hidden',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.4/8',
    '[1.2.3.4]',
    '[::1',
    'fe80::1%eth0',
    '1.2.3.4:x',
    '"1.2.3.4"',
  ])('an entry %j that is no address ends the trust at the hop before it', (entry) => {
    expect(clientAddress('10.0.0.1', entry, proxies)).toBe('10.0.0.1')
    expect(clientAddress('10.0.0.1', `6.6.6.6, ${entry}`, proxies)).toBe('10.0.0.1')
    expect(clientAddress('10.0.0.1', `6.6.6.6, ${entry}, 10.1.1.1`, proxies)).toBe('10.1.1.1')
  })

  test('without the field the peer is the client', () => {
    expect(clientAddress('10.0.0.1', undefined, proxies)).toBe('10.0.0.1')
  })

  const addresses = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom('10.0.0.1', '10.1.1.1', 'fd00::1', '::ffff:10.0.0.1', '6.6.6.6', 'a', ''),
  )

  test('nobody who is not trusted chooses the answer: what is left of the rightmost such address does not matter', () => {
    fc.assert(
      fc.property(fc.array(addresses), fc.array(addresses), (forged, others) => {
        const honest = ['203.0.113.7', '10.3.3.3']
        expect(clientAddress('10.0.0.1', [...forged, ...honest].join(', '), proxies)).toBe('203.0.113.7')
        expect(clientAddress('203.0.113.7', [...forged, ...others].join(','), proxies)).toBe('203.0.113.7')
      }),
    )
  })

  test('agrees with walking the list of hops from the right', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('10.0.0.1', '10.1.1.1', 'fd00::1', '6.6.6.6', '7.7.7.7', 'a'), { maxLength: 6 }),
        (entries) => {
          let expected = '10.0.0.9'
          for (const entry of entries.toReversed()) {
            if (expected === '6.6.6.6' || expected === '7.7.7.7' || entry === 'a') break
            expected = entry
          }
          expect(clientAddress('10.0.0.9', entries.join(', '), proxies)).toBe(expected)
        },
      ),
    )
  })
})

import { describe, expect, test } from 'vitest'
import { isEverywhere, isInNetworks, parseNetwork } from '#lib/network.ts'

const networks = (...texts: string[]) => texts.flatMap((text) => parseNetwork(text) ?? [])

test.each(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::1', '0.0.0.0/0'])('%s is a network', (text) => {
  expect(parseNetwork(text)).toBe(text)
})

test.each([
  '',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '10.0.0/8',
  'fd00::/129',
  'fe80::1%eth0',
  'example.com',
  '10.0.0.0/8/8',
  ' 10.0.0.1',
])('%j is none', (text) => {
  expect(parseNetwork(text)).toBeUndefined()
})

describe('an address', () => {
  const isInside = isInNetworks(networks('10.0.0.0/8', '192.0.2.7', 'fd00::/8'))
  test.each(['10.255.0.1', '192.0.2.7', 'fd12::1', '::ffff:10.1.2.3'])('%s is inside', (address) => {
    expect(isInside(address)).toBe(true)
  })
  test.each(['11.0.0.1', '192.0.2.8', 'fe80::1', '::ffff:11.1.2.3', 'a', ''])('%j is not', (address) => {
    expect(isInside(address)).toBe(false)
  })
})

test('no networks hold no address', () => {
  expect(isInNetworks([])('127.0.0.1')).toBe(false)
})

test('a network that holds every address is known by any spelling', () => {
  for (const network of networks('0.0.0.0/0', '::/0', '1.2.3.4/0', '::ffff:0:0/96', '::/1'))
    expect(isEverywhere(network)).toBe(true)
  for (const network of networks('0.0.0.0/1', '10.0.0.0/8', '8000::/1')) expect(isEverywhere(network)).toBe(false)
})

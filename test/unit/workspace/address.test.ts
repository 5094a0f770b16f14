import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  hostLabel,
  makeSite,
  parseHostLabel,
  parsePathSegments,
  parsePort,
  placeOf,
  urlOf,
} from '#workspace/address.ts'

const labelChars = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-')
const dnsLabel = (longest: number) =>
  fc
    .string({ unit: labelChars, minLength: 1, maxLength: longest })
    .filter((text) => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text))
const dnsName = fc.array(dnsLabel(30), { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'))
const ref = fc.record({ namespace: dnsLabel(40), name: dnsName })
const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined })
const site = makeSite({ scheme: 'https', domain: 'ws.example.test', port: 443, mode: 'host' })

describe('host labels', () => {
  test('every name round-trips: readable ones to themselves, hashed ones to the label the directory indexes', () => {
    fc.assert(
      fc.property(ref, port, (aRef, aPort) => {
        const label = placeOf(site, aRef, aPort).host.slice(0, -'.ws.example.test'.length)
        const address = parseHostLabel(label)
        expect(address?.port).toBe(aPort)
        expect(address?.name).toEqual(
          address?.name.by === 'ref' ? { by: 'ref', ref: aRef } : { by: 'label', label: hostLabel(aRef) },
        )
        expect(label.length).toBeLessThanOrEqual(63)
      }),
    )
  })

  test('any text either parses to an address that is spelled exactly so, or to nothing', () => {
    const near = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'abz27016-'), maxLength: 40 }),
      fc.tuple(ref, fc.integer({ min: 0, max: 80 }), fc.constantFrom('-', '0', 'a', '--1')).map(([aRef, at, add]) => {
        const label = hostLabel(aRef)
        return label.slice(0, at) + add + label.slice(at)
      }),
    )
    fc.assert(
      fc.property(near, (text) => {
        const address = parseHostLabel(text)
        if (address?.name.by !== 'ref') return
        expect(placeOf(site, address.name.ref, address.port).host).toBe(`${text}.ws.example.test`)
      }),
      { numRuns: 2000 },
    )
  })

  test('two different workspaces never have one label', () => {
    fc.assert(
      fc.property(ref, ref, (a, b) => {
        fc.pre(a.namespace !== b.namespace || a.name !== b.name)
        expect(hostLabel(a)).not.toBe(hostLabel(b))
      }),
    )
    expect(hostLabel({ namespace: 'c', name: 'a-b' })).not.toBe(hostLabel({ namespace: 'b-c', name: 'a' }))
    const long = 'n'.repeat(60)
    expect(hostLabel({ namespace: 'a', name: `${long}1` })).not.toBe(hostLabel({ namespace: 'a', name: `${long}2` }))
  })

  test.each([
    ['dotted', { namespace: 'team', name: 'a.b' }],
    ['punycode', { namespace: 'team', name: 'xn--80ak6aa92e' }],
    ['too long', { namespace: 'team', name: 'n'.repeat(60) }],
  ])('a %s name is hashed', (_, aRef) => {
    expect(hostLabel(aRef)).toMatch(/^[a-z0-9-]{1,20}-0[a-z2-7]{26}$/)
  })

  test.each([
    'nb',
    'nb-',
    '-mfrg',
    'nb-MFRG',
    'nb-mfr1',
    'nb-mfrg--0',
    'nb-mfrg--08888',
    'nb-mfrg--65536',
    'nb-mfrg--',
    'nb-mfrg---1',
    'nb-mfrgg===',
    '',
  ])('%j names nothing', (text) => expect(parseHostLabel(text)).toBeUndefined())

  test('the readable form is what the design says', () => {
    expect(hostLabel({ namespace: 'team-a', name: 'notebook' })).toBe('notebook-orswc3jnme')
    expect(parseHostLabel('notebook-orswc3jnme--8501')).toEqual({
      name: { by: 'ref', ref: { namespace: 'team-a', name: 'notebook' } },
      port: 8501,
    })
  })
})

describe('path mode', () => {
  test('segments round-trip', () => {
    const inPath = makeSite({ scheme: 'http', domain: 'localhost', port: 8800, mode: 'path' })
    fc.assert(
      fc.property(ref, port, (aRef, aPort) => {
        const [, , namespace = '', name = ''] = placeOf(inPath, aRef, aPort).prefix.split('/')
        expect(parsePathSegments(namespace, name)).toEqual({ name: { by: 'ref', ref: aRef }, port: aPort })
      }),
    )
    expect(urlOf(inPath, { namespace: 'a', name: 'b' }, 8501)).toBe(
      'http://workspaces.localhost:8800/workspaces/a/b:8501/',
    )
  })

  test.each(['b:', 'b:0', 'b:08', 'b:70000', 'b:8:9', 'B', 'b%41', 'b;x=1', ''])('%j names no workspace', (text) => {
    expect(parsePathSegments('a', text)).toBeUndefined()
  })
})

test('a port has one spelling', () => {
  expect(['1', '65535'].map(parsePort)).toEqual([1, 65_535])
  for (const text of ['0', '01', '65536', '+1', '1e3', ' 1', '']) expect(parsePort(text)).toBeUndefined()
})

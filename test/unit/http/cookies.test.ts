import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cookieValues, serializeSetCookie, withoutCookies } from '#http/cookies.ts'

const isOwn = (name: string) => name === '__Host-gatehouse'

describe('cookieValues', () => {
  test('finds every value of the exact name, in order, quotes left', () => {
    expect(cookieValues('a=1; b="x y"; a=2;a = 3 ; A=4; aa=5', 'a')).toEqual(['1', '2', '3'])
    expect(cookieValues('b="x"', 'b')).toEqual(['"x"'])
    expect(cookieValues('b=x=y==', 'b')).toEqual(['x=y=='])
    expect(cookieValues(undefined, 'b')).toEqual([])
  })

  test('a pair without = has no value, and a name inside a value is no name', () => {
    expect(cookieValues('a; b=a=1; c', 'a')).toEqual([])
    expect(cookieValues('; ;=1;a=', 'a')).toEqual([''])
  })
})

describe('withoutCookies', () => {
  test('the header itself comes back when nothing is dropped', () => {
    const raw = ' a=1;; b="2 ";c ; '
    expect(withoutCookies(raw, isOwn)).toBe(raw)
  })

  test.each([
    ['__Host-gatehouse=s', undefined],
    ['__Host-gatehouse=s; a=1', 'a=1'],
    ['a=1; __Host-gatehouse=s', 'a=1'],
    ['a=1; __Host-gatehouse=s; b="2;3"', 'a=1; b="2;3"'],
    ['a=1;__Host-gatehouse=s;__Host-gatehouse = t ;b=2', 'a=1;b=2'],
    ['a=1;\t__Host-gatehouse\t=s', 'a=1'],
    ['__Host-gatehouse', undefined],
    ['a=__Host-gatehouse=s; __host-gatehouse=t', 'a=__Host-gatehouse=s; __host-gatehouse=t'],
  ])('%j becomes %j', (raw, expected) => {
    expect(withoutCookies(raw, isOwn)).toBe(expected)
  })

  test('a cookie between two that open and close a quote is found all the same', () => {
    expect(withoutCookies('x="1; __Host-gatehouse=secret; y=2"', isOwn)).toBe('x="1; y=2"')
  })

  test('what is left holds exactly the others, byte for byte and in order', () => {
    const pair = fc.record({
      name: fc.constantFrom('__Host-gatehouse', 'a', '_xsrf', 'username-8888'),
      value: fc.string({ unit: fc.constantFrom('"', 'x', '=', ' ', '%', '|', ',', 'é'), maxLength: 8 }),
    })
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 6 }), (pairs) => {
        const write = (list: typeof pairs) => list.map(({ name, value }) => `${name}=${value.trim()}`).join('; ')
        const others = pairs.filter(({ name }) => !isOwn(name))
        expect(withoutCookies(write(pairs), isOwn) ?? '').toBe(write(others))
      }),
    )
  })

  test('a header of separators only is read in linear time', () => {
    const started = process.cpuUsage()
    expect(withoutCookies(`${'; '.repeat(200_000)}a=1`, (name) => name === '')).toBe('a=1')
    expect(cookieValues(';'.repeat(400_000), 'a')).toEqual([])
    expect(process.cpuUsage(started).user).toBeLessThan(2_000_000)
  })
})

describe('serializeSetCookie', () => {
  const base = { name: '__Host-s', value: 'k.v', path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

  test('writes what it was given', () => {
    expect(serializeSetCookie({ ...base, maxAge: 3600 })).toBe(
      '__Host-s=k.v; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax',
    )
    expect(serializeSetCookie({ ...base, name: 's', secure: false, httpOnly: false })).toBe(
      's=k.v; Path=/; SameSite=Lax',
    )
  })

  test.each([
    { name: 'a b' },
    { name: '' },
    { value: 'a;b' },
    { value: 'a"b' },
    { value: 'a\r\nb' },
    { value: 'x'.repeat(4097) },
    { path: 'x' },
    { path: '/a;b' },
    { path: '/a\n' },
    { maxAge: 1.5 },
    { maxAge: -1 },
    { secure: false },
    { path: '/deeper/' },
    { name: '__Secure-s', secure: false },
    { name: 's', sameSite: 'None' as const, secure: false },
  ])('refuses %j', (change) => {
    expect(() => serializeSetCookie({ ...base, ...change })).toThrow(expect.objectContaining({ code: 'internal' }))
  })
})

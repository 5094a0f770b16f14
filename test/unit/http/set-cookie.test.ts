import { describe, expect, test } from 'vitest'
import { type CookieBounds, readSetCookie, rewriteSetCookie } from '#http/set-cookie.ts'

const hostMode: CookieBounds = {
  hostname: 'nb-abc.ws.example.com',
  publicPrefix: '/',
  upstreamPrefix: '/',
  isOwnCookie: (name) => name === '__Host-gatehouse' || name === 'gatehouse-8800',
}
const pathMode = { ...hostMode, publicPrefix: '/workspaces/team/nb/', upstreamPrefix: '/workspaces/team/nb/' }
const stripped = { ...pathMode, upstreamPrefix: '/' }

describe('readSetCookie', () => {
  test('reads attributes as browsers do: any case, blanks, repetitions, none for a value', () => {
    const cookie = readSetCookie(' a = b=c ;PATH = /x;path=/y ; Secure;HttpOnly=1;;Domain')
    expect(cookie?.name).toBe('a')
    expect(cookie?.attributes.map(({ name, value }) => [name, value])).toEqual([
      ['path', '/x'],
      ['path', '/y'],
      ['secure', ''],
      ['httponly', '1'],
      ['', ''],
      ['domain', ''],
    ])
  })

  test('a cookie without a name has the name that it will be read under', () => {
    expect(readSetCookie('=gatehouse-8800=x')?.name).toBe('gatehouse-8800')
    expect(readSetCookie(' = gatehouse-8800 =x')?.name).toBe('gatehouse-8800')
    expect(readSetCookie('gatehouse-8800')?.name).toBe('gatehouse-8800')
  })

  test.each(['', '=', ' ; Path=/', 'a\u0000=b', 'a=b\u000b; Domain=x', 'a=b\u007f'])('%j is no cookie', (raw) => {
    expect(readSetCookie(raw)).toBeUndefined()
  })
})

describe('rewriteSetCookie', () => {
  test.each([
    'a=b',
    'a=b; Path=/; HttpOnly; SameSite=Lax; Partitioned',
    '_xsrf="2|x; y"; expires=Fri, 01 Jan 2027 00:00:00 GMT;Path=/lab',
    '__Host-a=b; Path=/; Secure',
  ])('in host mode %j stays byte for byte', (raw) => {
    expect(rewriteSetCookie(raw, hostMode)).toBe(raw)
  })

  test.each([
    '__Host-gatehouse=x; Path=/; Secure',
    ' __Host-gatehouse =x',
    'gatehouse-8800=x',
    '=gatehouse-8800=x',
    'gatehouse-8800',
    'a=b; Domain=ws.example.com',
    'a=b; Domain=.ws.example.com',
    'a=b; DOMAIN = .WS.Example.com ',
    'a=b; Domain=example.com; Domain=nb-abc.ws.example.com',
    'a=b; Domain=nb-abc.ws.example.com; domain=com',
    'a=b; Domain=other.example.com',
    'a=b; Domain=nb-abc.ws.example.com.',
    'a=b; Domain=..nb-abc.ws.example.com',
  ])('%j is dropped', (raw) => {
    expect(rewriteSetCookie(raw, hostMode)).toBeUndefined()
  })

  test('a Domain that is the host itself is taken out, so that hosts below never get the cookie', () => {
    expect(rewriteSetCookie('a=b; Domain=NB-abc.ws.example.com; Path=/; domain=.nb-abc.ws.example.com', hostMode)).toBe(
      'a=b; Path=/',
    )
    expect(rewriteSetCookie('a=b;Domain=;Secure', hostMode)).toBe('a=b;Secure')
  })

  test.each([
    ['a=b; Path=/', 'a=b; Path=/workspaces/team/nb/'],
    ['a=b; path=/workspaces; Secure', 'a=b; Path=/workspaces/team/nb/; Secure'],
    ['a=b; Path=/workspaces/team/other/', 'a=b; Path=/workspaces/team/nb/'],
    ['a=b; Path=/workspaces/team/nb/../other/', 'a=b; Path=/workspaces/team/nb/'],
    ['a=b; Path=/workspaces/team/nb/; Path=/', 'a=b; Path=/workspaces/team/nb/; Path=/workspaces/team/nb/'],
    ['a=b; Path=/workspaces/team/nb/lab', 'a=b; Path=/workspaces/team/nb/lab'],
    ['a=b; Path=/workspaces/team/nb', 'a=b; Path=/workspaces/team/nb'],
    ['a=b; Path=lab', 'a=b; Path=lab'],
    ['a=b', 'a=b'],
  ])('in path mode %j becomes %j', (raw, expected) => {
    expect(rewriteSetCookie(raw, pathMode)).toBe(expected)
  })

  test.each([
    ['a=b; Path=/', 'a=b; Path=/workspaces/team/nb/'],
    ['a=b; Path=/api', 'a=b; Path=/workspaces/team/nb/api'],
    ['a=b; Path=/workspaces/team/nb/api', 'a=b; Path=/workspaces/team/nb/api'],
    ['a=b; Path=/../other', 'a=b; Path=/workspaces/team/nb/'],
  ])('where the prefix is stripped %j becomes %j', (raw, expected) => {
    expect(rewriteSetCookie(raw, stripped)).toBe(expected)
  })

  test('an app below a fixed path of its own gets its cookies back', () => {
    const bounds = { ...hostMode, upstreamPrefix: '/app/' }
    expect(rewriteSetCookie('a=b; Path=/app/x', bounds)).toBe('a=b; Path=/x')
    expect(rewriteSetCookie('a=b; Path=/app', bounds)).toBe('a=b; Path=/')
    expect(rewriteSetCookie('a=b; Path=/', bounds)).toBe('a=b; Path=/')
  })
})

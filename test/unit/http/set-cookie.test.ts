import fc from 'fast-check'
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

/** As browsers store it (RFC 6265bis section 5.6), written apart from the reader above. */
function storedBy(raw: string) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a cookie with one is refused
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(raw)) return undefined
  const bare = (text: string) => text.replace(/^[\t ]+|[\t ]+$/g, '')
  const [pair = '', ...rest] = raw.split(';')
  const equals = pair.indexOf('=')
  const name = equals < 0 ? '' : bare(pair.slice(0, equals))
  const value = bare(pair.slice(equals + 1))
  if (name === '' && value === '') return undefined
  const attributes = rest.map((text): readonly [string, string] => {
    const at = text.indexOf('=')
    return at < 0 ? [bare(text).toLowerCase(), ''] : [bare(text.slice(0, at)).toLowerCase(), bare(text.slice(at + 1))]
  })
  const all = (wanted: string) => attributes.filter(([one]) => one === wanted).map(([, text]) => text)
  const others = attributes.filter(([one]) => one !== 'domain' && one !== 'path')
  return { sent: name === '' ? value : `${name}=${value}`, domains: all('domain'), paths: all('path'), others }
}

describe('whatever an app sets', () => {
  const blank = fc.constantFrom('', '', '', ' ', '\t', '  ')
  const word = fc.oneof(
    fc.constantFrom(
      'a',
      'session',
      '__Host-gatehouse',
      'gatehouse-8800',
      '__Host-gatehousex',
      '',
      '__host-gatehouse',
      '=',
    ),
    fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 4 }),
  )
  const host = fc.constantFrom(
    'nb-abc.ws.example.com',
    '.NB-abc.ws.example.com',
    'ws.example.com',
    '.example.com',
    '',
    '.',
    'com',
    'x y',
  )
  const path = fc.constantFrom(
    ...[
      '/',
      '/workspaces',
      '/workspaces/team/nb',
      '/workspaces/team/nb/',
      '/workspaces/team/nb/x',
      '/workspaces/team/nbx',
      '',
    ],
    ...[
      '/workspaces/team/nb/../o',
      '/workspaces/team/nb/%2e%2E/o',
      '/workspaces/team/nb\\..',
      '//x',
      'x',
      '/app/y',
      '/workspaces/team/nb/..',
    ],
  )
  const attribute = fc.oneof(
    fc.tuple(fc.constantFrom('Domain', 'domain', 'DOMAIN'), host),
    fc.tuple(fc.constantFrom('Path', 'path', 'PATH'), path),
    fc.tuple(fc.constantFrom('Secure', 'HttpOnly', 'SameSite', 'Max-Age', 'Partitioned', 'x', ''), word),
  )
  const cookie = fc
    .tuple(
      word,
      blank,
      fc.constantFrom('=', '=', '='),
      word,
      fc.array(fc.tuple(blank, attribute, blank), { maxLength: 4 }),
    )
    .map(([name, space, equals, value, attributes]) => {
      const texts = attributes.map(
        ([before, [key, text], after]) => `;${before}${key}${after}=${before}${text}${after}`,
      )
      return `${space}${name}${space}${equals}${value}${texts.join('')}`
    })
  const bounds = fc.constantFrom(hostMode, pathMode, stripped, { ...hostMode, upstreamPrefix: '/app/' })

  test('a browser stores it for this host and below the public path alone, under a name that is not ours, otherwise as it was', () => {
    fc.assert(
      fc.property(cookie, bounds, (raw, within) => {
        const rewritten = rewriteSetCookie(raw, within)
        if (rewritten === undefined) return
        const before = storedBy(raw)
        const after = storedBy(rewritten)
        expect(after && { sent: after.sent, others: after.others }).toEqual(
          before && { sent: before.sent, others: before.others },
        )
        expect(after?.domains).toEqual([])
        expect(within.isOwnCookie(after?.sent.split('=', 1)[0]?.trim() ?? '')).toBe(false)
        const strayed = after?.paths.filter((one) => one.startsWith('/') && !`${one}/`.startsWith(within.publicPrefix))
        expect(strayed).toEqual([])
        expect(after?.paths.length).toBe(before?.paths.length)
        if (within.publicPrefix === within.upstreamPrefix) expect(rewriteSetCookie(rewritten, within)).toBe(rewritten)
      }),
      { numRuns: 5_000 },
    )
  })

  test('nothing is dropped but what browsers refuse, what is ours, and what is for another host', () => {
    fc.assert(
      fc.property(cookie, bounds, (raw, within) => {
        const stored = storedBy(raw)
        if (stored === undefined || within.isOwnCookie(stored.sent.split('=', 1)[0]?.trim() ?? '')) return
        const domains = stored.domains.map((domain) => domain.replace(/^\./, '').toLowerCase())
        if (domains.some((domain) => domain !== '' && domain !== within.hostname)) return
        expect(rewriteSetCookie(raw, within)).toBeDefined()
      }),
      { numRuns: 2_000 },
    )
  })
})

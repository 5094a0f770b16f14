import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseReturnTo } from '#identity/return-to.ts'
import { composedRedirects, lookAlikes } from '#test/support/composed-redirects.ts'
import { openRedirects, openRedirectVariants } from '#test/support/open-redirects.ts'

const own = new Set(['console.test', 'nb-abc.console.test', 'nb-abc--8080.console.test'])
const rules = { externalScheme: 'https', isOwnAuthority: (authority: string) => own.has(authority) } as const
const onPort = {
  externalScheme: 'http',
  isOwnAuthority: (authority: string) => authority === 'localhost:8800',
} as const

describe('a target of ours passes as it is', () => {
  test.each([
    '/',
    '/.gatehouse/open/team/nb?port=8080&to=%2Flab%2Ftree%2Fa.ipynb',
    '/lab/tree/a%20b.ipynb?x=1&y=a%2Fb&z=100%',
    '/api/collaboration/room/json%3Anotebook%3Ax%2Fy',
    '/a//b',
    "/~user/x;y=1,2/(a)!*'$&+=:@",
    '/x?next=//evil.test/&u=https://evil.test/@x',
    '/x?filter[a]=b|c^d',
    '/...',
    '/.hidden/..x/x..',
    'https://console.test/',
    'https://nb-abc.console.test/lab?reset',
    'https://nb-abc--8080.console.test/x',
  ])('%s', (target) => {
    expect(parseReturnTo(target, rules)).toBe(target)
  })

  test('on another port and scheme too, where these are ours', () => {
    expect(parseReturnTo('http://localhost:8800/lab', onPort)).toBe('http://localhost:8800/lab')
    for (const foreign of [
      'http://localhost/lab',
      'http://localhost:88000/',
      'https://localhost:8800/',
      'http://localhost:8801/',
    ])
      expect(parseReturnTo(foreign, onPort)).toBeUndefined()
  })
})

test('the table of open redirects is large, and holds nothing twice', () => {
  const all = Object.values(openRedirects).flat()
  expect(all.length).toBeGreaterThan(200)
  expect(new Set(all).size).toBe(all.length)
})

test('each of them is refused in every spelling, more than the 558 of the longest list that is known', () => {
  const all = openRedirectVariants()
  expect(all.length).toBeGreaterThanOrEqual(558)
  expect(all.filter((target) => parseReturnTo(target, rules) !== undefined)).toEqual([])
})

test('each start that a browser or a hop may read one by, with each host: none is taken for ours, and most lead a browser elsewhere', () => {
  const all = composedRedirects()
  expect(all.length).toBeGreaterThanOrEqual(2 * 558)
  expect(all.filter((target) => parseReturnTo(target, rules) !== undefined)).toEqual([])
  const placeOf = (target: string) => URL.parse(target, 'https://console.test/some/page')?.host
  expect(all.filter((target) => (placeOf(target) ?? 'console.test') !== 'console.test').length).toBeGreaterThan(558)
})

test.each(lookAlikes)('%s is a path of ours, and leads there', (target) => {
  expect(parseReturnTo(target, rules)).toBe(target)
  expect(new URL(target, 'https://console.test').origin).toBe('https://console.test')
})

describe.each(Object.entries(openRedirects))('refused: %s', (_class, targets) => {
  test.each(targets.map((target) => [target.slice(0, 80), target]))('%j', (_shown, target) => {
    expect(parseReturnTo(target, rules)).toBeUndefined()
  })
})

/** Pieces that attacks are built from. */
const piece = fc.constantFrom(
  ...[
    '/',
    '//',
    '\\',
    '@',
    ':',
    '.',
    '..',
    '?',
    '#',
    '%2f',
    '%5c',
    '%2e',
    '%00',
    '%0d%0a',
    '\t',
    '\n',
    ' ',
    '\u0000',
    '[',
    ']',
    ';',
    '&',
    ',',
  ],
  ...[
    'https:',
    'http:',
    'javascript:',
    'https://',
    'evil.test',
    'console.test',
    'nb-abc.console.test',
    ':443',
    'x',
    '。',
    '／',
    '\u200b',
    '\ud800',
  ],
)
const target = fc.oneof(
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 6 }).map((pieces) => `/${pieces.join('')}`),
  fc.array(piece, { maxLength: 6 }).map((pieces) => `https://console.test${pieces.join('')}`),
  fc.string({ unit: 'binary' }),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
)

test('whatever passes leads a browser to one of our origins, by the same path', () => {
  fc.assert(
    fc.property(target, (raw) => {
      const accepted = parseReturnTo(raw, rules)
      if (accepted === undefined) return
      expect(accepted).toBe(raw)
      // Node's URL follows the WHATWG standard, as browsers do.
      const url = new URL(accepted, 'https://console.test/some/page')
      expect(url.protocol).toBe('https:')
      expect(own).toContain(url.host)
      expect(url.username + url.password + url.hash).toBe('')
      expect(url.pathname.startsWith('//')).toBe(false)
      expect(accepted).toMatch(/^[\x21-\x7e]+$/)
      const path = accepted.slice(
        accepted.indexOf(url.host) < 0 || accepted.startsWith('/') ? 0 : `https://${url.host}`.length,
      )
      expect(path.split('?')[0]).toBe(url.pathname)
    }),
    { numRuns: 5000 },
  )
})

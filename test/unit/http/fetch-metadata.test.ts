import { describe, expect, test } from 'vitest'
import { isNavigation, judgeOrigin, type OriginQuestion } from '#http/fetch-metadata.ts'
import { readRequestHead } from '#http/request-head.ts'

const own = 'https://nb.example.test'
const sibling = 'https://other.example.test'

function head(fields: Readonly<Record<string, string>>) {
  const read = readRequestHead(['host', 'nb.example.test', ...Object.entries(fields).flat()], { httpVersion: '1.1' })
  if (read.kind === 'problem') throw new Error(read.fault)
  return read
}

const navigate = (site: string, dest = 'document') => ({
  'sec-fetch-site': site,
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': dest,
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
})
const script = (site: string, mode = 'cors', dest = 'empty') => ({
  'sec-fetch-site': site,
  'sec-fetch-mode': mode,
  'sec-fetch-dest': dest,
  accept: '*/*',
})

function judge(method: string, fields: Readonly<Record<string, string>>, more: Partial<OriginQuestion> = {}) {
  const question = { method, isUpgrade: false, authenticatedBy: 'cookie', head: head(fields), ownOrigin: own } as const
  return judgeOrigin({ ...question, ...more })
}

describe('isNavigation', () => {
  test.each(['document', 'iframe', 'frame', 'embed', 'object'])('a browser says that it loads a page: %s', (dest) => {
    expect(isNavigation('GET', head(navigate('none', dest)))).toBe(true)
    expect(isNavigation('HEAD', head(navigate('none', dest)))).toBe(true)
  })

  test('a form is none: it may not be answered with a redirect that loses it', () => {
    expect(isNavigation('POST', head(navigate('same-origin')))).toBe(false)
  })

  test.each([
    ['fetch that wants HTML', { ...script('same-origin'), accept: 'text/html' }],
    ['an image', script('same-origin', 'no-cors', 'image')],
    ['a prefetch', { ...navigate('same-origin', 'empty') }],
    ['a WebSocket', script('same-origin', 'websocket', 'websocket')],
    ['a mode without a destination', { 'sec-fetch-mode': 'navigate', accept: 'text/html' }],
  ])('%s is none', (_what, fields) => {
    expect(isNavigation('GET', head(fields))).toBe(false)
  })

  test('without Sec-Fetch fields, wanting HTML makes a navigation and being a script does not', () => {
    expect(isNavigation('GET', head({ accept: 'text/html,*/*' }))).toBe(true)
    expect(isNavigation('GET', head({ accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' }))).toBe(false)
    expect(isNavigation('GET', head({ accept: '*/*' }))).toBe(false)
    expect(isNavigation('GET', head({}))).toBe(false)
  })
})

describe('judgeOrigin', () => {
  const unsafe = ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'post', 'get', '']

  test.each(unsafe)('%j by cookie needs its own origin', (method) => {
    expect(judge(method, { origin: own })).toBe('allowed')
    expect(judge(method, {})).toEqual({ refused: 'origin_missing' })
    expect(judge(method, script('same-origin'))).toEqual({ refused: 'origin_missing' })
  })

  test.each([
    'null',
    '',
    sibling,
    'http://nb.example.test',
    'https://nb.example.test:8443',
    'https://nb.example.test:443',
    'https://nb.example.test/',
    'https://nb.example.test.evil',
    'https://example.test',
    'https://NB.example.test',
    'https://nb.example.test, https://nb.example.test',
  ])('origin %j is foreign to unsafe methods and upgrades', (origin) => {
    expect(judge('POST', { origin, 'sec-fetch-site': 'same-origin' })).toEqual({ refused: 'origin_foreign' })
    expect(judge('GET', { origin, 'sec-fetch-site': 'none' }, { isUpgrade: true })).toEqual({
      refused: 'origin_foreign',
    })
  })

  test('an upgrade by cookie needs its own origin', () => {
    expect(judge('GET', { origin: own }, { isUpgrade: true })).toBe('allowed')
    expect(judge('GET', {}, { isUpgrade: true })).toEqual({ refused: 'origin_missing' })
    expect(judge('GET', navigate('same-origin'), { isUpgrade: true })).toEqual({ refused: 'origin_missing' })
  })

  test('a bearer token needs no origin, since no page adds it by itself', () => {
    const bearer = { authenticatedBy: 'bearer' } as const
    expect(judge('POST', {}, bearer)).toBe('allowed')
    expect(judge('DELETE', { ...script('cross-site'), origin: sibling }, bearer)).toBe('allowed')
    expect(judge('GET', {}, { ...bearer, isUpgrade: true })).toBe('allowed')
  })

  test.each(['same-origin', 'none'])('safe requests that say %s are allowed', (site) => {
    expect(judge('GET', script(site))).toBe('allowed')
    expect(judge('GET', navigate(site))).toBe('allowed')
    expect(judge('GET', navigate(site, 'iframe'))).toBe('allowed')
  })

  test.each(['same-site', 'cross-site', '', 'Same-Origin', 'unheard-of'])(
    'other requests that say %j are refused',
    (site) => {
      for (const fields of [script(site), script(site, 'no-cors', 'image'), script(site, 'no-cors', 'script')]) {
        for (const authenticatedBy of ['cookie', 'none'] as const) {
          expect(judge('GET', fields, { authenticatedBy })).toEqual({ refused: 'site_foreign' })
        }
      }
      expect(judge('OPTIONS', script(site))).toEqual({ refused: 'site_foreign' })
      expect(judge('POST', navigate(site), { authenticatedBy: 'none' })).toEqual({ refused: 'site_foreign' })
      expect(judge('GET', navigate(site), { authenticatedBy: 'none', isUpgrade: true })).toEqual({
        refused: 'site_foreign',
      })
    },
  )

  test.each(['same-site', 'cross-site'])('a link from a page that is %s works', (site) => {
    expect(judge('GET', navigate(site))).toBe('allowed')
    expect(judge('HEAD', navigate(site))).toBe('allowed')
  })

  test.each(['iframe', 'frame', 'embed', 'object', 'fencedframe'])(
    'no page of another origin shows this one in its %s',
    (dest) => {
      for (const site of ['same-site', 'cross-site']) {
        expect(judge('GET', navigate(site, dest))).toEqual({ refused: 'frame_foreign' })
        expect(judge('GET', navigate(site, dest), { authenticatedBy: 'none' })).toEqual({ refused: 'frame_foreign' })
      }
    },
  )

  test('where Sec-Fetch-Site is missing a foreign Origin on a safe request says the same, also of one that wants HTML', () => {
    expect(judge('GET', { origin: sibling, accept: '*/*' })).toEqual({ refused: 'site_foreign' })
    expect(judge('GET', { origin: 'null', accept: 'text/html' })).toEqual({ refused: 'site_foreign' })
    expect(judge('GET', { origin: own })).toBe('allowed')
    expect(judge('GET', { accept: 'text/html' })).toBe('allowed')
  })

  test('what no browser sent and no cookie authenticated is for others to refuse', () => {
    expect(judge('POST', {}, { authenticatedBy: 'none' })).toBe('allowed')
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deepLink } from '#surface/deep-link.ts'

const host = 'https://nb-mfwgsy3f.example.test/'
const path = 'https://workspaces.example.test/workspaces/alice/nb/'

describe('a deep link', () => {
  test.each([
    ['/lab/tree/a%20b.ipynb?reset&x=%2F#top', 'lab/tree/a%20b.ipynb?reset&x=%2F#top'],
    ['/api/collaboration/room/json%3Anotebook%3Ax%2Fy', 'api/collaboration/room/json%3Anotebook%3Ax%2Fy'],
    ['/?token=%E2%82%AC', '?token=%E2%82%AC'],
    ['/', ''],
    ['//evil.test/', '/evil.test/'],
  ])('%s keeps its path and query byte for byte', (to, rest) => {
    expect(deepLink(host, to)).toBe(host + rest)
    expect(deepLink(path, to)).toBe(path + rest)
  })

  test.each([
    undefined,
    '',
    'lab',
    '/\\evil.test',
    '/../other/',
    '/../../bob/nb/',
    '/a/%2e%2e/%2e%2e/bob/',
    '/a b',
    '/\t',
    '/\u0000',
    '/é',
    '@evil.test',
  ])('%j leads to the front page of the app', (to) => {
    expect(deepLink(path, to)).toBe(path)
  })

  test('that is too long leads there as well', () => {
    expect(deepLink(path, `/${'a'.repeat(3000)}`)).toBe(path)
  })

  test('never leads out of the app, in the reading of a browser', () => {
    const tail = fc.string({
      unit: fc.constantFrom('/', '.', '\\', '%', '2', 'e', 'E', '@', ':', '?', '#', 'a', '\t', '\n'),
    })
    fc.assert(
      fc.property(fc.constantFrom(host, path), tail, (base, to) => {
        const url = new URL(deepLink(base, `/${to}`))
        const front = new URL(base)
        expect(url.origin).toBe(front.origin)
        expect(url.pathname.startsWith(front.pathname)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})

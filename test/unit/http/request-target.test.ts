import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { climbsAbove, isCanonicalSegment, parseRequestTarget } from '#http/request-target.ts'

const fault = (fault: string, status = 400) => ({ kind: 'problem', fault, status })

describe('parseRequestTarget', () => {
  test.each([
    ['/', '/', ''],
    ['/lab/tree/a.ipynb?reset&x=1', '/lab/tree/a.ipynb', '?reset&x=1'],
    ['/api/collaboration/room/json%3Anotebook%3Ax%2Fy', '/api/collaboration/room/json%3Anotebook%3Ax%2Fy', ''],
    ['/a/..%2f..%2f..%2fb', '/a/..%2f..%2f..%2fb', ''],
    ['/a%00b%0d%0a%23%ff', '/a%00b%0d%0a%23%ff', ''],
    ['/a//b/;x=1/[{|}]"<>^`', '/a//b/;x=1/[{|}]"<>^`', ''],
    ['/a?', '/a', '?'],
    ['/a?b?c=%zz%&d=\\//x', '/a', '?b?c=%zz%&d=\\//x'],
  ])('keeps %j byte for byte', (raw, path, query) => {
    expect(parseRequestTarget(raw)).toEqual({ kind: 'origin', path, query })
  })

  test.each([
    ['http://a.example/x?y', { scheme: 'http', authority: 'a.example', path: '/x', query: '?y' }],
    ['HTTPS://A.example:8443', { scheme: 'https', authority: 'a.example:8443', path: '/', query: '' }],
    ['http://a.example?y=/z', { scheme: 'http', authority: 'a.example', path: '/', query: '?y=/z' }],
    ['http://[::1]:80/', { scheme: 'http', authority: '[::1]:80', path: '/', query: '' }],
  ])('cuts the absolute form %j apart', (raw, target) => {
    expect(parseRequestTarget(raw)).toEqual({ kind: 'absolute', ...target })
  })

  test.each([
    ['', 'form'],
    ['*', 'form'],
    ['host.example:443', 'form'],
    ['lab', 'form'],
    ['?x', 'form'],
    ['ftp://a.example/', 'form'],
    ['http:/a.example/', 'form'],
    ['http:\\\\a.example/', 'backslash'],
    ['//evil/workspaces/ns/bob', 'double_slash'],
    ['http://a.example//evil/', 'double_slash'],
    ['http://a.example\\/b', 'backslash'],
    ['http:///a', 'authority'],
    ['http://user@a.example/', 'authority'],
    ['http://a.example:0/', 'authority'],
    ['/workspaces\\ns\\a/', 'backslash'],
    ['/a#/../b', 'fragment'],
    ['/a?b#c', 'fragment'],
    ['/%zz', 'percent'],
    ['/%E0%A4%A', 'percent'],
    ['/%', 'percent'],
    ['/%4', 'percent'],
    ['/%4?1', 'percent'],
    ['/%-1', 'percent'],
    ['/a b', 'character'],
    ['/a\tb', 'character'],
    ['/a\rb', 'character'],
    ['/a\u0000', 'character'],
    ['/a\u007f', 'character'],
    ['/é', 'character'],
    ['/a?\u0001', 'character'],
    ['/\u212a', 'character'],
  ])('refuses %j: %s', (raw, why) => {
    expect(parseRequestTarget(raw)).toEqual(fault(why))
  })

  test('a target that is too long is 414, whatever is in it', () => {
    expect(parseRequestTarget(`/${'a'.repeat(8191)}`).kind).toBe('origin')
    expect(parseRequestTarget(`/${'#'.repeat(8192)}`)).toEqual(fault('too_long', 414))
    expect(parseRequestTarget('/abc', 3)).toEqual(fault('too_long', 414))
  })

  const rawTargets = fc.oneof(
    fc.string({
      unit: fc.constantFrom('/', '.', '%', '2', 'e', 'F', '?', '#', '\\', ':', '@', 'a', ' ', 'h', '\u0000', 'é'),
      maxLength: 30,
    }),
    fc.string({ unit: 'binary', maxLength: 30 }).map((text) => `/${text}`),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
  )

  test('what it accepts, put together again, is what came in, and holds nothing that two readers could see differently', () => {
    fc.assert(
      fc.property(rawTargets, (raw) => {
        const target = parseRequestTarget(raw)
        if (target.kind === 'problem') return
        expect(target.path).toMatch(/^\/(?!\/)(?:[!-~])*$/)
        expect(target.path).not.toMatch(/[#\\?]|%(?![0-9A-Fa-f]{2})/)
        expect(target.query).toMatch(/^(?:\?[!-~]*)?$/)
        expect(target.query).not.toContain('#')
        if (target.kind === 'origin') expect(target.path + target.query).toBe(raw)
        else expect(raw.endsWith(target.query)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('climbsAbove', () => {
  const prefix = '/workspaces/ns/a/'
  const climbs = (tail: string) => climbsAbove(prefix + tail, prefix.length)

  test.each([
    '..',
    '../b/',
    './../b',
    '%2e%2e/',
    '.%2e/',
    '%2E./',
    '%2e%2E',
    'x/../../b',
    'x/.%2e/%2e./b',
    'x/y/../../../z',
    '/../b',
    'x//../../b',
    'x/./../..',
  ])('%s leaves the prefix', (tail) => {
    expect(climbs(tail)).toBe(true)
  })

  test.each([
    '',
    'lab',
    'x/..',
    'x/../',
    'x/y/../../z',
    '.',
    '%2e/',
    '...',
    '%2e%2e%2e/',
    '..a/',
    'a../',
    '..%2f..%2f..%2fb/api',
    '..%5c..%5cb',
    '..;/x',
    '%252e%252e/x',
    '.git/..hidden',
    '%2',
  ])('%s stays below it', (tail) => {
    expect(climbs(tail)).toBe(false)
  })

  test('a prefix without its last slash is the same prefix', () => {
    expect(climbsAbove('/a/b/../c', '/a/b'.length)).toBe(true)
    expect(climbsAbove('/a/b/x/../c', '/a/b'.length)).toBe(false)
  })

  test('agrees with a reader that decodes dots and merges slashes', () => {
    const segments = fc.array(fc.constantFrom('', '.', '..', '%2e', '%2E.', '.%2e', '...', 'a', '%2e%2ea', '..%2f'), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(segments, (parts) => {
        let depth = 0
        let left = false
        for (const part of parts.map((one) => one.replaceAll(/%2e/gi, '.'))) {
          if (part === '..') depth -= 1
          else if (part !== '' && part !== '.') depth += 1
          left ||= depth < 0
        }
        expect(climbs(parts.join('/'))).toBe(left)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('isCanonicalSegment', () => {
  test.each(['alice', 'my-notebook', 'v1.2', '0', '...'])('%s needs no second look', (segment) => {
    expect(isCanonicalSegment(segment)).toBe(true)
  })

  test.each(['', '.', '..', 'Alice', 'al%69ce', 'a;x=1', 'a:8888', 'a_b', 'a~', 'a%2f', 'a b', 'é', 'a\n'])(
    '%j does',
    (segment) => {
      expect(isCanonicalSegment(segment)).toBe(false)
    },
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Http2Head, type Http2HeadContext, readHttp2Head } from '#http/http2-head.ts'
import { readRequestHead } from '#http/request-head.ts'

const context: Http2HeadContext = {
  isEncrypted: true,
  isWhole: true,
  mostBytes: 16_384,
  isMethod: (name) => /^[A-Z]+$/.test(name),
}
const pseudo = [':method', 'GET', ':scheme', 'https', ':authority', 'a.test', ':path', '/x?y']

const read = (more: readonly string[], changes: Partial<Http2HeadContext> = {}) =>
  readHttp2Head([...pseudo, ...more], { ...context, ...changes })

describe('a head of HTTP/2', () => {
  test('is that of the same request by HTTP/1.1', () => {
    expect(read(['accept', '*/*', 'cookie', 'a=1', 'x-one', 'caf\xe9', 'cookie', 'b=2'])).toEqual({
      kind: 'head',
      method: 'GET',
      target: '/x?y',
      rawHeaders: ['host', 'a.test', 'accept', '*/*', 'x-one', 'caf\xe9', 'cookie', 'a=1; b=2'],
    })
  })

  test('has a length where one was said, chunks where a body follows without one, and else neither', () => {
    const framing = (more: readonly string[], isWhole: boolean) => {
      const head = read(more, { isWhole })
      return head.kind === 'head' ? head.rawHeaders.slice(2) : head.fault
    }
    expect(framing([], true)).toEqual([])
    expect(framing([], false)).toEqual(['transfer-encoding', 'chunked'])
    expect(framing(['content-length', '5'], false)).toEqual(['content-length', '5'])
    expect(framing(['content-length', '0'], true)).toEqual(['content-length', '0'])
    expect(framing(['content-length', '5'], true)).toBe('body')
  })

  test('names one host, or is refused as two are', () => {
    const hosts = (raw: readonly string[]) => {
      const head = readHttp2Head(raw, context)
      return head.kind === 'head' ? readRequestHead(head.rawHeaders, { httpVersion: '1.1' }) : head
    }
    const without = [':method', 'GET', ':scheme', 'https', ':path', '/']
    expect(hosts([...pseudo, 'host', 'A.test'])).toMatchObject({ host: 'a.test' })
    expect(hosts([...without, 'host', 'b.test'])).toMatchObject({ host: 'b.test' })
    expect(hosts(without)).toMatchObject({ fault: 'host_missing' })
    expect(hosts([...pseudo, 'host', 'b.test'])).toMatchObject({ fault: 'duplicate_field' })
    expect(hosts([...pseudo, 'host', 'a.test', 'host', 'b.test'])).toMatchObject({ fault: 'duplicate_field' })
    expect(hosts([...without, 'host', 'a.test', 'host', 'a.test'])).toMatchObject({ fault: 'duplicate_field' })
    expect(hosts([...without, ':authority', 'a b', 'host', 'c d'])).toMatchObject({ fault: 'duplicate_field' })
  })

  test.each([
    ['pseudo_field', [':path', '/z']],
    ['pseudo_field', [':status', '200']],
    ['pseudo_field', [':protocol', 'websocket']],
    ['pseudo_field', ['x', 'y', ':late', 'z']],
    ['field', ['X-Upper', 'a']],
    ['field', ['', 'a']],
    ['field', ['a b', 'a']],
    ['field', ['a:b', 'a']],
    ['field', ['a', 'b\r\nc: d']],
    ['field', ['a', 'b\0']],
    ['field', ['a', ' b']],
    ['field', ['a', 'b\t']],
    ['field', ['a', '\u0141']],
    ['connection_field', ['connection', 'close']],
    ['connection_field', ['keep-alive', '5']],
    ['connection_field', ['proxy-connection', 'close']],
    ['connection_field', ['transfer-encoding', 'chunked']],
    ['connection_field', ['upgrade', 'h2c']],
    ['connection_field', ['http2-settings', 'AA']],
    ['connection_field', ['te', 'gzip']],
    ['too_large', ['x', 'y'.repeat(16_384)]],
  ])('is refused for %s: %j', (fault, more) => {
    expect(read(more)).toEqual({ kind: 'problem', fault })
  })

  test.each([
    ['scheme', ':scheme', 'http'],
    ['scheme', ':scheme', ''],
    ['path', ':path', ''],
    ['path', ':path', 'x'],
    ['path', ':path', 'https://a.test/'],
    ['method', ':method', 'get'],
    ['method', ':method', ''],
    ['pseudo_field', ':method', 'CONNECT'],
    ['pseudo_field', ':path', '/\r\n'],
    ['pseudo_field', ':authority', 'a\0'],
  ])('is refused for its %s where %s is %j', (fault, name, value) => {
    const raw = pseudo.map((text, index) => (pseudo[index - 1] === name ? value : text))
    expect(readHttp2Head(raw, context)).toEqual({ kind: 'problem', fault })
  })

  test('may have either scheme where somebody in front has ended TLS', () => {
    for (const scheme of ['http', 'https']) {
      const raw = [':method', 'GET', ':scheme', scheme, ':authority', 'a.test', ':path', '/']
      expect(readHttp2Head(raw, { ...context, isEncrypted: false }).kind).toBe('head')
    }
  })

  test('whatever it holds, is never more than one head of HTTP/1.1', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.constantFrom(
        ':method',
        ':path',
        ':scheme',
        ':authority',
        'host',
        'cookie',
        'te',
        'content-length',
        'x',
        '/',
        'GET',
      ),
    )
    fc.assert(
      fc.property(fc.array(text, { maxLength: 30 }), fc.boolean(), fc.boolean(), (more, isWhole, isComplete) => {
        const raw = [...(isComplete ? pseudo : []), ...more]
        const head = readHttp2Head(raw.length % 2 === 0 ? raw : raw.slice(1), {
          ...context,
          isWhole,
          isEncrypted: false,
        })
        if (head.kind === 'head') checkFields(head, isWhole)
      }),
      { numRuns: 2_000 },
    )
  })
})

function checkFields({ target, rawHeaders }: Http2Head, isWhole: boolean): void {
  expect(target).toMatch(/^(?:\/|\*$|[^/]*$)/)
  rawHeaders.forEach((part, index) => {
    expect(part).toMatch(index % 2 === 0 ? /^[!#$%&'*+\-.^_`|~0-9a-z]+$/ : /^[\t\x20-\x7e\x80-\xff]*$/)
  })
  const names = rawHeaders.filter((_, index) => index % 2 === 0)
  const chunked = names.filter((name) => name === 'transfer-encoding')
  expect(chunked.length).toBe(isWhole || names.includes('content-length') ? 0 : 1)
  expect(names.filter((name) => name === 'cookie').length).toBeLessThan(2)
}

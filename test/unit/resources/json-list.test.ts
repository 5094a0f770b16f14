import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonListReader } from '#resources/kubernetes/json-list.ts'

function read(text: string, sizes: readonly number[] = []) {
  const items: unknown[] = []
  const reader = new JsonListReader((item) => items.push(item))
  const bytes = Buffer.from(text)
  let start = 0
  for (const size of [...sizes, bytes.length]) {
    reader.take(bytes.subarray(start, start + size))
    start += size
  }
  return { items, rest: reader.end() }
}

const sizes = fc.array(fc.integer({ min: 0, max: 9 }))
const object = fc.dictionary(fc.string(), fc.jsonValue())
const tricky = fc.constantFrom('items', '"items":[{', '\\', '\\"', ']}', 'ä€😀', '{"items":[]}')

describe('a list of the API server, read while it comes', () => {
  test('gives the same objects however the network cuts it, and whatever they hold', () => {
    const item = fc.oneof(object, fc.dictionary(tricky, fc.oneof(tricky, fc.array(tricky), object)))
    fc.assert(
      fc.property(fc.array(item), object, sizes, fc.boolean(), fc.nat(2), (items, metadata, cuts, isLast, indent) => {
        const list = isLast ? { kind: 'items', metadata, items } : { items, kind: '"items":[', metadata }
        const { items: _, ...rest } = list
        const found = read(JSON.stringify(list, undefined, indent), cuts)
        expect(JSON.stringify(found.items)).toBe(JSON.stringify(items))
        expect(found.rest).toEqual(JSON.parse(JSON.stringify({ ...rest, items: [] })))
      }),
    )
  })

  test('hands an object on as soon as it is whole', () => {
    const items: unknown[] = []
    const reader = new JsonListReader((item) => items.push(item))
    reader.take(Buffer.from('{"metadata":{"items":[{"not":1}]},"items":[{"a":1},{"b"'))
    expect(items).toEqual([{ a: 1 }])
    reader.take(Buffer.from(':{}}'))
    expect(items).toEqual([{ a: 1 }, { b: {} }])
  })

  test.each(['{"items":null,"metadata":{}}', '{"metadata":{}}', '{"items":[],"metadata":{}}'])(
    'has none where it is %s',
    (text) => {
      expect(read(text).items).toEqual([])
    },
  )

  test.each([
    ['is cut off', '{"metadata":{},"items":[{"a":1},{"b":'],
    ['is cut off after an object', '{"metadata":{},"items":[{"a":1}'],
    ['is a page of something in between', '<html>it is down</html>'],
    ['holds what is no object', '{"metadata":{},"items":[{"a":1},7]}'],
    ['holds an object that is none', '{"metadata":{},"items":[{"a":1,,}]}'],
    ['is empty', ''],
  ])('is no list where it %s', (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'store_unavailable' }))
  })
})

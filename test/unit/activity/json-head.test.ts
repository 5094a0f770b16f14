import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringsOf } from '#activity/json-head.ts'

const wanted = new Set(['header.msg_type', 'content.execution_state'])
const find = (text: string) => Object.fromEntries(stringsOf(text, wanted))

test('strings are found where they are, in any order and with any spaces', () => {
  const message = { content: { execution_state: 'busy' }, header: { msg_type: 'status', session: 's' } }
  const found = { 'header.msg_type': 'status', 'content.execution_state': 'busy' }
  for (const indent of [0, 1, 3]) expect(find(JSON.stringify(message, null, indent))).toEqual(found)
})

test('what only looks alike, in texts, lists and deeper objects, is not taken for it', () => {
  const lookAlike = '{"header":{"msg_type":"status"},"content":{"execution_state":"busy"}}'
  for (const decoy of [lookAlike, [JSON.parse(lookAlike)], { header: JSON.parse(lookAlike) }, { msg_type: 'x' }]) {
    const text = JSON.stringify({
      content: { code: decoy, more: decoy },
      decoy,
      header: { msg_type: 'execute_request' },
    })
    expect(find(text)).toEqual({ 'header.msg_type': 'execute_request' })
  }
})

test('a member whose name has a point in it, or is empty, is not two', () => {
  const text = { 'header.msg_type': 'x', header: { '': { msg_type: 'x' } }, '': { header: { msg_type: 'x' } } }
  expect(find(JSON.stringify(text))).toEqual({})
})

test('of any JSON text, cut anywhere, it finds what a parser would find, or nothing', () => {
  const member = fc.constantFrom('header', 'content', 'msg_type', 'execution_state', 'x', '')
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string(),
      fc.double({ noNaN: true }),
      fc.constant(null),
      tie('list'),
      tie('object'),
    ),
    list: fc.array(tie('value'), { maxLength: 3 }),
    object: fc.dictionary(member, tie('value'), { maxKeys: 4 }),
  }))
  const reference = (whole: unknown, path: string): unknown =>
    path.split('.').reduce<unknown>((at, key) => (isObject(at) ? Reflect.get(at, key) : undefined), whole)
  fc.assert(
    fc.property(value, fc.nat(300), (whole, length) => {
      const text = JSON.stringify(whole)
      for (const found of [stringsOf(text.slice(0, length), wanted), stringsOf(text, wanted)]) {
        for (const [path, told] of found) expect(told).toBe(reference(JSON.parse(text), path))
      }
      for (const path of wanted) {
        const expected = reference(JSON.parse(text), path)
        if (typeof expected === 'string') expect(stringsOf(text, wanted).get(path)).toBe(expected)
      }
    }),
    { numRuns: 500 },
  )
})

test('neither depth nor nonsense is a fault', () => {
  for (const text of [
    '',
    '{',
    '{"',
    '{"header"',
    '{"header":',
    'nonsense',
    '{"a":}',
    '[,]',
    '"\\',
    '{"header":{"msg_type":"\\u12',
    '['.repeat(100_000),
  ]) {
    expect(find(text)).toEqual({})
  }
})

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

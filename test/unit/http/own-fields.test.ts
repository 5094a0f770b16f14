import { expect, test } from 'vitest'
import { ownFields } from '#http/own-fields.ts'

test('what the gateway says is written a line each', () => {
  expect(ownFields(['X-Forwarded-User', 'alice', 'X-Forwarded-Proto', 'https'])).toBe(
    'X-Forwarded-User: alice\r\nX-Forwarded-Proto: https\r\n',
  )
  expect(ownFields([])).toBe('')
})

test('a value or a name of ours that would write another line is refused, not written', () => {
  for (const value of ['a\r\nX: y', 'a\nb', 'a\u0000', '\u010aX: y', 'é\u0142']) {
    expect(() => ownFields(['X-Forwarded-User', value])).toThrow(expect.objectContaining({ code: 'internal' }))
  }
  expect(() => ownFields(['X-A: b\r\nX-C', 'd'])).toThrow(expect.objectContaining({ code: 'internal' }))
})

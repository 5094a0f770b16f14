import fc from 'fast-check'
import { expect, test } from 'vitest'
import { terminalInputSight, terminalOutputSight } from '#activity/terminal-message.ts'

const input = (...message: readonly unknown[]) => terminalInputSight(Buffer.from(JSON.stringify(message)), true)

/** What xterm.js answers by itself, by what it tells. */
const reports: readonly (readonly [string, string])[] = [
  ['focus gained', '\u001b[I'],
  ['focus lost', '\u001b[O'],
  ['where the cursor is', '\u001b[12;80R'],
  ['where the cursor is, extended', '\u001b[?12;80R'],
  ['what it is', '\u001b[?1;2c'],
  ['what it is, secondary', '\u001b[>0;276;0c'],
  ['that it is well', '\u001b[0n'],
  ['a mode', '\u001b[?2026;2$y'],
  ['the size of its window', '\u001b[8;24;80t'],
  ['a colour', '\u001b]11;rgb:ffff/ffff/ffff\u001b\\'],
  ['a setting', '\u001bP1$r0m\u001b\\'],
  ['a mouse that moves', '\u001b[<35;10;20M'],
]

test.each(reports)('nobody typed a report of %s', (_, text) => {
  expect(input('stdin', text)).toEqual({ class: 'background', source: 'terminal:report' })
})

test('several reports in one message are nobody’s either; a letter beside them is somebody’s', () => {
  const texts = fc.array(fc.constantFrom(...reports.map(([, text]) => text)), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(texts, fc.nat(), (several, where) => {
      expect(input('stdin', several.join('')).class).toBe('background')
      const at = where % (several.length + 1)
      expect(input('stdin', [...several.slice(0, at), 'a', ...several.slice(at)].join('')).class).toBe('interactive')
    }),
  )
})

test.each([
  ['a letter', 'a'],
  ['return', '\r'],
  ['an arrow', '\u001b[A'],
  ['escape', '\u001b'],
  ['a click', '\u001b[<0;10;20M'],
  ['the wheel', '\u001b[<64;10;20M'],
  ['a paste', '\u001b[200~text\u001b[201~'],
  ['an end of input', '\u0004'],
  ['nothing', ''],
])('somebody typed %s', (_, text) => {
  expect(input('stdin', text)).toEqual({ class: 'interactive', source: 'terminal:stdin' })
})

test('a text that is longer than what is looked at was typed or pasted', () => {
  expect(terminalInputSight(Buffer.from('["stdin","\\u001b[I'), false).class).toBe('interactive')
})

test('a window that changes its size is nobody’s doing; what nobody knows can’t be told', () => {
  expect(input('set_size', 24, 80, 600, 800).class).toBe('background')
  expect(input('other', 'x').class).toBe('unknown')
  expect(terminalInputSight(Buffer.from([0xff, 0x00]), true).class).toBe('unknown')
})

test('what a terminal prints is work; that it is set up or gone is none', () => {
  expect(terminalOutputSight(Buffer.from('["stdout","$ "]')).class).toBe('busy')
  expect(terminalOutputSight(Buffer.from('["setup",{}]')).class).toBe('background')
  expect(terminalOutputSight(Buffer.from('["disconnect",1]')).class).toBe('background')
})

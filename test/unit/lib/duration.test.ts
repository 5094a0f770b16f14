import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDuration } from '#lib/duration.ts'

test.each([
  ['30s', 30_000],
  ['10m', 600_000],
  ['1h30m', 5_400_000],
  ['250ms', 250],
  ['1d', 86_400_000],
  ['1m5ms', 60_005],
  ['0s', 0],
])('%s is a duration', (text, span) => {
  expect(parseDuration(text)).toBe(span)
})

test.each(['', '5', 's', '-1s', '1.5h', '1 h', '30m1h', '1s1s', '1S', '1h ', '1w', '1e3s', '٣s'])(
  '%j is none',
  (text) => {
    expect(parseDuration(text)).toBeUndefined()
  },
)

test('units add up', () => {
  const units = fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99), fc.nat(99))
  fc.assert(
    fc.property(units, ([days, hours, minutes, seconds]) => {
      const sum = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
      return parseDuration(`${days}d${hours}h${minutes}m${seconds}s`) === sum * 1000
    }),
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Clocks, lastActive, longestUnknown, merge, outputLease, see } from '#activity/clocks.ts'

const hour = 3_600_000
const policy = { connectedCounts: false }
const evidence = fc.record({ at: fc.nat(20), source: fc.constantFrom('a', 'b'), user: fc.constantFrom('alice', 'bob') })
const clocks: fc.Arbitrary<Clocks> = fc.record(
  { connected: evidence, interactive: evidence, busy: evidence, unknown: evidence },
  { requiredKeys: [] },
)

describe('merging', () => {
  test('says the same in any order, and as often as it is told', () => {
    fc.assert(
      fc.property(clocks, clocks, clocks, (one, two, three) => {
        expect(merge(one, two)).toEqual(merge(two, one))
        expect(merge(merge(one, two), three)).toEqual(merge(one, merge(two, three)))
        expect(merge(one, one)).toEqual(one)
        expect(merge(one, {})).toEqual(one)
      }),
    )
  })

  test('never makes a workspace look idle for longer', () => {
    fc.assert(
      fc.property(clocks, clocks, fc.boolean(), (one, two, connectedCounts) => {
        const merged = lastActive(merge(one, two), 0, { connectedCounts }).at
        expect(merged).toBeGreaterThanOrEqual(lastActive(one, 0, { connectedCounts }).at)
        expect(merged).toBeGreaterThanOrEqual(lastActive(two, 0, { connectedCounts }).at)
      }),
    )
  })
})

test('what programs do among themselves moves no clock', () => {
  fc.assert(
    fc.property(clocks, (before) => {
      expect(see(before, { class: 'background', source: 'poll' }, 100)).toBe(before)
    }),
  )
})

test('a gesture counts from when it was made, and says whose it was', () => {
  const seen = see({}, { class: 'interactive', source: 'kernel:execute_request' }, 5 * hour, 'alice')
  expect(lastActive(seen, hour, policy)).toEqual({ at: 5 * hour, source: 'kernel:execute_request', user: 'alice' })
})

test('output counts as work for a minute', () => {
  const seen = see({}, { class: 'busy', source: 'terminal:stdout' }, hour)
  expect(lastActive(seen, 0, policy)).toEqual({ at: hour + outputLease, source: 'terminal:stdout' })
})

test('one that nobody has touched since it was started is as idle as that start is old', () => {
  expect(lastActive({}, 3 * hour, policy)).toEqual({ at: 3 * hour, source: 'start' })
})

test('what nobody understands counts, but not for longer than eight hours after the last gesture', () => {
  const seenAt = (at: number) =>
    see(see({}, { class: 'interactive', source: 'x' }, hour), { class: 'unknown', source: 'y' }, at)
  expect(lastActive(seenAt(3 * hour), 0, policy).at).toBe(3 * hour)
  expect(lastActive(seenAt(100 * hour), 0, policy).at).toBe(hour + longestUnknown)
  expect(lastActive(see({}, { class: 'unknown', source: 'y' }, 100 * hour), 2 * hour, policy).at).toBe(
    2 * hour + longestUnknown,
  )
})

test('an open stream counts where the policy says so, and nowhere else', () => {
  const open: Clocks = { connected: { at: 9 * hour, source: 'websocket' } }
  expect(lastActive(open, 0, { connectedCounts: true }).at).toBe(9 * hour)
  expect(lastActive(open, 0, { connectedCounts: false }).at).toBe(0)
})

test('that a terminal or a console was used is known for as long as the workspace lives, whatever came after', () => {
  for (const source of [
    'editor:terminal',
    'editor:terminal-output',
    'terminal:stdin',
    'rpc:console:POST',
    'terminals:POST',
  ]) {
    const used = see({}, { class: 'interactive', source }, hour, 'alice')
    const after = see(used, { class: 'interactive', source: 'editor:cursor' }, 2 * hour)
    expect(after.terminal).toEqual({ at: hour, source, user: 'alice' })
  }
  expect(see({}, { class: 'interactive', source: 'editor:cursor' }, hour).terminal).toBeUndefined()
})

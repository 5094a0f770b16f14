import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ResourceVersion } from '#resources/contract.ts'
import { initial, step, type WatchInput, type WatchState } from '#resources/watch-machine.ts'

const version = (text: string) => text as ResourceVersion
const listing: WatchState = { at: 'listing' }
const listed: WatchState = { at: 'listed', version: version('5') }
const watching: WatchState = { at: 'watching', version: version('5') }

describe('a reader', () => {
  test.each<[string, WatchState, WatchInput, WatchState]>([
    ['begins with a list', initial, { type: 'begun' }, listing],
    ['watches from the version of its list', listing, { type: 'listed', version: version('5') }, listed],
    ['lists again when a list failed', listing, { type: 'failed' }, initial],
    ['lists again when a list expired', listing, { type: 'expired' }, initial],
    ['watches from where it is', listed, { type: 'begun' }, watching],
    [
      'moves with every event',
      watching,
      { type: 'moved', version: version('6') },
      { at: 'watching', version: version('6') },
    ],
    ['resumes where a watch ended', watching, { type: 'ended' }, listed],
    ['resumes where a watch was lost', watching, { type: 'failed' }, listed],
    ['lists again when its version has expired', watching, { type: 'expired' }, initial],
    ['lists again when a watch brings nothing', watching, { type: 'silent' }, initial],
  ])('%s', (_, state, input, next) => {
    expect(step(state, input)).toEqual(next)
  })
})

const versions = fc.nat({ max: 9 }).map((number) => version(String(number)))
const inputs: fc.Arbitrary<WatchInput> = fc.oneof(
  fc.constantFrom<WatchInput>(
    { type: 'begun' },
    { type: 'ended' },
    { type: 'failed' },
    { type: 'expired' },
    { type: 'silent' },
  ),
  fc.record({ type: fc.constantFrom('listed' as const, 'moved' as const), version: versions }),
)

describe('whatever happens', () => {
  test('there is always a way on to watching', () => {
    fc.assert(
      fc.property(fc.array(inputs), (happened) => {
        const end = happened.reduce(step, initial)
        const way: readonly WatchInput[] = [
          { type: 'begun' },
          { type: 'listed', version: version('7') },
          { type: 'begun' },
        ]
        expect(way.reduce(step, end).at).toBe('watching')
      }),
    )
  })

  test('it never resumes from a version that it was not told', () => {
    fc.assert(
      fc.property(fc.array(inputs), (happened) => {
        const told = new Set<ResourceVersion>()
        let state = initial
        for (const input of happened) {
          if ('version' in input) told.add(input.version)
          state = step(state, input)
          if ('version' in state) expect(told).toContain(state.version)
        }
      }),
    )
  })

  test('what it knows never grows by losing a connection', () => {
    fc.assert(
      fc.property(
        fc.array(inputs),
        fc.constantFrom<WatchInput>({ type: 'ended' }, { type: 'failed' }),
        (happened, loss) => {
          const before = happened.reduce(step, initial)
          const after = step(before, loss)
          const versionOf = (state: WatchState) => ('version' in state ? state.version : undefined)
          expect(versionOf(after)).toBe(versionOf(before))
        },
      ),
    )
  })
})

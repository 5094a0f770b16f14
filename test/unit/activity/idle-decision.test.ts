import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Clocks, longestUnknown, merge } from '#activity/clocks.ts'
import {
  type AppAnswer,
  decideIdle,
  type IdleQuestion,
  longestAhead,
  possibleClocks,
  type RestingAnswer,
  settlingTime,
} from '#activity/idle-decision.ts'
import type { IdlePolicy } from '#activity/idle-policy.ts'
import type { Load } from '#activity/load.ts'
import { unheardLease } from '#activity/workspace-record.ts'
import { writeEvery } from '#activity/write-turn.ts'

const minute = 60_000
const hour = 60 * minute
/** Of the one who decides. */
const now = 100 * hour
const ago = (span: number, source = 'x') => ({ at: now - span, source })
const quiet: AppAnswer = { kind: 'said', evidence: [] }

const terminals: AppAnswer = { kind: 'said', evidence: [], hasTerminals: true }
const knowing: AppAnswer = { kind: 'said', evidence: [], knowsPrograms: true }
const atRest: Load = { kind: 'quiet' }
const unread: Load = { kind: 'missing', problem: 'there is no metrics API' }

const timedOut: Load = { kind: 'missing', problem: 'there was no answer within 5 s', isPassing: true }
const atWorkBefore = { busy: ago(30 * minute + 1, 'load:cpu') }

const half: IdlePolicy = {
  ...{ timeout: 30 * minute, endpoint: undefined, connectedCounts: false },
  ...{ maxLifetime: undefined, pausedUntil: undefined, operatorTimeout: undefined },
}

type Asked = Omit<Partial<IdleQuestion>, 'policy'> & { readonly policy?: Partial<IdlePolicy> }

function question(fields: Asked = {}): IdleQuestion {
  const { policy, ...rest } = fields
  return {
    ...{ now, startedAt: now - 50 * hour, clocks: {}, heardSince: now - 50 * hour },
    ...{ app: quiet, load: unread, ...rest },
    policy: { ...half, ...policy },
  }
}

/** `idle` and by what, or why not. */
function verdict(fields: Asked): string {
  const decision = decideIdle(question(fields))
  return decision.kind === 'idle' ? `idle: ${decision.because}` : `${decision.kind}: ${decision.reason}`
}

describe('who is idle', () => {
  test.each<[claim: string, asked: Asked, is: string]>([
    ['nothing since the start', {}, 'idle: inactivity'],
    ['a start within the timeout is its grace', { startedAt: now - 29 * minute }, 'not-idle: active'],
    ['a gesture within the timeout', { clocks: { interactive: ago(29 * minute) } }, 'not-idle: active'],
    ['a gesture exactly a timeout ago', { clocks: { interactive: ago(30 * minute) } }, 'not-idle: active'],
    ['a gesture longer ago', { clocks: { interactive: ago(30 * minute + 1) } }, 'idle: inactivity'],
    ['work that ended within the timeout', { clocks: { busy: ago(29 * minute) } }, 'not-idle: active'],
    ['work that is running', { clocks: { busy: ago(-minute) } }, 'not-idle: busy'],
    ['work that ended before', { clocks: { busy: ago(31 * minute) } }, 'idle: inactivity'],
    ['an open stream counts for nothing', { clocks: { connected: ago(0) } }, 'idle: inactivity'],
    [
      'an open stream where it counts',
      { clocks: { connected: ago(0) }, policy: { connectedCounts: true } },
      'not-idle: active',
    ],
    ['what can not be told apart', { clocks: { unknown: ago(0), interactive: ago(7 * hour) } }, 'not-idle: active'],
    [
      'what can not be told apart, eight hours and the timeout after the last gesture',
      { clocks: { unknown: ago(0), interactive: ago(longestUnknown + 30 * minute + 1) } },
      'idle: inactivity',
    ],
    ['no record', { clocks: undefined }, 'unknown: no-record'],
    ['a start that nobody knows', { startedAt: undefined }, 'unknown: no-record'],
    ['a gap in what replicas say', { heardSince: undefined }, 'unknown: not-heard'],
    ['a gap that ended just now', { heardSince: now - settlingTime(30 * minute) + 1 }, 'unknown: not-heard'],
    ['a gap that ended long enough ago', { heardSince: now - settlingTime(30 * minute) }, 'idle: inactivity'],
    ['an app that was not asked', { app: { kind: 'not-asked' } }, 'unknown: not-asked'],
    ['an app that does not answer', { app: { kind: 'failed', problem: 'it answered 404' } }, 'unknown: app-failed'],
    ['an app at work', { app: { kind: 'busy', source: 'app:kernel' } }, 'not-idle: busy'],
    ['an endpoint of 29 minutes ago', { app: { kind: 'said', evidence: [ago(29 * minute)] } }, 'not-idle: active'],
    ['an endpoint of 31 minutes ago', { app: { kind: 'said', evidence: [ago(31 * minute)] } }, 'idle: inactivity'],
    ['a terminal that is open', { app: terminals, startedAt: now - 8 * hour }, 'not-idle: active'],
    [
      'a terminal that is open, eight hours and the timeout after the last gesture',
      { app: terminals, startedAt: now - 8.5 * hour - 1 },
      'idle: inactivity',
    ],
    ['a terminal that is open, where nothing works', { app: terminals, load: atRest }, 'idle: inactivity'],
    [
      'a terminal that was used, and of its load nothing is known',
      { clocks: { terminal: ago(7 * hour), interactive: ago(7 * hour) } },
      'not-idle: active',
    ],
    [
      'such a terminal, eight hours and the timeout after the last gesture',
      { clocks: { terminal: ago(9 * hour), interactive: ago(8.5 * hour + 1) } },
      'idle: inactivity',
    ],
    [
      'such a terminal, used in a run before this one',
      { clocks: { terminal: ago(2 * hour) }, startedAt: now - hour },
      'idle: inactivity',
    ],
    [
      'such a terminal, where nothing works',
      { clocks: { terminal: ago(hour), interactive: ago(hour) }, load: atRest },
      'idle: inactivity',
    ],
    [
      'such a terminal, where it is not known yet whether anything does',
      { clocks: { terminal: ago(hour), interactive: ago(hour) }, load: { kind: 'not-read' } },
      'unknown: load-not-read',
    ],
    [
      'such a terminal in an app whose endpoint tells what runs in it',
      { app: knowing, clocks: { terminal: ago(hour), interactive: ago(hour) } },
      'idle: inactivity',
    ],
    ['no terminal was used, and of its load nothing is known', { clocks: {} }, 'idle: inactivity'],
    [
      'processors at work before the timeout, and since then they could not be read',
      { clocks: atWorkBefore, load: timedOut, startedAt: now - 7 * hour },
      'not-idle: active',
    ],
    [
      'such processors, of which nobody can tell any more',
      { clocks: atWorkBefore, startedAt: now - 7 * hour },
      'not-idle: active',
    ],
    [
      'such processors, eight hours and the timeout after the last gesture',
      { clocks: atWorkBefore, load: timedOut, startedAt: now - 8.5 * hour - 1 },
      'idle: inactivity',
    ],
    [
      'such processors, at work in a run before this one',
      { clocks: { busy: ago(2 * hour, 'load:cpu') }, startedAt: now - hour },
      'idle: inactivity',
    ],
    [
      'processors that could not be read just now, and no terminal was used',
      { load: timedOut, startedAt: now - 7 * hour },
      'not-idle: active',
    ],
    ['processors at work a minute ago', { load: { kind: 'busy', at: now - minute } }, 'not-idle: active'],
    ['processors at work before the timeout', { load: { kind: 'busy', at: now - hour } }, 'idle: inactivity'],
    [
      'processors neither at rest nor at work',
      { load: { kind: 'between' }, clocks: { interactive: ago(7 * hour) } },
      'not-idle: active',
    ],
    [
      'such processors in between, eight hours and the timeout after the last gesture',
      { load: { kind: 'between' }, clocks: { interactive: ago(8.5 * hour + 1) } },
      'idle: inactivity',
    ],
    [
      'a load that is not known yet, and traffic within the timeout',
      { load: { kind: 'not-read' }, clocks: { interactive: ago(minute) } },
      'not-idle: active',
    ],
    [
      'a load that is not known yet, after the longest life',
      { load: { kind: 'not-read' }, policy: { maxLifetime: hour } },
      'idle: lifetime',
    ],
    ['an endpoint in the future is one of now', { app: { kind: 'said', evidence: [ago(-hour)] } }, 'not-idle: active'],
    [
      'traffic after what the endpoint knows',
      { clocks: { interactive: ago(minute) }, app: { kind: 'said', evidence: [ago(5 * hour)] } },
      'not-idle: active',
    ],
    [
      'traffic within the timeout asks nobody',
      { clocks: { interactive: ago(minute) }, app: { kind: 'not-asked' }, heardSince: undefined },
      'not-idle: active',
    ],
    ['a pause', { policy: { pausedUntil: now + 1 } }, 'not-idle: paused'],
    ['a pause that is over', { policy: { pausedUntil: now } }, 'idle: inactivity'],
    [
      'a pause that is over by a clock that is ahead alone',
      { ahead: minute, policy: { pausedUntil: now - minute + 1 } },
      'not-idle: paused',
    ],
    [
      'a pause that is over, though not by a clock that is behind',
      { ahead: -minute, policy: { pausedUntil: now + minute } },
      'idle: inactivity',
    ],
    [
      'what an app says is by the right time, and not by a clock that is ahead',
      { ahead: 2 * minute, app: { kind: 'said', evidence: [ago(31 * minute)] } },
      'not-idle: active',
    ],
    [
      'what an app says, whose clock is as right as that of the one who decides, where that of the store is ahead of both',
      { ahead: -10 * minute, app: { kind: 'said', evidence: [ago(29 * minute)] } },
      'not-idle: active',
    ],
    [
      'a life longer than allowed, whoever works in it',
      { clocks: { interactive: ago(0) }, policy: { maxLifetime: 49 * hour } },
      'idle: lifetime',
    ],
    [
      'a life as long as allowed',
      { clocks: { interactive: ago(0) }, policy: { maxLifetime: 50 * hour } },
      'not-idle: active',
    ],
    ['a long life in a pause', { policy: { maxLifetime: hour, pausedUntil: now + 1 } }, 'not-idle: paused'],
  ])('%s', (_, asked, is) => {
    expect(verdict(asked)).toBe(is)
  })

  describe('where work counts for two hours after a gesture', () => {
    const gesture = (span: number) => ({ clocks: { interactive: ago(span), busy: ago(-minute, 'kernel:busy') } })
    const atWork: AppAnswer = { kind: 'busy', source: 'app:kernel-busy' }
    const printed: AppAnswer = { kind: 'said', evidence: [ago(0, 'app:kernel')] }
    const told: RestingAnswer = { kind: 'said', evidence: [ago(0, 'endpoint')] }
    const later = gesture(2.5 * hour + 1)
    const atWorkAnd = (besides: RestingAnswer): Asked => ({ ...later, app: { ...atWork, besides } })
    const used: Load = { kind: 'busy', at: now }
    test.each<[claim: string, asked: Asked, is: string]>([
      ['a kernel that works keeps it until then', gesture(2 * hour - 1), 'not-idle: busy'],
      ['and for a timeout after that', gesture(2.5 * hour), 'not-idle: active'],
      ['and no longer', gesture(2.5 * hour + 1), 'idle: inactivity'],
      ['a start is a gesture', { ...gesture(9 * hour), startedAt: now - 2.5 * hour }, 'not-idle: active'],
      ['nor does it keep it by the word of its app', { ...gesture(2.5 * hour + 1), app: atWork }, 'idle: inactivity'],
      ['nor by what it prints', { ...gesture(2.5 * hour + 1), app: printed }, 'idle: inactivity'],
      ['nor do its processors', { ...gesture(2.5 * hour + 1), load: used }, 'idle: inactivity'],
      ['an endpoint that tells of somebody does', { ...gesture(2.5 * hour + 1), app: told }, 'not-idle: active'],
      ['also beside a kernel that works', atWorkAnd(told), 'not-idle: active'],
      ['one that fails beside it does', atWorkAnd({ kind: 'failed', problem: 'x' }), 'unknown: app-failed'],
      ['a terminal beside it does', atWorkAnd({ ...told, evidence: [], hasTerminals: true }), 'not-idle: active'],
      [
        'a kernel beside it that is unclear does',
        atWorkAnd({ ...told, evidence: [], unclear: 'x' }),
        'not-idle: active',
      ],
      ['nothing beside it does not', atWorkAnd({ ...told, evidence: [] }), 'idle: inactivity'],
      ['the app is believed until then', { clocks: { interactive: ago(hour) }, app: atWork }, 'not-idle: busy'],
    ])('%s', (_, asked, is) => {
      expect(verdict({ ...asked, policy: { maxBusy: 2 * hour } })).toBe(is)
    })

    test('without that rule it is kept for as long as it works', () => {
      expect(verdict(gesture(99 * hour))).toBe('not-idle: busy')
    })
  })

  test('says by which evidence, and when it will be', () => {
    const interactive = { ...ago(10 * minute, 'kernel:execute_request'), user: 'alice' }
    expect(decideIdle(question({ clocks: { interactive } }))).toMatchObject({
      ...{ kind: 'not-idle', last: interactive, idleAt: now + 20 * minute },
      message: expect.not.stringContaining('alice'),
    })
    expect(decideIdle(question({ clocks: { interactive: { ...interactive, at: now - hour } } }))).toMatchObject({
      ...{ kind: 'idle', last: { source: 'kernel:execute_request', user: 'alice' }, idleFor: hour },
    })
  })
})

/** Mostly longer ago than any timeout and what is unknown may last together, or hardly anybody would be idle. */
const span = fc
  .oneof(
    { weight: 1, arbitrary: fc.integer({ min: -24 * 60 * 60, max: 24 * 60 * 60 }) },
    { weight: 4, arbitrary: fc.integer({ min: 20 * 60 * 60, max: 60 * 60 * 60 }) },
  )
  .map((seconds) => seconds * 1000)
const evidence = span.map((before) => ({ at: now - before, source: 'x' }))
const clocks: fc.Arbitrary<Clocks> = fc.record(
  { connected: evidence, interactive: evidence, busy: evidence, unknown: evidence },
  { requiredKeys: [] },
)
const app: fc.Arbitrary<AppAnswer> = fc.oneof(
  fc.constant<AppAnswer>({ kind: 'not-asked' }),
  fc.constant<AppAnswer>({ kind: 'failed', problem: 'x' }),
  fc.constant<AppAnswer>({ kind: 'busy', source: 'x' }),
  fc.array(evidence, { maxLength: 2 }).map((said): AppAnswer => ({ kind: 'said', evidence: said })),
)
const load: fc.Arbitrary<Load> = fc.oneof(
  fc.constantFrom<Load>({ kind: 'not-read' }, { kind: 'between' }, atRest, unread, timedOut),
  span.map((before): Load => ({ kind: 'busy', at: now - Math.abs(before) })),
)
const asked = fc.record({
  load,
  clocks: fc.option(clocks, { nil: undefined }),
  startedAt: fc.option(
    span.map((before) => now - Math.abs(before)),
    { nil: undefined },
  ),
  heardSince: fc.option(
    span.map((before) => now - Math.abs(before)),
    { nil: undefined },
  ),
  app,
  policy: fc.record({ timeout: fc.integer({ min: 1, max: 600 }).map((minutes) => minutes * minute) }),
})

type Known = typeof asked extends fc.Arbitrary<infer T> ? T : never

/** Holds of everybody who is found idle, of whom there are some. */
function ofTheIdle(claim: (fields: Known) => void): void {
  let found = 0
  const claimed = fc.property(asked, (fields) => {
    if (decideIdle(question(fields)).kind !== 'idle') return
    found += 1
    claim(fields)
  })
  fc.assert(claimed, { numRuns: 2_000 })
  expect(found).toBeGreaterThan(20)
}

describe('for whatever is known', () => {
  test('none is idle who did something, or at whom something ran, within the timeout', () => {
    ofTheIdle(({ clocks: { interactive, busy } = {}, load, startedAt, policy: { timeout } }) => {
      const used = load.kind === 'busy' ? load.at : 0
      for (const at of [interactive?.at, busy?.at, startedAt, used]) expect(at ?? 0).toBeLessThan(now - timeout)
    })
  })

  test('none is idle of whom something is missing', () => {
    ofTheIdle((fields) => {
      expect(fields.clocks).toBeDefined()
      expect(fields.startedAt).toBeDefined()
      expect(fields.heardSince).toBeDefined()
      expect(fields.app.kind).toBe('said')
      expect(fields.load.kind).not.toBe('not-read')
    })
  })

  test('more evidence never makes it idle', () => {
    fc.assert(
      fc.property(asked, clocks, (fields, more) => {
        const before = decideIdle(question(fields))
        if (before.kind === 'idle' || fields.clocks === undefined) return
        const after = decideIdle(question({ ...fields, clocks: merge(fields.clocks, more) }))
        expect(after.kind).not.toBe('idle')
      }),
    )
  })

  test('a timeout after everything has ended it is idle', () => {
    fc.assert(
      fc.property(asked, (fields) => {
        const app = quiet
        const later = question({
          ...fields,
          clocks: fields.clocks ?? {},
          startedAt: now,
          heardSince: now,
          app,
          load: unread,
        })
        const end = now + 24 * hour + longestUnknown + fields.policy.timeout + 1
        expect(decideIdle({ ...later, now: end }).kind).toBe('idle')
      }),
    )
  })
})

describe("clocks that are ahead of the decider's", () => {
  test('count as thirty seconds ahead at most, from when they were heard of; work as much longer as is known of it', () => {
    const ahead = { connected: ago(-hour), interactive: ago(-hour), unknown: ago(-hour), busy: ago(-hour) }
    const at = now + longestAhead
    expect(possibleClocks(ahead, { heardAt: now, writtenAt: undefined })).toMatchObject({
      ...{ connected: { at }, interactive: { at }, unknown: { at }, busy: { at: at + unheardLease } },
    })
  })

  test('are left as they are within thirty seconds', () => {
    fc.assert(
      fc.property(clocks, (some) => {
        const possible = possibleClocks(some, { heardAt: now, writtenAt: undefined })
        for (const name of ['connected', 'interactive', 'unknown'] as const) {
          const before = some[name]
          expect(possible[name]).toEqual(before && { ...before, at: Math.min(before.at, now + longestAhead) })
        }
      }),
    )
  })
})

test('[JK13.3] a record is written at most every minute, and for short timeouts every tenth of them', () => {
  expect([undefined, hour, 10 * minute, 5 * minute, minute].map(writeEvery)).toEqual([
    minute,
    minute,
    minute,
    minute / 2,
    6_000,
  ])
})

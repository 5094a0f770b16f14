import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import { createLog } from '#observe/log.ts'
import type { ReviewQuestion } from '#resources/reviewer.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { type LeapingClock, leapingClock } from '#test/support/leaping-clock.ts'
import { person } from '#test/support/objects.ts'
import { type Script, type ScriptedReviewer, scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { mayConnectIn, mayGrant } from '#workspace/reviewing.ts'
import { Reviews } from '#workspace/reviews.ts'

const bob = mayConnectIn('team', person('bob', 'ds'))
const minute = 60_000
const log = createLog({ level: 'error', clock: fakeClock(), sink: { write: () => undefined } })

interface Scene {
  readonly clock: FakeClock
  readonly date: LeapingClock
  readonly reviewer: ScriptedReviewer
  readonly reviews: Reviews
  readonly takenBack: ReviewQuestion[]
}

function scene(says: ScriptedReviewer['says'] = 'allowed', most?: number): Scene {
  const clock = fakeClock()
  const date = leapingClock(clock)
  const reviewer = scriptedReviewer(says)
  const { signal } = new AbortController()
  const reviews = new Reviews({ reviewer, clock: date, log, signal, ...(most === undefined ? {} : { most }) })
  const takenBack: ReviewQuestion[] = []
  reviews.subscribe((question) => takenBack.push(question))
  return { clock, date, reviewer, reviews, takenBack }
}

/** Time in which nothing is used passes in one step. */
async function useFor({ clock, reviews }: Scene, span: number, every: number, question = bob): Promise<string[]> {
  const seen: string[] = []
  for (let passed = 0; passed < span; passed += every) {
    await clock.advance(every)
    seen.push(reviews.standing(question).kind)
  }
  return seen
}

describe('an allow', () => {
  test('is asked for once, whoever waits for it, and is then known without waiting', async () => {
    const { reviewer, reviews } = scene()
    expect(reviews.standing(bob)).toEqual({ kind: 'unasked' })
    expect(reviewer.asked).toEqual([])
    const all = await Promise.all(Array.from({ length: 50 }, () => reviews.decide(bob)))
    expect(new Set(all)).toEqual(new Set(['allowed']))
    expect(reviewer.asked).toEqual([bob])
    expect(reviews.standing(bob)).toMatchObject({ kind: 'allowed' })
  })

  test('is fresh for 25 seconds, and not a millisecond more', async () => {
    const { clock, reviews, reviewer } = scene()
    await reviews.decide(bob)
    reviewer.says = 'silent'
    await clock.advance(24_999)
    expect(reviews.standing(bob)).toMatchObject({ kind: 'allowed', until: clock.now() + 2_000 - 1_999 })
    const idle = scene()
    await idle.reviews.decide(bob)
    await idle.clock.advance(25_000)
    expect(idle.reviews.standing(bob)).toEqual({ kind: 'unasked' })
  })

  test('is fresh for no longer because the date was put back, and is told to be until a date that is right then', async () => {
    const { clock, date, reviews } = scene()
    await reviews.decide(bob)
    date.leap(-60 * minute)
    expect(reviews.standing(bob)).toEqual({ kind: 'allowed', until: date.now() + 15_000 })
    await clock.advance(25_000)
    expect(reviews.standing(bob)).toEqual({ kind: 'unasked' })
  })

  test('has to be looked at again by whoever was told until when it holds, once the date was put back, and once only', async () => {
    const { clock, date, reviews } = scene()
    await reviews.decide(bob)
    const before = reviews.generation
    date.leap(-60 * minute)
    const after = reviews.generation
    expect(after).toBeGreaterThan(before)
    await clock.advance(minute)
    expect(reviews.generation).toBe(after)
    date.leap(60 * minute)
    expect(reviews.generation).toBe(after)
    date.leap(-minute)
    expect(reviews.generation).toBeGreaterThan(after)
  })

  test('is asked for again ahead of that while it is in use: nobody waits a second time', async () => {
    const all = scene()
    await all.reviews.decide(bob)
    expect(new Set(await useFor(all, 10 * minute, 5_000))).toEqual(new Set(['allowed']))
    expect(all.reviewer.asked.length).toBeLessThan(45)
    expect(all.reviewer.asked.length).toBeGreaterThan(24)
  })

  test('is not asked for again when nobody uses it', async () => {
    const { clock, reviews, reviewer } = scene()
    await reviews.decide(bob)
    await clock.advance(60 * minute)
    expect(reviewer.asked).toHaveLength(1)
  })

  test('counts from when it was asked for, not from when the answer came', async () => {
    const { clock, reviews, reviewer } = scene()
    reviewer.isHeld = true
    const deciding = reviews.decide(bob)
    await clock.advance(4_000)
    reviewer.release()
    expect(await deciding).toBe('allowed')
    await clock.advance(21_000)
    expect(reviews.standing(bob)).toEqual({ kind: 'unasked' })
  })

  test('taken back is final at once: whoever relied on it hears of it, and every pass has to be made again', async () => {
    const { clock, reviews, reviewer, takenBack } = scene()
    await reviews.decide(bob)
    const { generation } = reviews
    reviewer.says = 'denied'
    await clock.advance(15_000)
    expect(reviews.standing(bob)).toMatchObject({ kind: 'allowed' })
    await clock.advance(0)
    expect(reviews.standing(bob)).toEqual({ kind: 'denied' })
    expect(takenBack).toEqual([bob])
    expect(reviews.generation).toBeGreaterThan(generation)
  })
})

describe('a no', () => {
  test('is kept for two seconds, so that it can’t be asked for at will and a new binding counts soon', async () => {
    const { clock, reviews, reviewer } = scene('denied')
    for (let asked = 0; asked < 100; asked += 1) expect(await reviews.decide(bob)).toBe('denied')
    expect(reviewer.asked).toHaveLength(1)
    reviewer.says = 'allowed'
    await clock.advance(1_999)
    expect(await reviews.decide(bob)).toBe('denied')
    await clock.advance(1)
    expect(await reviews.decide(bob)).toBe('allowed')
  })

  test('wipes out the allow before it: when nobody can be asked then, nothing stands', async () => {
    const { clock, reviews, reviewer } = scene()
    await reviews.decide(bob)
    await clock.advance(30_000)
    reviewer.says = 'denied'
    expect(await reviews.decide(bob)).toBe('denied')
    reviewer.says = 'unreachable'
    await clock.advance(2_000)
    expect(await reviews.decide(bob)).toBe('unavailable')
  })

  test.each([
    new Error('a fault of ours'),
    new GatewayError('forbidden', 'we may not ask'),
    new GatewayError('internal', '?'),
  ])('is what any other fault counts as: %s', async (fault) => {
    const { clock, reviews, reviewer } = scene()
    await reviews.decide(bob)
    await clock.advance(30_000)
    reviewer.says = fault
    expect(await reviews.decide(bob)).toBe('denied')
  })
})

describe('while nobody can be asked', () => {
  test.each(['unreachable', 'silent'] as const)('(%s) nothing new is allowed, and nothing is denied', async (says) => {
    const { clock, reviews } = scene(says)
    const deciding = reviews.decide(bob)
    await clock.advance(says === 'silent' ? 5_000 : 0)
    expect(await deciding).toBe('unavailable')
    expect(reviews.standing(bob)).toEqual({ kind: 'unavailable' })
  })

  test.each(['unreachable', 'silent'] as const)(
    '(%s) an allow in use stands for five minutes, then no more',
    async (says) => {
      const all = scene()
      await all.reviews.decide(bob)
      all.reviewer.says = says
      const seen = await useFor(all, 5 * minute - 1_000, 1_000)
      expect(new Set(seen)).toEqual(new Set(['allowed']))
      await all.clock.advance(1_000)
      expect(['unavailable', 'unasked']).toContain(all.reviews.standing(bob).kind)
      const deciding = all.reviews.decide(bob)
      await all.clock.advance(5_000)
      expect(await deciding).toBe('unavailable')
    },
  )

  test('an allow that was not in use stands as well, once it was found out that nobody answers', async () => {
    const { clock, reviews, reviewer } = scene()
    await reviews.decide(bob)
    await clock.advance(4 * minute)
    reviewer.says = 'unreachable'
    expect(reviews.standing(bob)).toEqual({ kind: 'unasked' })
    expect(await reviews.decide(bob)).toBe('allowed')
  })

  test('an old allow does not stand any more once somebody answers again', async () => {
    const { clock, reviews, reviewer } = scene()
    const carol = mayConnectIn('team', person('carol'))
    await reviews.decide(bob)
    reviewer.says = 'unreachable'
    await clock.advance(30_000)
    expect(await reviews.decide(bob)).toBe('allowed')
    reviewer.says = 'denied'
    await reviews.decide(carol)
    await clock.advance(2_000)
    expect(await reviews.decide(bob)).toBe('denied')
  })

  test('it is asked again at most every two seconds, and the first answer counts', async () => {
    const all = scene()
    await all.reviews.decide(bob)
    all.reviewer.says = 'unreachable'
    await useFor(all, 60_000, 100)
    expect(all.reviewer.asked.length).toBeLessThan(30)
    all.reviewer.says = 'denied'
    await useFor(all, 2_200, 100)
    expect(all.reviews.standing(bob)).toEqual({ kind: 'denied' })
    expect(all.takenBack).toEqual([bob])
  })
})

describe('a change of a workspace or a share', () => {
  test('drops within two seconds what was asked before, in its namespace alone', async () => {
    const { clock, reviews, reviewer } = scene()
    const elsewhere = mayConnectIn('other', person('bob', 'ds'))
    await reviews.decide(bob)
    await reviews.decide(elsewhere)
    await clock.advance(5_000)
    reviews.changed('team')
    reviewer.says = 'denied'
    expect(reviews.standing(bob)).toEqual({ kind: 'unasked' })
    expect(await reviews.decide(bob)).toBe('denied')
    expect(reviews.standing(elsewhere)).toMatchObject({ kind: 'allowed' })
  })

  test('by the hundred asks no more than once a second', async () => {
    const all = scene()
    for (let tenth = 0; tenth < 100; tenth += 1) {
      all.reviews.changed('team')
      expect(await all.reviews.decide(bob)).toBe('allowed')
      await all.clock.advance(100)
    }
    expect(all.reviewer.asked.length).toBeLessThanOrEqual(11)
  })

  test('overtakes an answer that is still on its way', async () => {
    const { clock, reviews, reviewer } = scene()
    reviewer.isHeld = true
    const deciding = reviews.decide(bob)
    await clock.advance(500)
    reviews.changed('team')
    reviewer.release()
    expect(await deciding).toBe('allowed')
    await clock.advance(1_000)
    expect(reviews.standing(bob)).toEqual({ kind: 'unasked' })
  })

  test('takes nothing from an allow that stands because nobody can be asked', async () => {
    const { reviews, reviewer, clock } = scene()
    await reviews.decide(bob)
    await clock.advance(1_000)
    reviews.changed('team')
    reviewer.says = 'unreachable'
    expect(await reviews.decide(bob)).toBe('allowed')
  })
})

describe('questions', () => {
  test('about others are asked at every call, and change nothing of what is known', async () => {
    const { reviews, reviewer } = scene('denied')
    await reviews.decide(bob)
    reviewer.says = 'allowed'
    expect(await reviews.decideAfresh(bob)).toBe('allowed')
    expect(await reviews.decideAfresh(bob)).toBe('allowed')
    expect(reviewer.asked).toHaveLength(3)
    expect(reviews.standing(bob)).toEqual({ kind: 'denied' })
  })

  test('are one for groups in another order', async () => {
    const { reviews, reviewer } = scene()
    await reviews.decide(mayConnectIn('team', person('bob', 'a', 'b')))
    await reviews.decide(mayConnectIn('team', person('bob', 'b', 'a')))
    expect(reviewer.asked).toHaveLength(1)
  })

  test('of two people, memberships, namespaces or rights never share an answer, however their names run together', async () => {
    const word = fc.constantFrom('', 'a', 'b', 'ab', 'a,b', '"', '","', 'a b', '[]', '\\')
    const name = fc.constantFrom('a', 'b', 'ab', 'a-b')
    const entry = (namespace: string, of: string) => ({ ref: { namespace, name: of } })
    const question = fc
      .record({
        username: word,
        uid: word,
        groups: fc.array(word, { maxLength: 3 }),
        namespace: name,
        of: fc.option(name, { nil: undefined }),
        verb: fc.constantFrom('share' as const, 'own' as const),
      })
      .map(({ username, uid, groups, namespace, of, verb }): ReviewQuestion => {
        const subject = { kind: 'person', username, uid, groups } as const
        return of === undefined ? mayConnectIn(namespace, subject) : mayGrant(verb, entry(namespace, of), subject)
      })
    const sorted = ({ subject, ...rest }: ReviewQuestion) => ({
      ...rest,
      subject: { ...subject, groups: subject.groups.toSorted() },
    })
    await fc.assert(
      fc.asyncProperty(question, question, async (first, second) => {
        fc.pre(JSON.stringify(sorted(first)) !== JSON.stringify(sorted(second)))
        const { reviews } = scene((asked) => (asked === first ? 'allowed' : 'denied'), 10)
        expect(await reviews.decide(first)).toBe('allowed')
        expect(await reviews.decide(second)).toBe('denied')
      }),
      { numRuns: 500 },
    )
  })

  test('beyond what is kept are asked again, and the latest are kept', async () => {
    const { reviews, reviewer } = scene('allowed', 10)
    const of = (nth: number) => mayConnectIn('team', person(`user-${nth}`))
    for (let nth = 0; nth < 100; nth += 1) await reviews.decide(of(nth))
    for (let nth = 90; nth < 100; nth += 1) expect(reviews.standing(of(nth)).kind).toBe('allowed')
    expect(reviews.standing(of(0)).kind).toBe('unasked')
    expect(reviewer.asked).toHaveLength(100)
  })
})

/** RBAC, the network and the changes of a namespace, with what they make true. */
class Truth {
  readonly #scene: Scene
  #rbac: 'allowed' | 'denied' = 'allowed'
  #isUp = true
  #answer = { at: Number.NEGATIVE_INFINITY, verdict: 'none' }
  #failedAt = Number.NEGATIVE_INFINITY
  #changedAt = Number.NEGATIVE_INFINITY

  constructor() {
    this.#scene = scene(() => this.#say(), 10)
  }

  #say(): Script {
    const at = this.#scene.clock.now()
    if (!this.#isUp) {
      this.#failedAt = at
      return 'unreachable'
    }
    this.#answer = { at, verdict: this.#rbac }
    return this.#rbac
  }

  #isGood({ at, verdict }: { at: number; verdict: string }): boolean {
    const now = this.#scene.clock.now()
    const isFresh = now - at < 25_000 && (this.#changedAt < at || now < at + 1_000)
    const isStale = now - at < 5 * minute && this.#failedAt >= at && now - this.#failedAt < 12_000
    return verdict === 'allowed' && (isFresh || isStale)
  }

  async take(step: Step): Promise<void> {
    const { reviews, clock } = this.#scene
    switch (step.kind) {
      case 'wait':
        return clock.advance(step.span)
      case 'rbac':
        this.#rbac = step.says
        return
      case 'network':
        this.#isUp = step.isUp
        return
      case 'change':
        reviews.changed('team')
        this.#changedAt = clock.now()
        return
      case 'use': {
        const known = this.#answer
        const isKnown = reviews.standing(bob).kind === 'allowed'
        expect(isKnown && !this.#isGood(known)).toBe(false)
        const isDecided = (await reviews.decide(bob)) === 'allowed'
        expect(isDecided && !this.#isGood(known) && !this.#isGood(this.#answer)).toBe(false)
        return clock.advance(0)
      }
    }
  }
}

type Step =
  | { readonly kind: 'wait'; readonly span: number }
  | { readonly kind: 'rbac'; readonly says: 'allowed' | 'denied' }
  | { readonly kind: 'network'; readonly isUp: boolean }
  | { readonly kind: 'change' | 'use' }

test('whatever happens, nothing is allowed but by an allow of the last 25 s, or of the last 5 min where asking has failed since', async () => {
  const spans = [1, 400, 1_999, 5_000, 15_000, 24_000, 100_000]
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ kind: fc.constant('wait' as const), span: fc.constantFrom(...spans) }),
    fc.record({ kind: fc.constant('rbac' as const), says: fc.constantFrom('allowed' as const, 'denied' as const) }),
    fc.record({ kind: fc.constant('network' as const), isUp: fc.boolean() }),
    fc.record({ kind: fc.constantFrom('change' as const, 'use' as const, 'use' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const truth = new Truth()
      for (const one of steps) await truth.take(one)
    }),
    { numRuns: 300 },
  )
})

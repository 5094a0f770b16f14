import { expect, test } from 'vitest'
import { type EndReason, StreamGroup, StreamIndex } from '#live/streams.ts'
import { drain } from '#server/drain.ts'
import { Chance } from '#test/fuzz/chance.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'

interface Ended {
  readonly at: number
  readonly reason: EndReason
}

interface Scene {
  readonly clock: FakeClock
  readonly streams: StreamIndex
  /** One entry for each end. */
  readonly ended: readonly Ended[]
  add(options?: { readonly isLasting?: boolean; readonly group?: StreamGroup }): StreamGroup
  drain(grace: number, signal?: AbortSignal): Promise<void>
}

/** Nothing is ever closed: who drains waits for the whole grace. */
function scene(): Scene {
  const clock = fakeClock()
  const began = clock.now()
  const chance = new Chance('drain')
  const streams = new StreamIndex()
  const ended: Ended[] = []
  let count = 0
  const listener = { stopAccepting: () => undefined, closed: new Promise<void>(() => undefined) }
  return {
    ...{ clock, streams, ended },
    add({ isLasting = true, group } = {}) {
      const key = () => ({ session: `s${count % 7}`, workspace: `w${count % 5}`, part: String(count++) })
      const to = group ?? new StreamGroup(key(), streams)
      to.add({ isLasting, end: (reason) => void ended.push({ at: clock.now() - began, reason }) })
      return to
    },
    drain(grace, signal = new AbortController().signal) {
      const random = () => chance.next()
      return drain({ listeners: [listener], streams, clock, random, grace, signal })
    },
  }
}

test('#65 two thousand sockets are told to come back over four seconds, by chance and never many at once, each once and with 1012', async () => {
  const { clock, ended, add, drain: begin } = scene()
  const one = add()
  for (let index = 1; index < 2_000; index += 1) add(index % 2 === 0 ? {} : { group: one })
  const done = begin(30_000)
  const inEachTenth: number[] = []
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const before = ended.length
    await clock.advance(400)
    inEachTenth.push(ended.length - before)
  }
  expect(ended).toHaveLength(2_000)
  expect(Math.min(...inEachTenth)).toBeGreaterThan(140)
  expect(Math.max(...inEachTenth)).toBeLessThan(260)
  expect(new Set(ended.map(({ reason }) => reason.code))).toEqual(new Set([1012]))
  await clock.advance(26_000)
  await done
  expect(ended).toHaveLength(2_000)
})

test('few are told at once, and however many there are the last one in a third of the grace; what is no socket keeps the whole of it', async () => {
  const few = scene()
  for (let index = 0; index < 5; index += 1) few.add()
  const request = few.add({ isLasting: false })
  const done = few.drain(30_000)
  await few.clock.advance(10)
  expect(few.ended).toHaveLength(5)
  expect(request.size).toBe(1)
  await few.clock.advance(29_990)
  await done
  expect(few.ended).toHaveLength(6)

  const many = scene()
  for (let index = 0; index < 600; index += 1) many.add()
  void many.drain(600)
  await many.clock.advance(200)
  expect(many.ended).toHaveLength(600)
})

test('a socket that is opened meanwhile is told as well, one whose right ends meanwhile is told that alone, and who is impatient waits for none', async () => {
  const { clock, ended, streams, add, drain: begin } = scene()
  const groups = Array.from({ length: 1_000 }, () => add())
  const impatient = new AbortController()
  const done = begin(30_000, impatient.signal)
  await clock.advance(100)
  const late = add()
  const revoked = groups.filter(({ size }) => size > 0).slice(0, 100)
  const told = ended.length
  for (const group of revoked) group.end({ code: 1008, reason: 'access ended' })
  await clock.advance(1_900)
  expect(ended.filter(({ reason }) => reason.code === 1008)).toHaveLength(100)
  expect([ended.length, late.size, told > 0]).toEqual([1_001, 0, true])
  add()
  impatient.abort()
  await done
  expect([ended.length, streams.all()]).toEqual([1_002, []])
})

test('a socket whose handshake came to its end after all were told is told at once, and is no second time', async () => {
  const { clock, ended, add, drain: begin } = scene()
  add()
  const done = begin(30_000)
  await clock.advance(1_000)
  expect(ended).toHaveLength(1)
  for (let late = 2; late < 5; late += 1) {
    add()
    await clock.advance(250)
    expect(ended).toHaveLength(late)
  }
  const request = add({ isLasting: false })
  await clock.advance(1_000)
  expect(request.size).toBe(1)
  await clock.advance(30_000)
  await done
  add()
  await clock.advance(1_000)
  expect(ended).toHaveLength(5)
})

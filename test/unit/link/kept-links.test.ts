import { expect, test } from 'vitest'
import { type Coming, type KeptLink, KeptLinks } from '#link/kept-links.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

interface TestLink extends KeptLink {
  streams: number
  readonly isOpen: () => boolean
  end(why: string): void
}

/** An agent before replicas; `lead` is the balancer. */
function agent(lead: () => string | undefined) {
  const clock = fakeClock()
  const ending = new AbortController()
  const { signal } = ending
  const links: TestLink[] = []
  const looks: number[] = []
  const said: string[] = []
  const open = async (butNot: string | undefined): Promise<Coming> => {
    const replica = lead()
    if (butNot !== undefined) looks.push(clock.now())
    if (replica !== undefined && replica === butNot) return { kind: 'refused', status: 409 }
    const closed = Promise.withResolvers<string>()
    let isOpen = true
    const end = (why: string) => {
      isOpen = false
      closed.resolve(why)
    }
    const link: TestLink = {
      ...{ replica, streams: 0, closed: closed.promise, isOpen: () => isOpen, end },
      size: () => link.streams,
      leave: () => end('left'),
    }
    signal.addEventListener('abort', () => end('told to'))
    links.push(link)
    return { kind: 'open', link }
  }
  const ended = new KeptLinks({ open, clock, signal, say: (what) => void said.push(what) }).run()
  const present = () => links.filter(({ isOpen }) => isOpen())
  return {
    ...{ clock, links, looks, said, present },
    at: () => present().map(({ replica }) => replica),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await ended
      expect(present()).toEqual([])
    },
  }
}

const hour = 3_600_000

test('links that come to two replicas stay as they are', async () => {
  let number = 0
  await using one = agent(() => (number++ % 2 === 0 ? 'a' : 'b'))
  await one.clock.advance(24 * hour)
  expect([one.at(), one.looks]).toEqual([['a', 'b'], []])
})

test('two links at one replica: another one is looked for, and an idle link leaves once it is there', async () => {
  let to = 'a'
  await using one = agent(() => to)
  await one.clock.advance(1_000)
  expect(one.at()).toEqual(['a', 'a'])
  to = 'b'
  await one.clock.advance(10_000)
  expect(one.at()).toEqual(['a', 'b'])
  expect(one.said.at(-1)).toMatch(/^link [12] is at another replica now$/)
  await one.clock.advance(24 * hour)
  expect([one.links.length, one.looks.length]).toEqual([3, 1])
})

test('nothing under way is cut: as long as both links carry something there are three', async () => {
  let to = 'a'
  await using one = agent(() => to)
  await one.clock.advance(1_000)
  for (const link of one.links) link.streams = 1
  to = 'b'
  await one.clock.advance(hour)
  expect([one.at(), one.looks.length]).toEqual([['a', 'a', 'b'], 1])
  const [, second] = one.links
  if (second) second.streams = 0
  await one.clock.advance(2_000)
  expect(one.at()).toEqual(['a', 'b'])
})

test('one that was found takes the place of a link that ends, at once and without another try', async () => {
  let to = 'a'
  await using one = agent(() => to)
  await one.clock.advance(1_000)
  for (const link of one.links) link.streams = 1
  to = 'b'
  await one.clock.advance(20_000)
  for (const link of one.links) if (link.replica === 'a') link.end('killed')
  await one.clock.advance(0)
  expect(one.at()).toEqual(['b'])
  to = 'c'
  await one.clock.advance(1_000)
  expect(one.at()).toEqual(['b', 'c'])
})

test('one that was found and is lost before it was needed is looked for again', async () => {
  let to = 'a'
  await using one = agent(() => to)
  await one.clock.advance(1_000)
  for (const link of one.links) link.streams = 1
  to = 'b'
  await one.clock.advance(20_000)
  one.links.at(-1)?.end('killed')
  await one.clock.advance(hour)
  expect([one.at(), one.links.length]).toEqual([['a', 'a', 'b'], 4])
})

test('where the balancer leads to one replica alone nothing is given up, and looks become ever more seldom', async () => {
  await using one = agent(() => 'a')
  await one.clock.advance(hour)
  const { length } = one.looks
  expect(length).toBeLessThanOrEqual(10)
  await one.clock.advance(10 * hour)
  expect(one.looks.length - length).toBeLessThanOrEqual(20)
  expect([one.at(), one.links.length]).toEqual([['a', 'a'], 2])
})

test('a link that is lost after long waiting is reason to look soon again', async () => {
  let to = 'a'
  await using one = agent(() => to)
  await one.clock.advance(5 * hour)
  const before = one.looks.length
  to = 'b'
  for (const link of one.present()) link.end('killed')
  await one.clock.advance(1_000)
  expect(one.at()).toEqual(['b', 'b'])
  to = 'c'
  await one.clock.advance(10_000)
  expect([one.at(), one.looks.length]).toEqual([['b', 'c'], before + 1])
})

test('looks of many agents that lost a replica together do not come together', async () => {
  let to = 'a'
  const agents = Array.from({ length: 200 }, () => agent(() => to))
  to = 'a'
  const seconds = new Map<number, number>()
  for (const one of agents) {
    await one.clock.advance(60_000)
    for (const at of one.looks) {
      const second = Math.floor((at - Date.parse('2026-01-01T00:00:00Z')) / 1_000)
      seconds.set(second, (seconds.get(second) ?? 0) + 1)
    }
    await one[Symbol.asyncDispose]()
  }
  expect(Math.max(...seconds.values())).toBeLessThan(agents.length / 2)
  expect([...seconds.values()].reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(agents.length * 4)
})

test('where no replica has a name nothing is looked for', async () => {
  await using one = agent(() => undefined)
  await one.clock.advance(24 * hour)
  expect([one.links.length, one.looks]).toEqual([2, []])
})

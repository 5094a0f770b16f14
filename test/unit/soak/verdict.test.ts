import { expect, test } from 'vitest'
import { mostGrowth, mostOpened } from '#test/soak/slope.ts'
import type { SoakReport } from '#test/soak/soak.ts'
import { verdict } from '#test/soak/verdict.ts'

const figures = { rss: 1, own: 1, heap: 1, heapTotal: 1, external: 1, fds: 30, sockets: 12, streams: 0 }
const flat = { rss: 0, own: 0, heap: 0, heapTotal: 0, external: 0, fds: 0, sockets: 0, streams: 0 }
const good: SoakReport = {
  samples: [],
  slopes: { ...flat, rss: 9 * mostGrowth, own: mostGrowth - 1, fds: mostOpened - 1, sockets: -500 },
  before: figures,
  after: { ...figures, rss: 9 },
  idleSocketsLost: 0,
  tally: { requests: 1, messages: 1, uploads: 1, refusedUpgrades: 1, revocations: 1, restarts: 1, failures: [] },
}

test('a soak is good when memory and descriptors are flat, and afterwards as many are open as before', () => {
  expect(verdict(good)).toEqual([])
})

test.each<[what: string, report: Partial<SoakReport>, fault: RegExp]>([
  ['memory grows', { slopes: { ...flat, own: mostGrowth } }, /^RSS .* grows by 1024 KB a minute$/],
  ['the heap grows', { slopes: { ...flat, heap: 2 * mostGrowth } }, /^the heap grows by 2048 KB a minute$/],
  ['descriptors grow', { slopes: { ...flat, fds: 240 } }, /^240 descriptors more a minute$/],
  ['sockets grow', { slopes: { ...flat, sockets: mostOpened } }, /^60 sockets more a minute$/],
  ['a descriptor is left', { after: { ...figures, fds: 31 } }, /^30 descriptors before, 31 after$/],
  ['a socket is left', { after: { ...figures, sockets: 13 } }, /^12 sockets before, 13 after$/],
  ['a stream is left', { after: { ...figures, streams: 1 } }, /^1 streams are left$/],
  ['an idle socket was lost', { idleSocketsLost: 1 }, /^1 idle sockets were lost$/],
  ['something failed', { tally: { ...good.tally, failures: ['a save'] } }, /^1 things failed, the first: a save$/],
  ['something was never done', { tally: { ...good.tally, restarts: 0 } }, /^there were no restarts$/],
])('it is not when %s', (_what, report, fault) => {
  expect(verdict({ ...good, ...report })).toEqual([expect.stringMatching(fault)])
})

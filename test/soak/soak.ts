/** A gateway under a mixed load for some minutes: what grows meanwhile, and what is left of it afterwards. */
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { mixedLoad, roles, type Tally } from './load.ts'
import type { Figures } from './orders.ts'
import { floorsOf, mostGrowth, mostOpened, slopeOf } from './slope.ts'
import { openMany } from './sockets.ts'
import { openStage, type Stage } from './stage.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly tabs: number
  readonly idleSockets: number
  /** Is told about each look at the gateway. */
  readonly onSample?: (sample: Seen) => void
}

export interface Seen extends Figures {
  /** Minutes since the load began. */
  readonly at: number
}

export interface SoakReport {
  readonly samples: readonly Seen[]
  /** A minute, after the warm-up: bytes, and counts. */
  readonly slopes: Slopes
  /** Before any of the load, and after all of it. */
  readonly before: Figures
  readonly after: Figures
  readonly idleSocketsLost: number
  readonly tally: Tally
}

export type Slopes = { readonly [Name in keyof Figures]: number }

const lookEvery = 3_000
/** What seems to grow is looked at again, over so many times the time: noise shrinks by that, and a leak does not. */
const furtherLooks = [1.5, 2, 3]
/**
 * Of the time: until everything was done a few times, and what that takes is there. The lowest figures of the two halves of the rest are compared: what
 * is taken and given back in between is no growth, such as room for young objects.
 */
const warmUp = 1 / 3
/** Connections that are kept for the next request are given up within this time. */
const longestSettling = 25_000
const calmLooks = 14

export async function soak(options: SoakOptions): Promise<SoakReport> {
  await using stage = await openStage({ apps: Object.keys(roles).length })
  const tally: Tally = { ...none, failures: [] }
  await rehearse(stage, options)
  const before = await settled(stage)
  const ending = new AbortController()
  const sockets = await openIdle(stage, options.idleSockets)
  const began = performance.now()
  const minutes = () => (performance.now() - began) / 60_000
  const lost = new Set<unknown>()
  for (const socket of sockets) socket.once('close', () => lost.add(socket))
  const loading = mixedLoad({ stage, tally, signal: ending.signal }, options.tabs)
  const samples: Seen[] = []
  const lookUntil = async (end: number): Promise<Slopes> => {
    while (minutes() < end) {
      await wait(lookEvery)
      const seen = { at: minutes(), ...(await stage.ask({ kind: 'figures' })) }
      samples.push(seen)
      options.onSample?.(seen)
    }
    return slopesOf(samples, end)
  }
  const seemsToGrow = ({ own, heap, fds, sockets }: Slopes) =>
    Math.max(own, heap) >= mostGrowth || Math.max(fds, sockets) >= mostOpened
  let slopes = await lookUntil(options.minutes)
  for (const times of furtherLooks) {
    if (seemsToGrow(slopes)) slopes = await lookUntil(options.minutes * times)
  }
  ending.abort()
  await loading
  const idleSocketsLost = lost.size
  for (const socket of sockets) socket.destroy()
  const after = await settled(stage)
  return { samples, slopes, before, after, idleSocketsLost, tally }
}

/** `minutes`: in all, of the samples. */
function slopesOf(samples: readonly Seen[], minutes: number): Slopes {
  const warm = samples.filter(({ at }) => at >= minutes * warmUp && at < minutes)
  const half = (minutes * (1 - warmUp)) / 2
  const slope = (name: keyof Figures) => {
    const values = warm.map((seen) => ({ at: seen.at, value: seen[name] }))
    return slopeOf(floorsOf(values, half))
  }
  return {
    ...{
      rss: slope('rss'),
      own: slope('own'),
      heap: slope('heap'),
      heapTotal: slope('heapTotal'),
      external: slope('external'),
    },
    ...{ fds: slope('fds'), sockets: slope('sockets'), streams: slope('streams') },
  }
}

const none = { requests: 0, messages: 0, uploads: 0, refusedUpgrades: 0, revocations: 0, restarts: 0 }

function openIdle(stage: Stage, count: number): Promise<readonly Socket[]> {
  const to = stage.alice[roles.idle]
  if (!to) throw new Error('alice sees nothing')
  return openMany({ port: stage.port, to, path: '/silent' }, count, 64)
}

/** Everything once and at once, so that what it takes is taken before anything is measured: a process seldom gives memory back. */
async function rehearse(stage: Stage, { tabs, idleSockets }: SoakOptions): Promise<void> {
  const ending = new AbortController()
  const tally: Tally = { ...none, failures: [] }
  const sockets = await openIdle(stage, idleSockets)
  const loading = mixedLoad({ stage, tally, signal: ending.signal }, tabs)
  while (tally.restarts < 2 || tally.revocations < 2) await wait(100)
  ending.abort()
  await loading
  for (const socket of sockets) socket.destroy()
}

/** When no descriptor was closed for some time. */
async function settled(stage: Stage): Promise<Figures> {
  const until = performance.now() + longestSettling
  for (let calm = 0, least = Number.POSITIVE_INFINITY; ; ) {
    const figures = await stage.ask({ kind: 'figures' })
    calm = figures.fds < least ? 0 : calm + 1
    least = Math.min(least, figures.fds)
    if (calm >= calmLooks || performance.now() > until) return figures
    await wait(500)
  }
}

/** For people. */
export function describeReport({ slopes, before, after, samples, tally, idleSocketsLost }: SoakReport): string {
  const mb = (bytes: number) => `${(bytes / 2 ** 20).toFixed(2)} MB`
  const last = samples.at(-1)
  return [
    `slopes a minute: RSS ${mb(slopes.rss)}, without pages of files ${mb(slopes.own)}, heap ${mb(slopes.heap)}, external ${mb(slopes.external)}, fds ${slopes.fds.toFixed(1)}, sockets ${slopes.sockets.toFixed(1)}, streams ${slopes.streams.toFixed(1)}`,
    `at the end of the load: RSS ${mb(last?.rss ?? 0)}, heap ${mb(last?.heap ?? 0)}, ${last?.fds} fds, ${last?.streams} streams`,
    `fds ${before.fds} before and ${after.fds} after, sockets ${before.sockets} and ${after.sockets}, streams ${before.streams} and ${after.streams}`,
    `done: ${tally.requests} requests, ${tally.messages} messages, ${tally.uploads} uploads, ${tally.refusedUpgrades} refused upgrades, ${tally.revocations} revocations, ${tally.restarts} restarts; ${idleSocketsLost} idle sockets lost`,
    ...[...new Set(tally.failures)].slice(0, 10).map((failure) => `failed: ${failure}`),
  ].join('\n')
}

/**
 * Requests that go round all workspaces, beside as many to one of them. They take turns in every round, and a round says how the two rates
 * compare; all that the gateway needs is on one core, the load and the apps on the other one. A plain nginx goes the same rounds.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { cpuSeconds, interruptSeconds, load, median } from '../measure.ts'
import { startGateway } from './gateway-process.ts'
import { startPlainProxy } from './plain-proxy.ts'
import { getPage, type Replica } from './replica.ts'
import { gatewayCore, loadCore, type Scene, settling } from './scene.ts'
import { people } from './site.ts'
import { openReception, type Visitor } from './visitor.ts'
import type { Chain } from './workspace-chain.ts'

export interface SpreadParts extends Scene {
  readonly gateway: Replica
  readonly visitor: Visitor
}

interface MeasuredParts extends SpreadParts {
  readonly fronts: readonly [gatehouse: Front, nginx: Front]
}

export interface Rate {
  readonly perSecond: number
  /** Microseconds of the processor for a request. */
  readonly cost: number
  readonly isBusy: boolean
}

export interface Spread {
  readonly one: number
  readonly all: number
  /** Median of the rounds. */
  readonly ratio: number
  readonly ratios: readonly number[]
  /** What a request to one costs of the processor, of what it costs to all. */
  readonly costRatio: number
  /** The same of nginx as a plain proxy, which logs nobody in and never fills its core: what going round costs by itself. */
  readonly nginxCostRatio: number
  readonly nginxCostRatios: readonly number[]
  /** Answers that were looked at, all of them by the right pod. */
  readonly proven: number
}

/** Who is measured. */
export type Front = Pick<Replica, 'host' | 'port'> & { readonly name: string; readonly pid: number }

const connections = 32
const sample = 500
/** Share of its core that went into the gateway, with the packets that came in for it. */
const leastBusy = 0.9
/** Of a round. */
const mostTries = 4

/** By a process of this machine that has a core of its own. */
export async function spreadByProcess(scene: Scene): Promise<Spread> {
  await using gateway = await startGateway(scene.site, { core: gatewayCore })
  using reception = await openReception(scene.site)
  const visitor = await reception.welcome(people.owner)
  const { chains } = scene
  await using nginx = await startPlainProxy(chains, { core: gatewayCore, appPort: scene.appPort, visitor })
  await wait(settling)
  const gatehouse = { name: 'gatehouse', host: gateway.host, port: gateway.port, pid: gateway.pid }
  const fronts = [gatehouse, { ...nginx, name: 'nginx' }] as const
  const parts: MeasuredParts = { ...scene, gateway, visitor, fronts }
  const before = await proveTargets(parts)
  const [own, plain] = await measureRounds(parts)
  const proven = before + (await proveTargets(parts))
  const of = (pick: (run: Rates) => number) => Math.round(median(own.map(pick)))
  const [ratios, nginxCostRatios] = [own.map(({ one, all }) => all / one), plain.map(costRatio)]
  const costs = { costRatio: median(own.map(costRatio)), nginxCostRatio: median(nginxCostRatios), nginxCostRatios }
  const compared = { ratio: median(ratios), ratios, ...costs }
  return { one: of(({ one }) => one), all: of(({ all }) => all), ...compared, proven }
}

/** Requests a second. */
interface Rates {
  readonly one: number
  readonly all: number
  readonly oneCost: number
  readonly allCost: number
}

function costRatio({ oneCost, allCost }: Rates): number {
  return oneCost / allCost
}

/** Void are rounds in which somebody else kept Gatehouse, or who asks it, from its core. */
async function measureRounds(parts: MeasuredParts): Promise<readonly [gatehouse: Rates[], nginx: Rates[]]> {
  await using scripts = writeScripts(parts)
  const runs: [Rates[], Rates[]] = [[], []]
  for (let round = 1; runs.some(({ length }) => length < parts.rounds); round += 1) {
    if (round > parts.rounds * mostTries) throw new Error('something else runs on this machine')
    for (const at of [0, 1] as const) {
      const front = parts.fronts[at]
      const run = await parts.inTurn(() => measureRound(parts, front, scripts, round % 2 === 1))
      const isValid = front.name === 'nginx' || run.isValid
      if (isValid) runs[at].push(run)
      const [one, all, ratio] = [run.one.toFixed(0), run.all.toFixed(0), (run.all / run.one).toFixed(3)]
      const cost = `${run.oneCost.toFixed(1)} and ${run.allCost.toFixed(1)} us each`
      parts.say(`${front.name}: ${one}/s at one, ${all}/s at all: ${ratio}; ${cost}${isValid ? '' : ' (void)'}`)
    }
  }
  return runs
}

/** Each is first in every other round, so that neither always comes after the other. */
async function measureRound(
  parts: MeasuredParts,
  front: Front,
  scripts: Scripts,
  isOneFirst: boolean,
): Promise<Rates & { readonly isValid: boolean }> {
  const before = isOneFirst ? undefined : await rateOf(parts, front, scripts.all)
  const one = await rateOf(parts, front, scripts.one)
  const all = before ?? (await rateOf(parts, front, scripts.all))
  const rates = { one: one.perSecond, all: all.perSecond, oneCost: one.cost, allCost: all.cost }
  return { ...rates, isValid: one.isBusy && all.isBusy }
}

/** As many requests as there are time for, to all of them. */
export async function visitAll(parts: SpreadParts): Promise<void> {
  await using scripts = writeScripts(parts)
  await visit(parts.gateway, scripts.all, parts.seconds)
}

export interface Scripts extends AsyncDisposable {
  readonly one: string
  readonly all: string
}

export function writeScripts(parts: Pick<SpreadParts, 'chains' | 'visitor'>): Scripts {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  const [one, all] = [join(folder, 'one.lua'), join(folder, 'all.lua')]
  writeFileSync(one, script(parts, parts.chains.slice(0, 1)))
  writeFileSync(all, script(parts, shuffled(parts.chains)))
  return { one, all, [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }) }
}

/** Behind runs that count for nothing, until everybody was visited twice: connections kept for longer than a turn of the other are gone. */
export async function rateOf({ chains, seconds }: Scene, front: Front, script: string): Promise<Rate> {
  for (let visits = 0; visits < 2 * chains.length; ) visits += 2 * (await visit(front, script, 2))
  const [cpu, interrupts] = [await cpuSeconds(front.pid), interruptSeconds(gatewayCore)]
  const perSecond = await visit(front, script, seconds)
  const used = (await cpuSeconds(front.pid)) - cpu
  // Of the time of asking: before it, wrk reads its long script.
  const isBusy = (used + interruptSeconds(gatewayCore) - interrupts) / seconds >= leastBusy
  return { perSecond, cost: (used * 1e6) / (perSecond * seconds), isBusy }
}

/** Requests a second. */
async function visit({ host, port }: Pick<Front, 'host' | 'port'>, script: string, seconds: number): Promise<number> {
  const url = `http://${host}:${port}/`
  const run = await load({ core: loadCore, url, connections, headers: [], script, seconds })
  if (run.errors > 0) throw new Error(`${run.errors} answers were wrong`)
  return run.requestsPerSecond
}

/** For wrk: whole requests, one after the other. */
function script({ visitor }: Pick<SpreadParts, 'visitor'>, chains: readonly Chain[]): string {
  const requests = chains.map((chain) => {
    const { host, cookie } = visitor.headersFor(chain)
    return JSON.stringify(`GET / HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\n\r\n`)
  })
  return `local requests = {\n${requests.join(',\n')}\n}
local next, count = 0, #requests
request = function()
  next = next % count + 1
  return requests[next]
end
`
}

/** Asks each of some workspaces once. Throws unless every answer is from the pod it should be from. */
export async function proveTargets({ gateway, chains, visitor }: SpreadParts): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const asked = shuffled(chains).slice(0, sample)
  const wrong = await Promise.all(
    asked.map(async (chain) => {
      const { status, body } = await getPage(gateway, visitor.headersFor(chain), agent)
      return status === 200 && body === chain.podUid ? [] : [`${chain.namespace}/${chain.name}: ${status} ${body}`]
    }),
  )
  agent.destroy()
  const faults = wrong.flat()
  if (faults.length > 0) throw new Error(`${faults.length} of ${asked.length} answers are wrong: ${faults[0]}`)
  return asked.length
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

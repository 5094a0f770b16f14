/**
 * Requests that go round all workspaces, beside as many to one of them. They take turns in every round, and a round says how the two rates
 * compare; all that the gateway needs is on one core, the load and the apps on the other one.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { cpuSeconds, load, median } from '../measure.ts'
import { startGateway } from './gateway-process.ts'
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
  /** Of the gateway. */
  readonly pid: number
}

interface Rate {
  readonly perSecond: number
  readonly isBusy: boolean
}

export interface Spread {
  readonly one: number
  readonly all: number
  /** Median of the rounds. */
  readonly ratio: number
  readonly ratios: readonly number[]
  /** Answers that were looked at, all of them by the right pod. */
  readonly proven: number
}

const connections = 32
const sample = 500
/** Share of its core that the gateway used. */
const leastBusy = 0.9
/** Of a round. */
const mostTries = 4

/** By a process of this machine that has a core of its own. */
export async function spreadByProcess(scene: Scene): Promise<Spread> {
  await using gateway = await startGateway(scene.site, { core: gatewayCore })
  using reception = await openReception(scene.site)
  const visitor = await reception.welcome(people.owner)
  await wait(settling)
  const parts = { ...scene, gateway, pid: gateway.pid, visitor }
  const before = await proveTargets(parts)
  const runs = await measureRounds(parts)
  const proven = before + (await proveTargets(parts))
  const ratios = runs.map(({ one, all }) => all / one)
  const of = (pick: (run: Rates) => number) => Math.round(median(runs.map(pick)))
  return { one: of(({ one }) => one), all: of(({ all }) => all), ratio: median(ratios), ratios, proven }
}

/** Requests a second. */
interface Rates {
  readonly one: number
  readonly all: number
}

/** Void are rounds in which somebody else kept the gateway, or who asks it, from its core. */
async function measureRounds(parts: MeasuredParts): Promise<readonly Rates[]> {
  await using scripts = writeScripts(parts)
  const runs: Rates[] = []
  for (let round = 1; runs.length < parts.rounds; round += 1) {
    if (round > parts.rounds * mostTries) throw new Error('something else runs on this machine')
    const run = await parts.inTurn(() => measureRound(parts, scripts, round % 2 === 1))
    if (run.isValid) runs.push(run)
    const ratio = (run.all / run.one).toFixed(3)
    parts.say(
      `${Math.round(run.one)}/s at one, ${Math.round(run.all)}/s at all: ${ratio}${run.isValid ? '' : ' (void)'}`,
    )
  }
  return runs
}

/** Each is first in every other round, so that neither always comes after the other. */
async function measureRound(
  parts: MeasuredParts,
  scripts: Scripts,
  isOneFirst: boolean,
): Promise<Rates & { readonly isValid: boolean }> {
  const before = isOneFirst ? undefined : await rateOf(parts, scripts.all)
  const one = await rateOf(parts, scripts.one)
  const all = before ?? (await rateOf(parts, scripts.all))
  return { one: one.perSecond, all: all.perSecond, isValid: one.isBusy && all.isBusy }
}

/** As many requests as there are time for, to all of them. */
export async function visitAll(parts: SpreadParts): Promise<void> {
  await using scripts = writeScripts(parts)
  await visit(parts, scripts.all)
}

interface Scripts extends AsyncDisposable {
  readonly one: string
  readonly all: string
}

function writeScripts(parts: SpreadParts): Scripts {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  const [one, all] = [join(folder, 'one.lua'), join(folder, 'all.lua')]
  writeFileSync(one, script(parts, parts.chains.slice(0, 1)))
  writeFileSync(all, script(parts, shuffled(parts.chains)))
  return { one, all, [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }) }
}

/** With a run before that counts for nothing: everybody has been everywhere once. */
async function rateOf({ gateway, pid, seconds }: MeasuredParts, script: string): Promise<Rate> {
  await visit({ gateway, seconds: 2 }, script)
  const [cpu, began] = [await cpuSeconds(pid), performance.now()]
  const perSecond = await visit({ gateway, seconds }, script)
  const used = (await cpuSeconds(pid)) - cpu
  return { perSecond, isBusy: used / ((performance.now() - began) / 1000) >= leastBusy }
}

/** Requests a second. */
async function visit({ gateway, seconds }: Pick<SpreadParts, 'gateway' | 'seconds'>, script: string): Promise<number> {
  const url = `http://${gateway.host}:${gateway.port}/`
  const run = await load({ core: loadCore, url, connections, headers: [], script, seconds })
  if (run.errors > 0) throw new Error(`${run.errors} answers were wrong`)
  return run.requestsPerSecond
}

/** For wrk: whole requests, one after the other. */
function script({ visitor }: SpreadParts, chains: readonly Chain[]): string {
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

/** Does it get slower with what it knows? A Gatehouse that has one session and one workspace at first, and then more and more of them, beside one that stays as it was. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Running, type Size, startGatehouse } from './contenders.ts'
import { cpuSeconds, load, median } from './measure.ts'
import type { On } from './rate.ts'

/** Written out beforehand, since making a request would cost the load more than sending it. */
const everyVisitInTurn = `
local requests, count, at = {}, 0, 0
function init(args)
  for line in io.lines(args[1]) do
    local host, cookie = line:match("([^\\t]+)\\t(.+)")
    count = count + 1
    requests[count] = wrk.format("GET", "/", { Host = host, Cookie = cookie })
  end
end
function request()
  at = at % count + 1
  return requests[at]
end
`

/** Seconds of load. That somebody was there for the first time is written down of each workspace, once, within the first of them. */
const settling = 20
/** Of the one that goes on: for a minute it is still written down who has been there, and connections that nobody needs are closed. */
const settlingAmid = 75
/** Loads that begin and end before anything counts; as those of a rate. */
const warmUps = 4
/** Times that each of the two is measured, one after the other. */
const windows = 5
/** Of the one that stays as it was. */
const otherPort = 18_930

/** What a request costs the processor. */
export interface Cost {
  /** Microseconds. */
  readonly each: number
  /** By what it cost the same process when there was one of each. */
  readonly growth: number
}

export interface Growth {
  /** By size: all who are there come in turn. */
  readonly inTurn: readonly Cost[]
  /** The first session goes on to ask for the first workspace, alone amid all who have come. What it costs more than before is the gateway's growth, not that of the processor's caches. */
  readonly amid: Cost
}

type Growing = Omit<On, 'leastBusy'>

/**
 * Two that do the same differ by more than is asked for here (what V8 compiles when), and so does one from minute to minute (what else the machine
 * does). So one grows, another stays, both are measured in turn, and how one compares with the other is compared with how it did at first.
 */
export async function growthOf(sizes: readonly Size[], on: Growing): Promise<Growth> {
  const { core, upstreamPort, warmUp } = on
  await using grows = await startGatehouse({ core, upstreamPort, sizes })
  await using stays = await startGatehouse({ core, upstreamPort, at: otherPort })
  const visiting = visitingOn(on)
  for (const one of [grows, stays])
    for (let done = 0; done < warmUps; done += 1) await visiting(one, one.visits, Math.ceil(warmUp / warmUps))
  const compared = async (visits: string, settled = settling) => {
    await visiting(grows, visits, settled)
    const pairs: { readonly each: number; readonly ratio: number }[] = []
    while (pairs.length < windows) {
      const usual = await visiting(stays, stays.visits, on.seconds)
      const each = await visiting(grows, visits, on.seconds)
      pairs.push({ each: each.cost, ratio: each.cost / usual.cost })
    }
    return { each: median(pairs.map(({ each }) => each)), ratio: median(pairs.map(({ ratio }) => ratio)) }
  }
  const first = await compared(grows.visits)
  const grown = async (visits: string, settled?: number): Promise<Cost> => {
    const { each, ratio } = await compared(visits, settled)
    return { each, growth: ratio / first.ratio }
  }
  const inTurn = [{ each: first.each, growth: 1 }]
  for (const { sessions, workspaces } of sizes.slice(1)) {
    const visits = await grows.grow()
    // Everybody comes twice before it counts: what is made for each is made then.
    for (let visited = 0; visited < 2 * sessions * workspaces; )
      visited += (await visiting(grows, visits, warmUp)).visited
    inTurn.push(await grown(visits))
  }
  return { inTurn, amid: await grown(grows.visits, settlingAmid) }
}

/** Asks for all visits of a file in turn. */
function visitingOn({ loadCore }: Growing) {
  const script = join(mkdtempSync(join(tmpdir(), 'gatehouse-bench-')), 'visits.lua')
  writeFileSync(script, everyVisitInTurn)
  return async ({ url, pid }: Running, visits: string, seconds: number) => {
    const before = await cpuSeconds(pid)
    const common = { core: loadCore, url, headers: [], connections: 32, script }
    const { requestsPerSecond, errors } = await load({ ...common, args: [visits], seconds })
    if (errors > 0) throw new Error(`${visits}: ${errors} wrong answers`)
    const visited = requestsPerSecond * seconds
    return { visited, cost: (((await cpuSeconds(pid)) - before) * 1e6) / visited }
  }
}

/** Does it get slower with what it knows? Gatehouse with one session and one workspace, and with thousands, all of which are asked for in turn. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startGatehouse } from './contenders.ts'
import { cpuSeconds, load } from './measure.ts'
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
const settling = 10

export interface Size {
  readonly sessions: number
  readonly workspaces: number
  /** Once all have come, one session goes on to ask for one workspace: what remains of the growth is the gateway's, not that of the caches of a processor. */
  readonly oneGoesOn?: boolean
}

/** Microseconds of the processor that a request costs. */
export async function costAt(
  size: Size,
  { core, loadCore, upstreamPort, seconds, warmUp }: Omit<On, 'leastBusy'>,
): Promise<number> {
  const script = join(mkdtempSync(join(tmpdir(), 'gatehouse-bench-')), 'visits.lua')
  writeFileSync(script, everyVisitInTurn)
  await using running = await startGatehouse({ core, upstreamPort, ...size })
  const { url, pid, visits } = running
  const common = { core: loadCore, url, headers: [], connections: 32, script, args: [visits] }
  // Everybody comes twice before it counts: what is made for each is made then.
  const visitors = size.sessions * size.workspaces
  for (let visited = 0; visited < 2 * visitors; )
    visited += warmUp * (await load({ ...common, seconds: warmUp })).requestsPerSecond
  const counted = size.oneGoesOn ? { ...common, args: [firstOf(visits)] } : common
  await load({ ...counted, seconds: settling })
  const before = await cpuSeconds(pid)
  const { requestsPerSecond, errors } = await load({ ...counted, seconds })
  if (errors > 0) throw new Error(`${size.sessions} sessions, ${size.workspaces} workspaces: ${errors} wrong answers`)
  return (((await cpuSeconds(pid)) - before) * 1e6) / (requestsPerSecond * seconds)
}

function firstOf(visits: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'gatehouse-bench-')), 'visits.txt')
  writeFileSync(file, `${readFileSync(visits, 'utf8').split('\n', 1)[0]}\n`)
  return file
}

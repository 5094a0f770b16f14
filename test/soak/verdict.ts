/** What of a soak is not as it should be. */
import { mostGrowth, mostOpened } from './slope.ts'
import type { SoakReport } from './soak.ts'

export function verdict({ slopes, before, after, tally, idleSocketsLost }: SoakReport): readonly string[] {
  const faults: string[] = []
  const say = (isFault: boolean, what: string) => {
    if (isFault) faults.push(what)
  }
  say(slopes.own >= mostGrowth, `RSS without pages of files grows by ${Math.round(slopes.own / 1024)} KB a minute`)
  say(slopes.heap >= mostGrowth, `the heap grows by ${Math.round(slopes.heap / 1024)} KB a minute`)
  say(slopes.fds >= mostOpened, `${Math.round(slopes.fds)} descriptors more a minute`)
  say(slopes.sockets >= mostOpened, `${Math.round(slopes.sockets)} sockets more a minute`)
  say(after.fds !== before.fds, `${before.fds} descriptors before, ${after.fds} after`)
  say(after.sockets !== before.sockets, `${before.sockets} sockets before, ${after.sockets} after`)
  say(after.streams > 0, `${after.streams} streams are left`)
  say(idleSocketsLost > 0, `${idleSocketsLost} idle sockets were lost`)
  say(tally.failures.length > 0, `${tally.failures.length} things failed, the first: ${tally.failures[0]}`)
  for (const [what, count] of Object.entries(tally)) say(count === 0, `there were no ${what}`)
  return faults
}

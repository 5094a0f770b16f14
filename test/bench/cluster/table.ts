/** What was measured: as one object, and as lines for people beside what is asked for. */
import type { Ready } from './ready.ts'
import type { Rest } from './rest.ts'
import type { Spread } from './spread.ts'
import type { SpreadProfile } from './spread-profile.ts'

export interface Results {
  readonly workspaces: number
  readonly rounds: number
  readonly ready?: Ready
  readonly spread?: Spread
  readonly profile?: SpreadProfile
  readonly rest?: Rest
  /** Milliseconds from the deletion of a share to the end of each of its sockets. */
  readonly revocations?: Latencies
  /** Milliseconds from a pod that is Ready to its first answer through the gateway. */
  readonly starts?: Latencies
}

export interface Latencies {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

export function latenciesOf(values: readonly number[]): Latencies {
  const sorted = [...values].sort((a, b) => a - b)
  // Nearest rank: of a hundred the ninety-ninth.
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN)
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), worst: at(1) }
}

/** The largest parts of a profile. */
const mostParts = 12

export function table({ workspaces, ready, spread, profile, rest, revocations, starts }: Results): string {
  const rows: (readonly [what: string, found: string, limit: string])[] = []
  if (ready) {
    rows.push(['ready after', `${Math.round(ready.ms)} ms`, '5,000 ms'])
    rows.push(['memory at rest', `${Math.round(ready.rest_mb)} MB`, '300 MB'])
    rows.push(['memory after visits to all', `${Math.round(ready.visited_mb)} MB`, '300 MB'])
  }
  if (spread) {
    rows.push(['rate over all, of the rate of one', spread.ratio.toFixed(3), '0.95'])
    rows.push(['cost at one, of the cost over all', spread.costRatio.toFixed(3), ''])
    rows.push(['the same of a plain nginx', spread.nginxCostRatio.toFixed(3), ''])
  }
  for (const [part, all] of Object.entries(profile?.all ?? {}).slice(0, mostParts)) {
    const one = profile?.one[part] ?? 0
    rows.push([`of a request: ${part}`.slice(0, 36), `${one.toFixed(1)} us at one, ${all.toFixed(1)} us over all`, ''])
  }
  if (rest) {
    rows.push(['calls at rest, with the housekeeping', `${rest.housekeeping.toFixed(2)}/s`, '1/s'])
    rows.push(['calls at rest, without', `${rest.other.toFixed(2)}/s`, '1/s'])
  }
  if (revocations) rows.push(['share deleted to socket closed', sayLatencies(revocations), '2,000 ms'])
  if (starts) rows.push(['pod Ready to first 200', sayLatencies(starts), '1,000 ms'])
  const lines = rows.map(([what, found, limit]) => `${what.padEnd(36)} ${found.padStart(44)} ${limit.padStart(10)}`)
  return [`${workspaces} workspaces${' '.repeat(20)}`, ...lines, ''].join('\n')
}

function sayLatencies({ count, p50, p99, worst }: Latencies): string {
  return `p50 ${p50} ms, p99 ${p99} ms, worst ${worst} ms of ${count}`
}

/** The rounds of a benchmark, in which contenders take turns, and what they gave. */
import type { Contender } from './contenders.ts'
import { type Echo, echo } from './echo.ts'
import { download, type Moved, upload } from './gigabyte.ts'
import { type Growth, growthOf } from './growth.ts'
import { type Load, load } from './measure.ts'
import { type On, type Rate, rate } from './rate.ts'
import type { Turn } from './turn.ts'

/** What one contender gave in one round; absent where every run was void, or where it takes no part. */
export interface Gave {
  rate?: Rate
  single?: Rate
  download?: Moved
  upload?: Moved
  echo?: Echo
}

export interface Round {
  readonly gave: Map<string, Gave>
  /** The app alone, at one connection. */
  direct?: Load
  readonly growth: Partial<Record<keyof typeof sizes, Growth>>
  void: number
}

export type Part = 'rate' | 'download' | 'upload' | 'echo' | 'growth' | 'idle' | 'laptop' | 'profile'

/** With more than one a connection is asked for another one each time, which costs something by itself: browsers seldom do that. So there are 64 before there are thousands. */
export const sizes = {
  sessions: [1, 64, 10_000].map((sessions) => ({ sessions, workspaces: 1 })),
  workspaces: [1, 64, 5_000].map((workspaces) => ({ sessions: 1, workspaces })),
}

export interface RoundOptions {
  readonly on: On
  readonly parts: ReadonlySet<Part>
  readonly contenders: readonly Contender[]
  readonly turn: Turn
  readonly say: (text: string) => void
}

export async function runRound(options: RoundOptions): Promise<Round> {
  const round: Round = { gave: new Map(), growth: {}, void: 0 }
  const { on, parts, contenders, turn } = options
  for (const contender of contenders) {
    round.gave.set(contender.name, await turnOf(contender, round, options))
  }
  if (parts.has('rate')) {
    const direct = { core: on.loadCore, url: `http://127.0.0.1:${on.upstreamPort}/`, headers: [], connections: 1 }
    round.direct = await turn(() => load({ ...direct, seconds: on.seconds }))
  }
  if (parts.has('growth')) {
    round.growth.sessions = await turn(() => growthOf(sizes.sessions, on))
    round.growth.workspaces = await turn(() => growthOf(sizes.workspaces, on))
  }
  return round
}

async function turnOf(contender: Contender, round: Round, options: RoundOptions): Promise<Gave> {
  const { on, parts, turn } = options
  const gave: Gave = {}
  const isStreaming = streaming.includes(contender.name)
  if (parts.has('rate')) await turn(() => rates(contender, gave, round, options))
  if (parts.has('download') && isStreaming) gave.download = await turn(() => download(contender, on))
  if (parts.has('upload') && isStreaming) gave.upload = await turn(() => upload(contender, on))
  if (parts.has('echo') && isStreaming) await turn(() => echoes(contender, gave, options))
  return gave
}

/** Whose streams are compared. */
const streaming = ['gatehouse', 'nginx', 'configurable_http_proxy']

/** A void run is made again, as long as there is hope that whoever disturbed it is done. */
const mostTries = 4

async function rates(contender: Contender, gave: Gave, round: Round, { on, say }: RoundOptions): Promise<void> {
  for (let tries = 1; gave.rate === undefined && tries <= mostTries; tries += 1) {
    const busy = await rate(contender, 32, on)
    const isVoid = busy.busy < on.leastBusy
    if (isVoid) round.void += 1
    else gave.rate = busy
    const core = `core ${Math.round(busy.busy * 100)} % busy${isVoid ? ' (void)' : ''}`
    say(`${contender.name}: ${Math.round(busy.requestsPerSecond)}/s, ${core}`)
  }
  gave.single = await rate(contender, 1, on)
}

async function echoes(contender: Contender, gave: Gave, { on, say }: RoundOptions): Promise<void> {
  const result = await echo(contender, on)
  gave.echo = result
  const { messagesPerSecond, cpuMicroseconds } = result
  say(`${contender.name}: ${Math.round(messagesPerSecond)} messages/s, ${cpuMicroseconds.toFixed(1)} us each`)
}

/** Case after case, on all lanes at once, until the time is over. What the oracle finds is tried again, and made small before it is told. */
import { Chance } from './chance.ts'
import { plainly } from './dialects.ts'
import { makeCase } from './generator.ts'
import { type Finding, isJoinOf, judge } from './oracle.ts'
import { type Pace, type PlayedCase, playCase } from './play.ts'
import { isLast, type RequestCase } from './request-case.ts'
import { shrinkCase } from './shrink.ts'
import { type Lane, openStage, type StageOptions } from './stage.ts'

export interface FuzzOptions extends StageOptions {
  /** Case 7 of seed `s` is the same one everywhere. */
  readonly seed: string
  /** Milliseconds of fuzzing; what it takes to open and close the stage is not counted. */
  readonly span: number
  readonly progress?: (text: string) => void
}

export interface Shown {
  /** `seed:index` */
  readonly origin: string
  /** Shrunk. */
  readonly requestCase: RequestCase
  readonly findings: readonly Finding[]
  readonly played: PlayedCase
}

export interface FuzzResult {
  readonly cases: number
  /** Cases at whose end Gatehouse was still there, and passed the last request on. */
  readonly reached: number
  readonly shown: readonly Shown[]
}

/** As many are enough to look into. */
const mostShown = 5
/** Of one stage: its trail is kept in memory. */
const mostCases = 20_000

const quick: Pace = { writing: 'as-it-is', pause: 1, idle: 60 }
/** What a busy machine made up is not found again, nor what one of the others refused for a body that it saw at once with the head. */
const patient: readonly Pace[] = [
  { writing: 'as-it-is', pause: 5, idle: 400 },
  { writing: 'by-line-groups', pause: 60, idle: 400 },
  { writing: 'by-line-groups', pause: 250, idle: 600 },
]

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const tally: Tally = { cases: 0, reached: 0, shown: [] }
  for (let left = options.span; left > 0 && tally.shown.length < mostShown; ) {
    await using stage = await openStage(options)
    const began = performance.now()
    const most = tally.cases + mostCases
    const isOver = () => tally.cases >= most || tally.shown.length >= mostShown || performance.now() - began >= left
    await Promise.all(
      stage.lanes.map(async (lane) => {
        while (!isOver()) await next(options.seed, lane, tally)
      }),
    )
    left -= performance.now() - began
    options.progress?.(`${tally.cases} cases, ${tally.reached} passed to the end, ${tally.shown.length} findings`)
  }
  return tally
}

interface Tally extends FuzzResult {
  cases: number
  reached: number
  readonly shown: Shown[]
}

async function next(seed: string, lane: Lane, tally: Tally): Promise<void> {
  const origin = `${seed}:${tally.cases}`
  tally.cases += 1
  const requestCase = makeCase(new Chance(origin))
  const played = await playCase(requestCase, lane, quick)
  if (played.gatehouse.requests.some(({ target }) => isLast(target))) tally.reached += 1
  if (judge(played, lane.setting.host).length === 0) return
  const found = await confirm(requestCase, lane)
  // Once more, for what a machine that is busy for long makes up.
  if (found.findings.length === 0 || (await confirm(requestCase, lane)).findings.length === 0) return
  tally.shown.push(await explained(origin, requestCase, lane, found))
}

type Found = Pick<Shown, 'findings' | 'played'>

/** Plays it patiently, and leaves the findings that stay. */
export async function confirm(requestCase: RequestCase, lane: Lane): Promise<Found> {
  let found: Found | undefined
  for (const pace of patient) {
    const played = await playCase(requestCase, lane, pace)
    found = { findings: judge(played, lane.setting.host), played }
    if (found.findings.length === 0) return found
  }
  if (!found) throw new Error('nothing was played')
  const isKnown = (await isKnownInParts(requestCase, lane, found)) || (await isKnownPlainly(requestCase, lane, found))
  return isKnown ? { ...found, findings: [] } : found
}

/** Is it what comes of the same case without the dialects that the others differ in? */
async function isKnownPlainly(requestCase: RequestCase, lane: Lane, { played }: Found): Promise<boolean> {
  const plain = plainly(requestCase)
  if (!plain) return false
  const { findings, played: other } = await confirm(plain, lane)
  return findings.length === 0 && isJoinOf(played.gatehouse.requests, [], other.gatehouse.requests)
}

/**
 * The others stop at the first thing that they refuse, each at another. So whatever Gatehouse makes of a connection is also known where
 * it makes the same of the connection's first messages and of the others apart, and each of those is known.
 */
async function isKnownInParts({ messages, cuts }: RequestCase, lane: Lane, { played }: Found): Promise<boolean> {
  for (let split = 1; split < messages.length; split += 1) {
    const first = await confirm({ messages: messages.slice(0, split), cuts }, lane)
    if (first.findings.length > 0) continue
    const second = await confirm({ messages: messages.slice(split), cuts }, lane)
    const parts = [first.played.gatehouse.requests, second.played.gatehouse.requests] as const
    if (second.findings.length === 0 && isJoinOf(played.gatehouse.requests, ...parts)) return true
  }
  return false
}

async function explained(origin: string, requestCase: RequestCase, lane: Lane, found: Found): Promise<Shown> {
  const kinds = new Set(found.findings.map(({ kind }) => kind))
  const small = await shrinkCase(requestCase, async (candidate) => {
    const played = await playCase(candidate, lane, quick)
    if (!judge(played, lane.setting.host).some(({ kind }) => kinds.has(kind))) return false
    return (await confirm(candidate, lane)).findings.some(({ kind }) => kinds.has(kind))
  })
  const again = await confirm(small, lane)
  return again.findings.length > 0 ? { origin, requestCase: small, ...again } : { origin, requestCase, ...found }
}

/** A laptop whose clock can be put forward: what waits for minutes is seen within seconds, with real programs. */
import { type Laptop, openLaptop } from '#compose/laptop.ts'
import { every, type Milliseconds, systemClock, type Timestamp } from '#lib/clock.ts'
import { createAudit } from '#observe/audit.ts'
import { createLog } from '#observe/log.ts'
import { createLaptopSite, type LaptopSite, type LaptopSiteOptions } from './laptop-site.ts'
import { laptopParts } from './laptop-world.ts'
import { leapingClock } from './leaping-clock.ts'

export interface LeapingLaptop extends AsyncDisposable {
  readonly site: LaptopSite
  readonly laptop: Laptop
  /** Every line of the log, from `debug` on, and of the audit trail. */
  readonly lines: readonly string[]
  now(): Timestamp
  /** Timers fire when they would have, and find that it is later. */
  leap(span: Milliseconds): void
  /** Fourteen seconds a second, which whoever decides does not take for a date that was moved: until it is disposed. */
  hurry(): Disposable
  /** Of the audit trail, about stops. */
  stops(): readonly Readonly<Record<string, unknown>>[]
}

/** `prepare` writes manifests before it is opened. */
export async function openLeapingLaptop(
  options: LaptopSiteOptions,
  prepare: (site: LaptopSite) => Promise<void> = async () => undefined,
): Promise<LeapingLaptop> {
  await using opened = new AsyncDisposableStack()
  const site = opened.use(await createLaptopSite(options))
  await prepare(site)
  const clock = leapingClock(systemClock)
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const ending = new AbortController()
  const parts = await laptopParts(site, { lines, signal: ending.signal })
  const [log, audit] = [createLog({ level: 'debug', clock, sink }), createAudit({ sink, clock })]
  const laptop = await openLaptop({ ...parts, clock, log, audit })
  opened.defer(async () => {
    ending.abort()
    await laptop.ended
  })
  const kept = opened.move()
  return {
    ...{ site, laptop, lines },
    now: () => clock.now(),
    leap: (span) => clock.leap(span),
    hurry: () => every(systemClock, 1_000, () => clock.leap(13_000)),
    stops: () => lines.filter((line) => line.includes('"event":"stop"')).map((line) => JSON.parse(line)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

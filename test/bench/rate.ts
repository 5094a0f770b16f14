/** Requests with small answers: how many at 32 connections, and how long one takes at one connection. */
import type { Contender } from './contenders.ts'
import { cpuSeconds, type Load, load } from './measure.ts'

export interface On {
  readonly core: number
  readonly loadCore: number
  readonly upstreamPort: number
  readonly seconds: number
  /** Seconds of load before anything counts: until then V8 compiles what runs most, in threads that share the contender's core. */
  readonly warmUp: number
  /** A run in which a contender used less of its core says nothing: something else held it up. */
  readonly leastBusy: number
}

export interface Rate extends Load {
  /** Share of the contender's core that it used. */
  readonly busy: number
}

/** Loads before the one that counts. What V8 has compiled it throws away again when connections begin and end otherwise than they had so far. */
const warmUps = 4

export async function rate(contender: Contender, connections: number, on: On): Promise<Rate> {
  await using running = await contender.start(on)
  const { url, headers, pid } = running
  const common = { core: on.loadCore, url, headers }
  for (let done = 0; done < warmUps; done += 1) {
    await load({ ...common, connections, seconds: Math.ceil(on.warmUp / warmUps) })
  }
  const [cpu, start] = [await cpuSeconds(pid), performance.now()]
  const result = await load({ ...common, connections, seconds: on.seconds })
  const busy = (await cpuSeconds(pid)) - cpu
  if (result.errors > 0) throw new Error(`${contender.name}: ${result.errors} answers were wrong`)
  return { ...result, busy: busy / ((performance.now() - start) / 1000) }
}

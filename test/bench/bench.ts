/**
 * `npm run bench`: what the front door costs, beside the parts people would use instead. Every process that a contender needs shares one core,
 * the load and the workspace behind it the other one. Contenders take turns in every round, and a run in which the contender's core was
 * less than 90 % busy says nothing and is void. Ratios are of medians. `--json`: one object, nothing else.
 */
import { parseArgs } from 'node:util'
import { upstreamConfiguration } from './contenders/nginx.ts'
import { type Contender, contenders } from './contenders.ts'
import { memoryOfIdleSockets } from './idle-sockets.ts'
import { measureLaptop } from './laptop.ts'
import { cpuSeconds, type Load, listening, load, median, pinned } from './measure.ts'

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    sockets: { type: 'string', default: '2000' },
    only: { type: 'string' },
  },
})

const contenderCore = 0
const loadCore = 1
const rounds = Number(options.rounds)
const seconds = Number(options.seconds)
const upstreamPort = 18_900
const say = (text: string) => void (options.json ? undefined : process.stdout.write(`${text}\n`))

interface Run extends Load {
  /** Share of the contender's core that it used. */
  readonly busy: number
}

async function measure(contender: Contender, connections: number): Promise<Run> {
  await using running = await contender.start({ core: contenderCore, upstreamPort })
  const { url, headers, pid } = running
  const common = { core: loadCore, url, headers }
  await load({ ...common, connections, seconds: 1 })
  const [cpu, start] = [await cpuSeconds(pid), performance.now()]
  const result = await load({ ...common, connections, seconds })
  const busy = (await cpuSeconds(pid)) - cpu
  return { ...result, busy: busy / ((performance.now() - start) / 1000) }
}

interface Kept {
  readonly busy: Run[]
  readonly single: Run[]
  void: number
}

/** One turn of one contender. */
async function turn(contender: Contender, round: number, kept: Kept): Promise<void> {
  const run = await measure(contender, 32)
  if (run.errors > 0) throw new Error(`${contender.name}: ${run.errors} answers were wrong`)
  const isVoid = run.busy < 0.9
  if (isVoid) kept.void += 1
  else kept.busy.push(run)
  kept.single.push(await measure(contender, 1))
  const busy = `core ${Math.round(run.busy * 100)} % busy${isVoid ? ' (void)' : ''}`
  say(`round ${round}: ${contender.name} ${Math.round(run.requestsPerSecond)}/s, ${busy}`)
}

async function main(): Promise<void> {
  const chosen = contenders.filter(
    (contender) => options.only === undefined || options.only.split(',').includes(contender.name),
  )
  await using _upstream = await pinned(loadCore, 'nginx', ['-c', upstreamConfiguration(upstreamPort)])
  await listening(upstreamPort)
  const runs = new Map(chosen.map((contender): [Contender, Kept] => [contender, { busy: [], single: [], void: 0 }]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const [contender, kept] of runs) await turn(contender, round, kept)
  }
  const direct = await load({
    core: loadCore,
    url: `http://127.0.0.1:${upstreamPort}/`,
    headers: [],
    connections: 1,
    seconds,
  })
  const idle = await memoryOfIdleSockets({
    core: contenderCore,
    loadCore,
    sockets: Number(options.sockets),
    contenders: chosen,
  })
  const laptop = await measureLaptop()
  const result = summary(runs, direct, idle, laptop)
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : table(result))
}

type Runs = ReadonlyMap<Contender, Kept>

/** The object of `--json`. */
function summary(runs: Runs, direct: Load, idle: Record<string, number>, laptop: { rss_mb: number; ready_ms: number }) {
  const figure = (pick: (of: Kept) => number): Record<string, number> =>
    Object.fromEntries([...runs].map(([{ name }, of]) => [name, pick(of)]))
  const own = [...runs].find(([{ name }]) => name === 'gatehouse')?.[1]
  const single = figure((of) => round(median(of.single.map((run) => run.p50)), 3))
  const p50: Record<string, number> = { direct: round(direct.p50, 3), ...single }
  return {
    requests_per_second: figure((of) => round(median(of.busy.map((run) => run.requestsPerSecond)))),
    p99_ms: figure((of) => round(median(of.busy.map((run) => run.p99)), 2)),
    p50_ms_one_connection: p50,
    added_p50_ms: round(median((own?.single ?? []).map((run) => run.p50)) - direct.p50, 3),
    idle_websocket_kb: idle,
    ...laptop,
    void_runs: figure((of) => of.void),
    rounds,
  }
}

function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits))
}

function table(result: ReturnType<typeof summary>): string {
  const rate = new Map(Object.entries(result.requests_per_second))
  const own = rate.get('gatehouse') ?? Number.NaN
  const rows = [...rate].map(([name, value]) => {
    const latency = result.p50_ms_one_connection[name] ?? Number.NaN
    const memory = result.idle_websocket_kb[name]
    return [
      name.padEnd(26),
      `${value}`.padStart(10),
      (own / value).toFixed(2).padStart(12),
      latency.toFixed(3).padStart(10),
      `${memory ?? '–'}`.padStart(14),
    ].join(' ')
  })
  return [
    `${'contender'.padEnd(26)} ${'requests/s'.padStart(10)} ${'gatehouse ×'.padStart(12)} ${'p50 ms (1)'.padStart(10)} ${'KB/idle socket'.padStart(14)}`,
    ...rows,
    `added p50: ${result.added_p50_ms} ms · laptop at rest: ${result.rss_mb} MB · second start to ready: ${result.ready_ms} ms · rounds: ${result.rounds}`,
    '',
  ].join('\n')
}

await main()

/**
 * `npm run bench`: what the front door costs, beside the parts people would use instead. Every process that a contender needs shares one core,
 * the load and the workspace behind it the other one. Contenders take turns in every round, and a run in which the contender's core was
 * less than 90 % busy (`--busy 0.9`) says nothing and is void. `--json`: one object, nothing else; `--report` writes `README.md` beside this file;
 * `--parts rate,download,upload,echo,growth,idle,laptop,profile` and `--only nginx,gatehouse` leave the rest out.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { upstreamConfiguration } from './contenders/nginx.ts'
import { contenders } from './contenders.ts'
import { readAhead } from './gigabyte.ts'
import { memoryOfIdleSockets } from './idle-sockets.ts'
import { measureLaptop } from './laptop.ts'
import { listening, pinned } from './measure.ts'
import { profile } from './profile.ts'
import { reportOf } from './report.ts'
import { type Part, type Round, runRound } from './rounds.ts'
import { summaryOf } from './summary.ts'
import { turnsBy } from './turn.ts'

const every: readonly Part[] = ['rate', 'download', 'upload', 'echo', 'growth', 'idle', 'laptop', 'profile']
const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    /** Seconds of load before it counts. */
    warm: { type: 'string', default: '20' },
    sockets: { type: 'string', default: '2000' },
    only: { type: 'string' },
    parts: { type: 'string', default: every.join(',') },
    turns: { type: 'string' },
    /** Share of its core that a contender must have used, or else the run is void. */
    busy: { type: 'string', default: '0.9' },
  },
})

const on = {
  ...{ core: 0, loadCore: 1, upstreamPort: 18_900 },
  ...{ seconds: Number(options.seconds), warmUp: Number(options.warm), leastBusy: Number(options.busy) },
}
const asked = options.parts.split(',')
const parts = new Set(every.filter((part) => asked.includes(part)))
const wanted = options.only?.split(',')
const chosen = contenders.filter(({ name, needs }) => {
  const isThere = needs === undefined || spawnSync(needs, ['version']).error === undefined
  return isThere && (wanted === undefined || wanted.includes(name))
})
const turn = turnsBy(options.turns)
const say = (text: string) => void (options.json ? undefined : process.stdout.write(`${text}\n`))

// What it has started ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

async function main(): Promise<void> {
  await using _upstream = await pinned(on.loadCore, 'nginx', ['-c', upstreamConfiguration(on.upstreamPort)])
  await listening(on.upstreamPort)
  if (parts.has('download')) await readAhead(on)
  const rounds: Round[] = []
  while (rounds.length < Number(options.rounds)) {
    say(`round ${rounds.length + 1}`)
    rounds.push(await runRound({ on, parts, contenders: chosen, turn, say }))
  }
  const sockets = { ...on, sockets: Number(options.sockets), contenders: chosen }
  const idle = parts.has('idle') ? await turn(() => memoryOfIdleSockets(sockets)) : {}
  const laptop = parts.has('laptop') ? await turn(() => measureLaptop()) : undefined
  const parted = parts.has('profile') ? await turn(() => profile(on)) : []
  const result = summaryOf(rounds, { idle, laptop, profile: parted })
  if (options.report) writeFileSync(new URL('./README.md', import.meta.url), reportOf(result))
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : reportOf(result))
}

await main()

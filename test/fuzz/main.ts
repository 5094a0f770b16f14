/**
 * `npm run fuzz -- --minutes 15 --seed S`: new ground under a seed of its own, which it says, half of the time in either mode. `--case S:7 --mode path`
 * plays that one case again, and shows what came of it. Needs nginx and haproxy.
 */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { findPart, type RealPart } from '#test/support/real-parts.ts'
import { Chance } from './chance.ts'
import { confirm, fuzz } from './fuzz.ts'
import { makeCase } from './generator.ts'
import { reportOf } from './report.ts'
import { openStage } from './stage.ts'

const say = (text: string) => process.stdout.write(`${text}\n`)

function pathOf(part: RealPart): string {
  const found = findPart(part)
  if (found.kind === 'found') return found.path
  throw new Error(`${found.reason}; get it with: ${found.command}`)
}

/** How many findings there are. */
async function run(minutes: number, seed: string): Promise<number> {
  if (!(minutes > 0)) throw new Error('--minutes must be a number above 0')
  say(`seed ${seed}, ${minutes} minutes`)
  let findings = 0
  for (const mode of ['host', 'path'] as const) {
    say(`in ${mode} mode`)
    const { shown } = await fuzz({ ...programs, mode, lanes: 8, seed, span: minutes * 30_000, progress: say })
    for (const one of shown) say(reportOf(one))
    findings += shown.length
  }
  return findings
}

async function again(origin: string, mode: 'host' | 'path'): Promise<number> {
  await using stage = await openStage({ ...programs, mode, lanes: 1 })
  const [lane] = stage.lanes
  if (!lane) throw new Error('there is no stage')
  const requestCase = makeCase(new Chance(origin))
  const found = await confirm(requestCase, lane)
  say(reportOf({ origin, requestCase, ...found }))
  return found.findings.length
}

const options = {
  minutes: { type: 'string', default: '10' },
  seed: { type: 'string' },
  case: { type: 'string' },
  mode: { type: 'string', default: 'host' },
} as const
const { values } = parseArgs({ options })
const programs = { nginx: pathOf('nginx'), haproxy: pathOf('haproxy') }
const seed = values.seed ?? randomBytes(4).toString('hex')
const mode = values.mode === 'path' ? 'path' : 'host'
const findings = values.case === undefined ? await run(Number(values.minutes), seed) : await again(values.case, mode)
process.exitCode = findings === 0 ? 0 : 1

/** `npm run fuzz -- --minutes 15 --seed S`: new ground under a seed of its own, which it says. Needs nginx and haproxy. */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { findPart, type RealPart } from '#test/support/real-parts.ts'
import { fuzz } from './fuzz.ts'
import { reportOf } from './report.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } } })
const minutes = Number(values.minutes)
const seed = values.seed ?? randomBytes(4).toString('hex')
const say = (text: string) => process.stdout.write(`${text}\n`)

function pathOf(part: RealPart): string {
  const found = findPart(part)
  if (found.kind === 'found') return found.path
  throw new Error(`${found.reason}; get it with: ${found.command}`)
}

if (!(minutes > 0)) throw new Error('--minutes must be a number above 0')
say(`seed ${seed}, ${minutes} minutes`)
const parts = { lanes: 8, nginx: pathOf('nginx'), haproxy: pathOf('haproxy') }
const { shown } = await fuzz({ ...parts, seed, span: minutes * 60_000, progress: say })
for (const one of shown) say(reportOf(one))
process.exitCode = shown.length === 0 ? 0 : 1

/**
 * What seeing who works costs a gateway: requests and messages of WebSockets a second with it and without it, in turns; and how often three replicas
 * write down what they saw of 5,000 workspaces. `node test/bench/activity-rates.ts --rounds 7`, `--only rates` or `--only writes`; needs nginx, wrk, and a
 * machine that does nothing else.
 */
import { parseArgs } from 'node:util'
import { writesPerSecond } from './activity-writes.ts'
import { upstreamConfiguration } from './contenders/nginx.ts'
import { type Contender, startGatehouse } from './contenders.ts'
import { echo } from './echo.ts'
import { listening, pinned } from './measure.ts'
import { rate } from './rate.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const upstreamPort = 18_900
const on = { core: 0, loadCore: 1, upstreamPort, seconds, warmUp: 10, leastBusy: 0.9 }

const seeing: Contender = { name: 'seeing', start: (where) => startGatehouse(where) }
const blind: Contender = { name: 'blind', start: (where) => startGatehouse({ ...where, isBlind: true }) }

const median = (of: readonly number[]) =>
  of.toSorted((one, other) => one - other)[Math.floor(of.length / 2)] ?? Number.NaN

interface Found {
  readonly requests: number
  readonly messages: number
  /** Microseconds of the processor. */
  readonly ofMessage: number
}

async function measure(contender: Contender): Promise<Found> {
  const { requestsPerSecond: requests } = await rate(contender, 32, on)
  const { messagesPerSecond: messages, cpuMicroseconds: ofMessage } = await echo(contender, on)
  return { requests, messages, ofMessage }
}

async function measureAll(): Promise<void> {
  await using _app = await pinned(on.loadCore, 'nginx', ['-c', upstreamConfiguration(upstreamPort)])
  await listening(upstreamPort)
  const ratios: Found[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const order = round % 2 === 0 ? [seeing, blind] : [blind, seeing]
    const found = new Map<Contender, Found>()
    for (const contender of order) found.set(contender, await measure(contender))
    const [one, other] = [found.get(seeing), found.get(blind)]
    if (!one || !other) continue
    ratios.push({
      requests: one.requests / other.requests,
      messages: one.messages / other.messages,
      ofMessage: one.ofMessage / other.ofMessage,
    })
    process.stdout.write(`round ${round + 1}: ${JSON.stringify({ seeing: one, blind: other })}\n`)
  }
  for (const what of ['requests', 'messages', 'ofMessage'] as const) {
    const all = ratios.map((ratio) => ratio[what])
    const [least, most] = [Math.min(...all), Math.max(...all)].map((it) => it.toFixed(3))
    process.stdout.write(`${what}: ${median(all).toFixed(3)} of that without it (${least} to ${most})\n`)
  }
}

async function simulateWrites(): Promise<void> {
  for (const [replicas, where] of [
    [3, 'each seen by three replicas'],
    [1, 'each seen by one'],
  ] as const) {
    const { rate: perSecond } = await writesPerSecond({ workspaces: 5_000, replicas, minutes: 5 })
    process.stdout.write(`writes of 5,000 workspaces, ${where}: ${perSecond.toFixed(1)}/s\n`)
  }
}

if (values.only !== 'rates') await simulateWrites()
if (values.only !== 'writes') await measureAll()
process.exit(0)

/** `gatehouse serve` as a process of its own, with the settings that its argument names, on a clock that its parent puts forward. */
import { serve } from '#cli/serve.ts'
import { openCluster } from '#compose/cluster.ts'
import { systemClock } from '#lib/clock.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { leapingClock } from './leaping-clock.ts'

const clock = leapingClock(systemClock)
process.on('message', (span: number) => clock.leap(span))
// Without a parent there is nobody to answer.
process.on('disconnect', () => process.exit())

const nothing: Disposable = { [Symbol.dispose]: () => undefined }
const out = { write: (line: string) => process.stdout.write(line) }
await serve(['--settings', process.argv[2] ?? ''], {
  ...{ stdout: out, stderr: out, env: {}, cwd: () => '/' },
  clock,
  openStandardOutput: () => ({ write: out.write, lost: 0, [Symbol.asyncDispose]: async () => undefined }),
  openCluster: (wish) => openCluster({ ...wish, lookup: localhostLookup }),
  onFault: () => nothing,
  exitNow: () => undefined,
  onSignal: () => nothing,
})
process.exit()

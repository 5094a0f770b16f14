/** A Gatehouse of its own process, to be killed: opens a runtime in the folder it is given, starts a program, says so and stays. */
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { openProcessRuntime } from '#runtime/processes/process-runtime.ts'
import { planOf, shell } from './world.ts'

const [home = '', script = ''] = process.argv.slice(2)
const { signal } = new AbortController()
const runtime = await openProcessRuntime({
  home,
  clock: systemClock,
  log: createLog({ level: 'error', clock: systemClock, sink: { write: () => undefined } }),
  baseEnv: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  signal,
})
await runtime.apply(planOf(shell(script), { ports: [8888] }))
for await (const event of runtime.instances(signal)) {
  const [instance] = event.type === 'synced' ? event.instances : event.type === 'applied' ? [event.instance] : []
  if (instance?.phase === 'running') process.stdout.write('started\n')
}

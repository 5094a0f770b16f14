/**
 * Where every command begins: reads what was asked for, and wires it. Each loads what it runs on and nothing else: a gateway in a cluster needs no
 * identity provider and no processes, the laptop mode no API server, and both are to be ready soon.
 */
import { join } from 'node:path'
import type { FaultKind } from '#cli/faults.ts'
import { systemClock } from '#lib/clock.ts'
import { type CompiledCode, keepCompiled, readCompiled } from '#lib/compile-cache.ts'
import { earlyHome } from '#settings/early-home.ts'

/** Those that run a gateway. */
const ownCommands = `  demo                the laptop mode: gateway, login and workspaces on this machine (npm start)
  serve               the gateway of a cluster
  agent               beside a workspace in its pod: leads the gateway to its ports
  check-config FILE   would Gatehouse start with these settings (--face serve: in a cluster)?
  idle simulate       what another idle timeout would have saved, and whom it would have hit
`

const ownNames: readonly string[] = ['demo', 'serve', 'agent', 'check-config', 'idle']

const compiledFolder = 'compile-cache'

/** The exit code: 0 done, 1 failed, 2 not understood; those of people's commands are {@link CliFault}'s. */
export async function main(argv: readonly string[], program: NodeJS.Process): Promise<number> {
  const [command, ...given] = argv
  const args = given.map((arg) => (arg === '-h' ? '--help' : arg))
  const [about = ''] = args
  if (command === 'help' && ownNames.includes(about)) return main([about, '--help'], program)
  switch (command) {
    case 'demo':
      return runDemo(args, program)
    case 'serve':
      return runServe(args, program)
    case 'agent':
      return runAgent(args, program)
    case 'check-config': {
      const { checkConfig } = await import('#cli/check-config.ts')
      return checkConfig(args, ioOf(program))
    }
    case 'idle': {
      const [{ idle }, { openRecords }] = await Promise.all([
        import('#cli/idle.ts'),
        import('#compose/idle-records.ts'),
      ])
      return idle(args, { ...ioOf(program), clock: systemClock, openRecords })
    }
    default:
      return runPerson(argv, program)
  }
}

/** Everything else is a command of a person, on whatever machine. */
async function runPerson(argv: readonly string[], program: NodeJS.Process): Promise<number> {
  const [{ personMain }, { personMachine }] = await Promise.all([
    import('#cli/person.ts'),
    import('#cli/person-machine.ts'),
  ])
  using machine = personMachine(program)
  return await personMain(argv, machine.io, {
    text: ownCommands,
    names: ownNames,
  })
}

/** Its folder of state has the compiled code of the start before, and what this one compiles. */
async function runDemo(args: readonly string[], program: NodeJS.Process): Promise<number> {
  const io = ioOf(program)
  const userId = program.getuid?.()
  const home = earlyHome({ args, env: io.env, cwd: io.cwd() })
  const early = home === undefined ? undefined : told(io, keepCompiled(join(home, compiledFolder), userId))
  const { demo } = await import('#cli/demo.ts')
  const code = await demo(args, {
    ...{ ...io, clock: systemClock, userId },
    onSignal: (handle) => onSignal(program, handle),
    onFault: (handle) => onFault(program, handle),
    exitNow: (status) => program.exit(status),
    openLaptop: async (wish) => {
      const compiled = early ?? told(io, keepCompiled(join(wish.settings.home, compiledFolder), userId))
      const { openLaptop } = await import('#compose/laptop.ts')
      const laptop = await openLaptop(wish)
      compiled.write()
      return laptop
    },
  })
  if (code !== 0) early?.undo()
  return code
}

/** An image has compiled code beside the program. Nothing is ever written there. */
async function runServe(args: readonly string[], program: NodeJS.Process): Promise<number> {
  const io = ioOf(program)
  told(io, readCompiled(join(import.meta.dirname, '..', compiledFolder)))
  const [{ serve }, { openCluster }, { openOutput }] = await Promise.all([
    import('#cli/serve.ts'),
    import('#compose/cluster.ts'),
    import('#observe/output.ts'),
  ])
  return serve(args, {
    ...{ ...io, clock: systemClock, openCluster },
    openStandardOutput: () => openOutput(program.stdout.fd, systemClock),
    onSignal: (handle) => onSignal(program, handle),
    onFault: (handle) => onFault(program, handle),
    exitNow: (status) => program.exit(status),
  })
}

/** Told to end, it ends at once: it is the last of its pod, or nobody waits for it. */
async function runAgent(args: readonly string[], program: NodeJS.Process): Promise<number> {
  const { agent } = await import('#cli/agent.ts')
  const ending = new AbortController()
  using _listening = onSignal(program, () => ending.abort())
  return await agent(args, { ...ioOf(program), clock: systemClock, signal: ending.signal })
}

function told(io: Pick<NodeJS.Process, 'stderr'>, compiled: CompiledCode): CompiledCode {
  const { refusal } = compiled
  if (refusal !== undefined)
    io.stderr.write(`warning: no compiled code is used, so that starts take longer: ${refusal}\n`)
  return compiled
}

function ioOf(program: NodeJS.Process) {
  const { stdout, stderr, env } = program
  return { stdout, stderr, env, cwd: () => program.cwd() }
}

/** Ctrl-C and a service manager's wish to end, until it is disposed. */
function onSignal(program: NodeJS.Process, handle: (name: 'SIGINT' | 'SIGTERM') => void): Disposable {
  const listeners = (['SIGINT', 'SIGTERM'] as const).map((name) => [name, () => handle(name)] as const)
  for (const [name, listener] of listeners) program.on(name, listener)
  return {
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) program.off(name, listener)
    },
  }
}

/** Without a handler Node ends the process, and with it whatever everybody else has open. */
function onFault(program: NodeJS.Process, handle: (kind: FaultKind, error: unknown) => void): Disposable {
  const onException = (error: unknown) => handle('exception', error)
  const onRejection = (reason: unknown) => handle('rejection', reason)
  program.on('uncaughtException', onException).on('unhandledRejection', onRejection)
  return {
    [Symbol.dispose]: () => void program.off('uncaughtException', onException).off('unhandledRejection', onRejection),
  }
}

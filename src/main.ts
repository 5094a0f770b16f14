/**
 * Where every command begins: reads what was asked for, and wires it. Each loads what it runs on and nothing else: a gateway in a cluster needs no
 * identity provider and no processes, the laptop mode no API server, and both are to be ready soon.
 */
import { systemClock } from '#lib/clock.ts'

const usage = `usage: gatehouse COMMAND

  demo                the laptop mode: gateway, login and workspaces on this machine (npm start)
  serve               the gateway of a cluster
  check-config FILE   would Gatehouse start with these settings (--face serve: in a cluster)?

gatehouse COMMAND --help says more.
`

/** The exit code: 0 done, 1 failed, 2 not understood. */
export async function main(argv: readonly string[], program: NodeJS.Process): Promise<number> {
  const [command, ...args] = argv
  const { stdout, stderr, env } = program
  const io = { stdout, stderr, env, cwd: () => program.cwd() }
  switch (command) {
    case 'demo': {
      const [{ demo }, { openLaptop }] = await Promise.all([import('#cli/demo.ts'), import('#compose/laptop.ts')])
      return demo(args, {
        ...io,
        clock: systemClock,
        openLaptop,
        onSignal: (handle) => onSignal(program, handle),
        onRejection: (handle) => onRejection(program, handle),
        userId: program.getuid?.(),
      })
    }
    case 'serve': {
      const [{ serve }, { openCluster }, { openOutput }] = await Promise.all([
        import('#cli/serve.ts'),
        import('#compose/cluster.ts'),
        import('#observe/output.ts'),
      ])
      return serve(args, {
        ...{ ...io, clock: systemClock, openCluster },
        openStandardOutput: () => openOutput(stdout.fd, systemClock),
        onSignal: (handle) => onSignal(program, handle),
        onRejection: (handle) => onRejection(program, handle),
      })
    }
    case 'check-config': {
      const { checkConfig } = await import('#cli/check-config.ts')
      return checkConfig(args, io)
    }
    case undefined:
    case 'help':
    case '--help':
      stdout.write(usage)
      return 0
    default:
      stderr.write(`gatehouse: there is no command '${command}'\n${usage}`)
      return 2
  }
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
function onRejection(program: NodeJS.Process, handle: (reason: unknown) => void): Disposable {
  program.on('unhandledRejection', handle)
  return { [Symbol.dispose]: () => void program.off('unhandledRejection', handle) }
}

/**
 * The command line on a person's machine: finds the command, runs it, and says on standard error why it failed. It is `gatehouse` beside the
 * commands that run a gateway, `kubectl gatehouse` by name, and a file of its own that gateways serve.
 */

import { CliFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { nearestName } from '#lib/nearest-name.ts'
import { stayAlive } from '#lib/stay-alive.ts'
import { printable } from '#observe/printable.ts'
import type { PersonCommand } from './person-command.ts'
import { personCommands } from './person-commands.ts'

/** Commands that are not a person's, where they can be run as well. */
export interface OtherCommands {
  /** As lines of the list of commands. */
  readonly text: string
  readonly names: readonly string[]
}

/** The exit code: 0 when it is done, else as {@link CliFault} has them. */
export async function personMain(argv: readonly string[], io: PersonIo, others?: OtherCommands): Promise<number> {
  const [first = 'help', ...args] = argv
  const name = first === '--version' ? 'version' : first
  const command = personCommands.get(name)
  if (command && isHelp(args)) io.stdout.write(command.help)
  else if (command) return run(name, command, args, io)
  else if (['help', '--help', '-h'].includes(name)) return help(args, io, others)
  else {
    const nearest = nearestName(name, [...personCommands.keys(), ...(others?.names ?? [])])
    const guess = nearest === undefined ? '' : `; did you mean '${nearest}'?`
    io.stderr.write(
      `gatehouse: there is no command '${printable(name)}'${guess}\n"gatehouse help" lists those that there are.\n`,
    )
    return 2
  }
  return 0
}

/** `gatehouse help COMMAND` is `gatehouse COMMAND --help`. */
function help([about]: readonly string[], io: PersonIo, others?: OtherCommands): Promise<number> | number {
  if (about !== undefined && !about.startsWith('-')) return personMain([about, '--help'], io, others)
  io.stdout.write(usage(others))
  return 0
}

async function run(name: string, command: PersonCommand, args: readonly string[], io: PersonIo): Promise<number> {
  using _ = stayAlive()
  try {
    return await (await command.load())(args, io)
  } catch (error) {
    if (io.signal.aborted) return 130
    if (!(error instanceof CliFault)) throw error
    say(error, name, io)
    return error.exitCode
  }
}

function usage(others: OtherCommands | undefined): string {
  const width = Math.max(...[...personCommands.keys()].map((name) => name.length))
  const listed = [...personCommands].filter(([, { isAlias }]) => isAlias !== true)
  const lines = (isForPrograms: boolean) =>
    listed
      .filter(([, command]) => (command.isForPrograms === true) === isForPrograms)
      .map(([name, { summary }]) => `  ${name.padEnd(width)}   ${summary}\n`)
      .join('')
  const gateways = others === undefined ? '' : `\nto run a gateway\n${others.text}`
  return `usage: gatehouse COMMAND [ARGUMENT ...]\n\n${lines(false)}\nfor ssh and pods, which run them\n${lines(true)}${gateways}\n${ends}`
}

const ends = `gatehouse COMMAND --help says more. Exit codes: 0 done, 1 refused or failed, 2 not understood, 3 nobody is logged in, 4 not there or not for you,
5 the gateway was not reached, 6 the workspace did not get where it was to be, 130 interrupted.
`

/** What stands behind `--` belongs to somebody else. */
function isHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h')
}

function say({ message, hint, requestId, code }: CliFault, name: string, { stderr }: PersonIo): void {
  stderr.write(`gatehouse ${name}: ${printable(message, 2048)}${code === 'usage' ? '' : ` (${printable(code, 64)})`}\n`)
  if (hint !== undefined) stderr.write(`${printable(hint)}\n`)
  if (requestId !== undefined) stderr.write(`Request ${requestId}\n`)
  if (code === 'usage') stderr.write(`"gatehouse ${name} --help" says how.\n`)
}

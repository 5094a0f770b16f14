/** `gatehouse ssh`: a shell, or one command, in a workspace, by OpenSSH. Somebody who asks for one wants it to run: it is started if it is not. */
import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { workspaceOptions } from '#cli/client/workspace-argument.ts'
import { checkFirst } from '#cli/ssh/checks.ts'
import { runHere } from '#cli/ssh/program.ts'
import { findTarget } from '#cli/ssh/target.ts'
import { wake } from './start.ts'
import { parseWaitLimit, waitOptions } from './wait-options.ts'

const options = {
  ...commonOptions,
  ...workspaceOptions,
  timeout: waitOptions.timeout,
  'no-checks': { type: 'boolean', default: false },
} as const

export async function ssh(args: readonly string[], io: PersonIo): Promise<number> {
  const end = args.indexOf('--')
  const [own, handedOn] = end === -1 ? [args, []] : [args.slice(0, end), args.slice(end + 1)]
  const { values, positionals } = readArguments(own, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const limit = parseWaitLimit(values.timeout)
  const target = await findTarget(io, positionals[0], values)
  if (!values['no-checks']) await checkFirst(io, target.client.deployment, { needsVsCode: false })
  await wake(target.client, io, target.ref, limit)
  return runHere('ssh', ['-F', target.config, target.alias, ...handedOn], io)
}

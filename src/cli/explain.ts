/** `gatehouse explain`: may somebody open a workspace, and why. */

import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { usageFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printFields, printJson, printTable } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { type Explanation, ExplanationSchema } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'

const none: string[] = []

const options = {
  ...commonOptions,
  ...formatOptions,
  ...workspaceOptions,
  user: { type: 'string' },
  group: { type: 'string', multiple: true, default: none },
} as const

/** The exit code says whether they may, as `kubectl auth can-i` does. */
export async function explain(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const format = parseFormat(values.output)
  const { user } = values
  if (user === undefined) throw usageFault('say who: --user NAME')
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, positionals[0], values.namespace)
  const query = new URLSearchParams({ user })
  for (const group of values.group) query.append('group', group)
  const told = await askAbout(ref, () => client.get(`${api.explain(ref)}?${query}`, ExplanationSchema))
  if (format === 'json') printJson(io.stdout, told)
  else print(io, user, told)
  return told.allowed ? 0 : 1
}

function print({ stdout }: PersonIo, user: string, { allowed, grant, reason, checks }: Explanation): void {
  printFields(stdout, [
    [user, allowed ? 'may open it' : 'may not open it'],
    ['by', grant],
    ['because', reason],
  ])
  stdout.write('\n')
  printTable(
    stdout,
    ['CHECK', 'PASSED', 'WHY'],
    checks.map(({ check, passed, detail }) => [check, passed ? 'yes' : 'no', detail]),
  )
}

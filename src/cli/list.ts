/** `gatehouse list`: every workspace that the person may open. */

import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printJson, printTable } from '#cli/client/printing.ts'
import { workspaceOptions } from '#cli/client/workspace-argument.ts'
import { WorkspaceListSchema } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'

export async function list(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, { ...commonOptions, ...formatOptions, ...workspaceOptions })
  takePositionals(positionals, { least: 0, names: [] })
  const format = parseFormat(values.output)
  const client = await openClient(io, values.deployment)
  const { workspaces } = await client.get(api.workspaces, WorkspaceListSchema)
  const wanted = workspaces.filter(({ namespace }) => values.namespace === undefined || values.namespace === namespace)
  if (format === 'json') printJson(io.stdout, wanted)
  else if (wanted.length === 0) io.stderr.write('There is no workspace that you may open.\n')
  else {
    const rows = wanted.map(({ namespace, name, state, owner, grant, url }) => [
      namespace,
      name,
      state,
      owner,
      grant,
      url,
    ])
    printTable(io.stdout, ['NAMESPACE', 'NAME', 'STATE', 'OWNER', 'BY', 'URL'], rows)
  }
  return 0
}

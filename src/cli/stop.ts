/** `gatehouse stop`: stops a workspace, and waits until it has. */

import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printJson } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, fullName, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { WorkspaceSchema, type WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { parseWaitLimit, waitOptions } from './wait-options.ts'
import { type Judgement, waitFor } from './workspace-wait.ts'

export async function stop(args: readonly string[], io: PersonIo): Promise<number> {
  const options = { ...commonOptions, ...formatOptions, ...workspaceOptions, ...waitOptions }
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const format = parseFormat(values.output)
  const limit = parseWaitLimit(values.timeout)
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, positionals[0], values.namespace)
  const asked = await askAbout(ref, () => client.post(api.stop(ref), WorkspaceSchema))
  const isOver = values['no-wait'] || judge(asked) === 'reached'
  const view = isOver ? asked : await waitFor(client, io, { ref, judge, limit, what: 'has stopped' })
  if (format === 'json') printJson(io.stdout, view)
  else io.stderr.write(`${fullName(ref)} is ${view.state === 'Stopped' ? 'stopped' : 'stopping'}.\n`)
  return 0
}

function judge({ state }: WorkspaceView): Judgement {
  return state === 'Stopped' ? 'reached' : 'waiting'
}

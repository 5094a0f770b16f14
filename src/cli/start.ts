/** `gatehouse start`: starts a workspace and waits until it answers, with its steps on standard error and its address on standard output. */

import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printJson, printUrl } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { WorkspaceSchema, type WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { parseWaitLimit, waitOptions } from './wait-options.ts'
import { type Judgement, waitFor } from './workspace-wait.ts'

export async function start(args: readonly string[], io: PersonIo): Promise<number> {
  const options = { ...commonOptions, ...formatOptions, ...workspaceOptions, ...waitOptions }
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const format = parseFormat(values.output)
  const limit = parseWaitLimit(values.timeout)
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, positionals[0], values.namespace)
  const asked = await askAbout(ref, () => client.post(api.start(ref), WorkspaceSchema))
  const isOver = values['no-wait'] || judge(asked) === 'reached'
  const view = isOver ? asked : await waitFor(client, io, { ref, judge, limit, what: 'runs' })
  if (format === 'json') printJson(io.stdout, view)
  else printUrl(io.stdout, view.url)
  return 0
}

/** Running, and whoever opens it now gets an answer. */
function judge({ state, ports }: WorkspaceView): Judgement {
  if (state === 'Running' && ports.every(({ ready }, at) => ready || at > 0)) return 'reached'
  return state === 'Degraded' ? 'failed' : 'waiting'
}

/** `gatehouse start`: starts a workspace and waits until it answers, with its steps on standard error and its address on standard output. */

import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { type Client, openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printJson, printUrl } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, workspaceOptions } from '#cli/client/workspace-argument.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { WorkspaceSchema, type WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
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

/** As asked for by somebody who wants to use it now: one that runs is left alone. Throws `not_reached`, and as the gateway refuses. */
export async function wake(client: Client, io: PersonIo, ref: WorkspaceRef, limit: Milliseconds): Promise<void> {
  const before = await askAbout(ref, () => client.get(api.workspace(ref), WorkspaceSchema))
  if (before.state === 'Running') return
  const asked = await askAbout(ref, () => client.post(api.start(ref), WorkspaceSchema))
  if (judge(asked) !== 'reached') await waitFor(client, io, { ref, judge, limit, what: 'runs' })
}

/** Running, and whoever opens it now gets an answer. */
function judge({ state, ports }: WorkspaceView): Judgement {
  if (state === 'Running' && ports.every(({ ready }, at) => ready || at > 0)) return 'reached'
  return state === 'Degraded' ? 'failed' : 'waiting'
}

/** What `start` and `stop` have in common: a workspace is asked to get somewhere, and waited for. */
import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { type Client, openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { type Format, parseFormat } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, workspaceOptions } from '#cli/client/workspace-argument.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { WorkspaceSchema, type WorkspaceView } from '#surface/messages.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { parseWaitLimit, waitOptions } from './wait-options.ts'
import { type Wait, waitFor } from './workspace-wait.ts'

export interface WorkspaceWish extends Pick<Wait, 'judge' | 'what'> {
  /** Where it is posted. */
  readonly path: (ref: WorkspaceRef) => string
}

export interface Wished {
  readonly ref: WorkspaceRef
  /** As it is now. */
  readonly view: WorkspaceView
  readonly format: Format
}

const options = { ...commonOptions, ...formatOptions, ...workspaceOptions, ...waitOptions }

/** As the arguments of the command say. Throws `usage`, and as {@link fulfil}. */
export async function wishBy(args: readonly string[], io: PersonIo, wish: WorkspaceWish): Promise<Wished> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const format = parseFormat(values.output)
  const limit = parseWaitLimit(values.timeout)
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, positionals[0], values.namespace)
  const view = values['no-wait'] ? await ask(client, ref, wish) : await fulfil(client, io, { ...wish, ref, limit })
  return { ref, view, format }
}

/** Throws `not_reached`, and as the gateway refuses. */
export async function fulfil(
  client: Client,
  io: PersonIo,
  wish: WorkspaceWish & { readonly ref: WorkspaceRef; readonly limit: Milliseconds },
): Promise<WorkspaceView> {
  const asked = await ask(client, wish.ref, wish)
  return wish.judge(asked) === 'reached' ? asked : waitFor(client, io, wish)
}

function ask(client: Client, ref: WorkspaceRef, { path }: WorkspaceWish): Promise<WorkspaceView> {
  return askAbout(ref, () => client.post(path(ref), WorkspaceSchema))
}

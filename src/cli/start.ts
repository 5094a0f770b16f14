/** `gatehouse start`: starts a workspace and waits until it answers, with its steps on standard error and its address on standard output. */
import type { Client } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { printJson, printUrl } from '#cli/client/printing.ts'
import { askAbout } from '#cli/client/workspace-argument.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { WorkspaceSchema, type WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { Judgement } from './workspace-wait.ts'
import { fulfil, type WorkspaceWish, wishBy } from './workspace-wish.ts'

const running: WorkspaceWish = { path: api.start, judge, what: 'runs' }

export async function start(args: readonly string[], io: PersonIo): Promise<number> {
  const { view, format } = await wishBy(args, io, running)
  if (format === 'json') printJson(io.stdout, view)
  else printUrl(io.stdout, view.url)
  return 0
}

/** As asked for by somebody who wants to use it now: one that runs is left alone. Throws `not_reached`, and as the gateway refuses. */
export async function wake(client: Client, io: PersonIo, ref: WorkspaceRef, limit: Milliseconds): Promise<void> {
  const before = await askAbout(ref, () => client.get(api.workspace(ref), WorkspaceSchema))
  if (before.state !== 'Running') await fulfil(client, io, { ...running, ref, limit })
}

/** Running, and whoever opens it now gets an answer. */
function judge({ state, ports }: WorkspaceView): Judgement {
  if (state === 'Running' && ports.every(({ ready }, at) => ready || at > 0)) return 'reached'
  return state === 'Degraded' ? 'failed' : 'waiting'
}

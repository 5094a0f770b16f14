/** `gatehouse stop`: stops a workspace, and waits until it has. */
import type { PersonIo } from '#cli/client/person-io.ts'
import { printJson } from '#cli/client/printing.ts'
import { fullName } from '#cli/client/workspace-argument.ts'
import type { WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import type { Judgement } from './workspace-wait.ts'
import { type WorkspaceWish, wishBy } from './workspace-wish.ts'

const stopped: WorkspaceWish = { path: api.stop, judge, what: 'has stopped' }

export async function stop(args: readonly string[], io: PersonIo): Promise<number> {
  const { ref, view, format } = await wishBy(args, io, stopped)
  if (format === 'json') printJson(io.stdout, view)
  else io.stderr.write(`${fullName(ref)} is ${view.state === 'Stopped' ? 'stopped' : 'stopping'}.\n`)
  return 0
}

function judge({ state }: WorkspaceView): Judgement {
  return state === 'Stopped' ? 'reached' : 'waiting'
}

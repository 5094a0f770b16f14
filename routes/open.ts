/** `/.gatehouse/open/<namespace>/<name>`: where a workspace is started and waited for. Unknown and forbidden are one and the same 404. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { deepLink } from '#surface/deep-link.ts'
import type { WorkspaceView } from '#surface/messages.ts'
import { notFound, type Outcome } from '#surface/problem.ts'
import { openPath } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { type Opening, openPage, progress } from '#ui/pages/open.ts'
import { refuse, sendPage, sendPart } from './answer.ts'
import { type Eventually, queryOf, type RefRoute, refOf, refPattern, wantsPart } from './parameters.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface OpenRoutes {
  /** `undefined`: there is none, or none for this actor. */
  readonly viewWorkspace: (actor: Actor, ref: WorkspaceRef) => Eventually<WorkspaceView | undefined>
  readonly readLogs: (actor: Actor, ref: WorkspaceRef) => Eventually<Outcome<readonly string[]>>
}

export async function openRoutes(app: FastifyInstance, options: OpenRoutes): Promise<void> {
  requireSession(app)

  app.get<RefRoute>(openPath(refPattern), async (request, reply) => {
    const ref = refOf(request)
    const view = ref && (await options.viewWorkspace(actorOf(request), ref))
    const place = placeOf(request)
    const target = view && targetOf(view, place)
    if (!view || !target) return refuse(request, reply, notFound)
    const opening: Opening = { view, place, target, log: await logOf(options, actorOf(request), view) }
    return wantsPart(request) ? sendPart(reply, progress(opening)) : sendPage(request, reply, openPage(opening))
  })
}

function placeOf(request: FastifyRequest): Opening['place'] {
  const query = queryOf(request)
  const port = query.get('port')
  const path = query.get('to')
  return { ...(port === null ? {} : { port: Number(port) }), ...(path === null ? {} : { path }) }
}

/** `undefined` for a port that is not declared, or not for this visitor. */
function targetOf(view: WorkspaceView, place: Opening['place']): Opening['target'] | undefined {
  const port = place.port === undefined ? view.ports[0] : view.ports.find(({ port: number }) => number === place.port)
  if (!port) return undefined
  const isReady = view.state === 'Running' && port.ready
  return { url: deepLink(port.url, place.path), label: port.label === '' ? port.name : port.label, isReady }
}

/** What its output says is looked at where something went wrong. */
async function logOf(options: OpenRoutes, actor: Actor, view: WorkspaceView): Promise<readonly string[] | undefined> {
  if (view.state !== 'Degraded' || !view.can.logs) return undefined
  const outcome = await options.readLogs(actor, view)
  return outcome.ok ? outcome.value : undefined
}

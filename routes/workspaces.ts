/** `/.gatehouse/api/v1/workspaces…`: what the visitor may open, and starting and stopping it. The two also take forms, for pages without scripts. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WorkspaceView } from '#surface/messages.ts'
import { notFound, type Outcome } from '#surface/problem.ts'
import { api, openPath, paths } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { refuse, sendOutcome } from './answer.ts'
import { type Eventually, formOf, type RefRoute, refOf, refPattern } from './parameters.ts'
import { isPageLoad } from './reader.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface WorkspaceRoutes {
  readonly listWorkspaces: (actor: Actor) => Eventually<readonly WorkspaceView[]>
  /** `undefined`: there is none, or none for this actor. */
  readonly viewWorkspace: (actor: Actor, ref: WorkspaceRef) => Eventually<WorkspaceView | undefined>
  readonly startWorkspace: (actor: Actor, ref: WorkspaceRef) => Eventually<Outcome<WorkspaceView>>
  readonly stopWorkspace: (actor: Actor, ref: WorkspaceRef) => Eventually<Outcome<WorkspaceView>>
  /** The last lines of its output. */
  readonly readLogs: (actor: Actor, ref: WorkspaceRef) => Eventually<Outcome<readonly string[]>>
}

export async function workspaceRoutes(app: FastifyInstance, options: WorkspaceRoutes): Promise<void> {
  requireSession(app)

  app.get(api.workspaces, async (request) => ({
    workspaces: await options.listWorkspaces(actorOf(request)),
  }))

  app.get<RefRoute>(api.workspace(refPattern), async (request, reply) => {
    const ref = refOf(request)
    const view = ref && (await options.viewWorkspace(actorOf(request), ref))
    return view ?? refuse(request, reply, notFound)
  })

  app.post<RefRoute>(api.start(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const outcome = await options.startWorkspace(actorOf(request), ref)
    return sendOutcome(request, reply, outcome, (view) =>
      isPageLoad(request.head)
        ? reply.redirect(openPath(ref, wantedPlace(request)), 303)
        : accepted(reply, view, 'Running'),
    )
  })

  app.post<RefRoute>(api.stop(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const outcome = await options.stopWorkspace(actorOf(request), ref)
    return sendOutcome(request, reply, outcome, (view) =>
      isPageLoad(request.head) ? reply.redirect(paths.console, 303) : accepted(reply, view, 'Stopped'),
    )
  })

  app.get<RefRoute>(api.logs(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const outcome = await options.readLogs(actorOf(request), ref)
    return sendOutcome(request, reply, outcome, (lines) => reply.send({ lines }))
  })
}

/** 200: it is so already. 202: it was asked for, and takes a while. */
function accepted(reply: FastifyReply, view: WorkspaceView, wanted: WorkspaceView['state']): FastifyReply {
  return reply.code(view.state === wanted ? 200 : 202).send(view)
}

/** Where the form's page wanted to go, for the page that waits. */
function wantedPlace(request: FastifyRequest): { port?: number; path?: string } {
  const form = formOf(request)
  const path = form.get('to')
  const port = Number(form.get('port') ?? Number.NaN)
  return { ...(Number.isInteger(port) ? { port } : {}), ...(path === null ? {} : { path }) }
}

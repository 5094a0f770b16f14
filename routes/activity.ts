/** `…/activity`: who works in a workspace, and why it is idle or not; `…/keep`: it is kept for an hour. The second takes forms, for pages without scripts. */
import type { FastifyInstance } from 'fastify'
import type { ActivityView } from '#surface/activity-message.ts'
import { notFound, type Outcome } from '#surface/problem.ts'
import { activityPath, api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { activityDialog, activityPage } from '#ui/pages/activity.ts'
import { refuse, sendOutcome, sendPage, sendPart } from './answer.ts'
import { type Eventually, type RefRoute, refOf, refPattern, wantsPart } from './parameters.ts'
import { isPageLoad } from './reader.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface ActivityRoutes {
  readonly readActivity: (actor: Actor, ref: WorkspaceRef) => Eventually<Outcome<ActivityView>>
  readonly keepWorkspace: (actor: Actor, ref: WorkspaceRef) => Eventually<Outcome<ActivityView>>
}

export async function activityRoutes(app: FastifyInstance, options: ActivityRoutes): Promise<void> {
  requireSession(app)

  app.get<RefRoute>(api.activity(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    return sendOutcome(request, reply, await options.readActivity(actorOf(request), ref), (view) => reply.send(view))
  })

  app.post<RefRoute>(api.keep(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    return sendOutcome(request, reply, await options.keepWorkspace(actorOf(request), ref), (view) =>
      isPageLoad(request.head) ? reply.redirect(activityPath(ref), 303) : reply.send(view),
    )
  })

  app.get<RefRoute>(activityPath(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    return sendOutcome(request, reply, await options.readActivity(actorOf(request), ref), (view) =>
      wantsPart(request) ? sendPart(reply, activityDialog(view)) : sendPage(request, reply, activityPage(view)),
    )
  })

  app.post<RefRoute>(activityPath(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const to = wantsPart(request) ? `${activityPath(ref)}?part` : activityPath(ref)
    return sendOutcome(request, reply, await options.keepWorkspace(actorOf(request), ref), () =>
      reply.redirect(to, 303),
    )
  })
}

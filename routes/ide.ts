/** `/.gatehouse/ide/<namespace>/<name>`: the links that open a workspace in a desktop IDE, as a page, or as the content of the console's dialog (`?part`). */
import type { FastifyInstance } from 'fastify'
import type { IdeView } from '#surface/ide-view.ts'
import { notFound, type Outcome } from '#surface/problem.ts'
import { idePath } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { ideDialog, idePage } from '#ui/pages/ide.ts'
import { refuse, sendOutcome, sendPage, sendPart } from './answer.ts'
import { type Eventually, queryOf, type RefRoute, refOf, refPattern, wantsPart } from './parameters.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface IdeRoutes {
  readonly readIdes: (actor: Actor, ref: WorkspaceRef) => Eventually<Outcome<IdeView>>
}

export async function ideRoutes(app: FastifyInstance, options: IdeRoutes): Promise<void> {
  requireSession(app)

  app.get<RefRoute>(idePath(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const wanted = queryOf(request).get('folder') ?? undefined
    return sendOutcome(request, reply, await options.readIdes(actorOf(request), ref), (view) =>
      wantsPart(request)
        ? sendPart(reply, ideDialog({ view, wanted }))
        : sendPage(request, reply, idePage({ view, wanted })),
    )
  })
}

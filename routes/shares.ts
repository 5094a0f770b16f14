/** `…/shares`: who else may open a workspace, for its owner and administrators. */
import type { FastifyInstance } from 'fastify'
import type { Clock } from '#lib/clock.ts'
import type { ShareInput, ShareView } from '#surface/messages.ts'
import { notFound, type Outcome } from '#surface/problem.ts'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { refuse, sendOutcome } from './answer.ts'
import { type Eventually, type RefRoute, refOf, refPattern } from './parameters.ts'
import { parseShareInput } from './share-input.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface ShareRoutes {
  readonly listShares: (actor: Actor, ref: WorkspaceRef) => Eventually<Outcome<readonly ShareView[]>>
  readonly createShare: (actor: Actor, ref: WorkspaceRef, input: ShareInput) => Eventually<Outcome<ShareView>>
  readonly deleteShare: (actor: Actor, ref: WorkspaceRef, name: string) => Eventually<Outcome<unknown>>
  readonly clock: Clock
}

export async function shareRoutes(app: FastifyInstance, options: ShareRoutes): Promise<void> {
  requireSession(app)

  app.get<RefRoute>(api.shares(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const outcome = await options.listShares(actorOf(request), ref)
    return sendOutcome(request, reply, outcome, (shares) => reply.send({ shares }))
  })

  app.post<RefRoute>(api.shares(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const actor = actorOf(request)
    // Who may not share learns that, and nothing of what would be wrong with it.
    const permitted = await options.listShares(actor, ref)
    if (!permitted.ok) return refuse(request, reply, permitted.problem)
    const input = parseShareInput(request.body, options.clock.now())
    const outcome = input.ok ? await options.createShare(actor, ref, input.value) : input
    return sendOutcome(request, reply, outcome, (share) =>
      reply.code(201).header('location', api.share(ref, share.name)).send(share),
    )
  })

  app.delete<{ Params: RefRoute['Params'] & { share: string } }>(
    api.share(refPattern, ':share'),
    async (request, reply) => {
      const ref = refOf(request)
      if (!ref) return refuse(request, reply, notFound)
      const outcome = await options.deleteShare(actorOf(request), ref, request.params.share)
      return sendOutcome(request, reply, outcome, () => reply.code(204).send())
    },
  )
}

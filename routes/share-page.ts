/** `/.gatehouse/share/<namespace>/<name>`: sharing by forms, as a page, or as the content of the console's dialog (`?part`). */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WorkspaceView } from '#surface/messages.ts'
import { notFound, type Problem } from '#surface/problem.ts'
import { revokePath, sharePath } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { type Sharing, sharingDialog, sharingPage } from '#ui/pages/share.ts'
import { refuse, sendOutcome, sendPage, sendPart } from './answer.ts'
import { type ExplainRoutes, subjectOf } from './explain.ts'
import { type Eventually, formOf, queryOf, type RefRoute, refOf, refPattern, wantsPart } from './parameters.ts'
import { parseShareInput, shareBodyOf } from './share-input.ts'
import type { ShareRoutes } from './shares.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface SharePageRoutes extends ShareRoutes, ExplainRoutes {
  readonly viewWorkspace: (actor: Actor, ref: WorkspaceRef) => Eventually<WorkspaceView | undefined>
}

export async function sharePageRoutes(app: FastifyInstance, options: SharePageRoutes): Promise<void> {
  requireSession(app)

  app.get<RefRoute>(sharePath(refPattern), async (request, reply) =>
    sendSharing(options, request, reply, await answerIn(options, request)),
  )

  app.post<RefRoute>(sharePath(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const now = options.clock.now()
    const input = parseShareInput(shareBodyOf(formOf(request), now), now)
    const outcome = input.ok ? await options.createShare(actorOf(request), ref, input.value) : input
    return outcome.ok ? backTo(request, reply, ref) : sendAttempt(options, request, reply, outcome.problem)
  })

  app.post<RefRoute>(revokePath(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const outcome = await options.deleteShare(actorOf(request), ref, formOf(request).get('share') ?? '')
    return sendOutcome(request, reply, outcome, () => backTo(request, reply, ref))
  })
}

/** What was wrong is for who may share; others learn only that they may not. */
function sendAttempt(
  options: SharePageRoutes,
  request: FastifyRequest<RefRoute>,
  reply: FastifyReply,
  problem: Problem,
): FastifyReply | Promise<FastifyReply> {
  if (problem.status === 404 || problem.status === 403) return refuse(request, reply, problem)
  return sendSharing(options, request, reply.code(problem.status), { attempt: { form: formOf(request), problem } })
}

async function sendSharing(
  options: SharePageRoutes,
  request: FastifyRequest<RefRoute>,
  reply: FastifyReply,
  more: Pick<Sharing, 'attempt' | 'answer'>,
): Promise<FastifyReply> {
  const ref = refOf(request)
  const view = ref && (await options.viewWorkspace(actorOf(request), ref))
  if (!view) return refuse(request, reply, notFound)
  const shares = await options.listShares(actorOf(request), view)
  return sendOutcome(request, reply, shares, (list) => {
    const sharing = { view, shares: list, ...more }
    return wantsPart(request) ? sendPart(reply, sharingDialog(sharing)) : sendPage(request, reply, sharingPage(sharing))
  })
}

async function answerIn(
  { explain }: SharePageRoutes,
  request: FastifyRequest<RefRoute>,
): Promise<Pick<Sharing, 'answer'>> {
  const ref = refOf(request)
  const subject = subjectOf(queryOf(request))
  if (!ref || !subject) return {}
  const outcome = await explain(actorOf(request), ref, subject)
  return outcome.ok ? { answer: { user: subject.user, explanation: outcome.value } } : {}
}

function backTo(request: FastifyRequest, reply: FastifyReply, ref: WorkspaceRef): FastifyReply {
  return reply.redirect(wantsPart(request) ? `${sharePath(ref)}?part` : sharePath(ref), 303)
}

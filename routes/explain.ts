/** `…/explain?user=bob&group=ds`: may somebody open a workspace, and why. */
import type { FastifyInstance } from 'fastify'
import type { Explanation } from '#surface/messages.ts'
import { notFound, type Outcome, problem } from '#surface/problem.ts'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { refuse, sendOutcome } from './answer.ts'
import { type Eventually, queryOf, type RefRoute, refOf, refPattern } from './parameters.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface ExplainRoutes {
  readonly explain: (actor: Actor, ref: WorkspaceRef, subject: Subject) => Eventually<Outcome<Explanation>>
}

export interface Subject {
  readonly user: string
  readonly groups?: readonly string[]
}

export async function explainRoutes(app: FastifyInstance, options: ExplainRoutes): Promise<void> {
  requireSession(app)

  app.get<RefRoute>(api.explain(refPattern), async (request, reply) => {
    const ref = refOf(request)
    if (!ref) return refuse(request, reply, notFound)
    const subject = subjectOf(queryOf(request))
    if (!subject) return refuse(request, reply, problem('bad_request', 400, 'Name somebody: ?user=… and &group=…'))
    const outcome = await options.explain(actorOf(request), ref, subject)
    return sendOutcome(request, reply, outcome, (explanation) => reply.send(explanation))
  })
}

/** `undefined` when nobody is named. */
export function subjectOf(query: URLSearchParams): Subject | undefined {
  const user = query.get('user') ?? ''
  const groups = query.getAll('group').filter((group) => group !== '')
  if (user === '') return undefined
  return groups.length > 0 ? { user, groups } : { user }
}

/** `/.gatehouse/api/v1/sessions`: the visitor's logins, and ending one; by a form as well, for the page that lists them. */
import type { FastifyInstance } from 'fastify'
import type { SessionView } from '#surface/messages.ts'
import type { Outcome } from '#surface/problem.ts'
import { api, paths } from '#surface/urls.ts'
import { sendOutcome } from './answer.ts'
import { type Eventually, formOf } from './parameters.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface SessionRoutes {
  readonly listSessions: (actor: Actor) => Eventually<readonly SessionView[]>
  /** Not found: there is none, or it is somebody else's. */
  readonly endSession: (actor: Actor, name: string) => Eventually<Outcome<unknown>>
}

export async function sessionRoutes(app: FastifyInstance, options: SessionRoutes): Promise<void> {
  requireSession(app)

  app.get(api.sessions, async (request) => ({ sessions: await options.listSessions(actorOf(request)) }))

  app.delete<{ Params: { session: string } }>(api.session(':session'), async (request, reply) => {
    const outcome = await options.endSession(actorOf(request), request.params.session)
    return sendOutcome(request, reply, outcome, () => reply.code(204).send())
  })

  app.post(paths.sessionEnd, async (request, reply) => {
    const outcome = await options.endSession(actorOf(request), formOf(request).get('session') ?? '')
    return sendOutcome(request, reply, outcome, () => reply.redirect(paths.whoami, 303))
  })
}

/** `/.gatehouse/handover`: a workspace's host sends a browser here that it does not know, to be sent back with a ticket. */
import type { FastifyInstance } from 'fastify'
import { problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { refuse } from './answer.ts'
import { queryOf } from './parameters.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface HandoverRoutes {
  /** Where the ticket is accepted; `undefined` for parameters that are not of our making. */
  readonly handover: (actor: Actor, params: HandoverParams) => string | undefined
}

export interface HandoverParams {
  /** The workspace's URL. */
  readonly to: string
  /** SHA-256 of the nonce that this browser got at the workspace's host. */
  readonly nonce: string
  readonly cookieHeader: string | undefined
}

export async function handoverRoutes(app: FastifyInstance, options: HandoverRoutes): Promise<void> {
  requireSession(app)

  app.get(paths.handover, { exposeHeadRoute: false }, async (request, reply) => {
    const query = queryOf(request)
    const params = { to: query.get('to') ?? '', nonce: query.get('nonce') ?? '', cookieHeader: request.head.cookie }
    const location = options.handover(actorOf(request), params)
    if (location === undefined) return refuse(request, reply, problem('bad_request', 400))
    return reply.redirect(location, 303)
  })
}

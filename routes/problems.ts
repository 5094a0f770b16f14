/** `/.gatehouse/api/v1/problems`: manifests that can't be used, for those whom it concerns. */
import type { FastifyInstance } from 'fastify'
import type { ManifestProblem } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface ProblemRoutes {
  /** None for those whom it does not concern. */
  readonly manifestProblems: (actor: Actor) => readonly ManifestProblem[]
}

export async function problemRoutes(app: FastifyInstance, options: ProblemRoutes): Promise<void> {
  requireSession(app)
  app.get(api.problems, async (request) => ({ problems: options.manifestProblems(actorOf(request)) }))
}

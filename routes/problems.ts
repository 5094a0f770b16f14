/** `/.gatehouse/api/v1/problems`: manifests that can't be used and policies that are missing, for those whom it concerns. */
import type { FastifyInstance } from 'fastify'
import type { ManifestProblem, MissingPolicy } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface ProblemRoutes {
  /** None for those whom it does not concern. */
  readonly manifestProblems: (actor: Actor) => readonly ManifestProblem[]
  /** None for those whom it does not concern. */
  readonly missingPolicies: (actor: Actor) => readonly MissingPolicy[]
}

export async function problemRoutes(app: FastifyInstance, options: ProblemRoutes): Promise<void> {
  requireSession(app)
  app.get(api.problems, async (request) => {
    const actor = actorOf(request)
    return { problems: options.manifestProblems(actor), missingPolicies: options.missingPolicies(actor) }
  })
}

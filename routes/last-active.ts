/** `/.gatehouse/last-active`: when a workspace was last active, for its own pod, by the pod's token. */
import type { FastifyInstance } from 'fastify'
import type { LastActiveView } from '#surface/activity-message.ts'
import type { Outcome } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { sendOutcome } from './answer.ts'
import type { Eventually } from './parameters.ts'

export interface LastActiveRoutes {
  readonly tellLastActive: (
    token: string | undefined,
    by: { readonly requestId: string; readonly client: string },
  ) => Eventually<Outcome<LastActiveView>>
}

const bearer = /^bearer +(\S+)$/i

export async function lastActiveRoutes(app: FastifyInstance, { tellLastActive }: LastActiveRoutes): Promise<void> {
  app.get(paths.lastActive, async (request, reply) => {
    const token = bearer.exec(request.head.authorization ?? '')?.[1]
    const outcome = await tellLastActive(token, { requestId: request.id, client: request.client })
    return sendOutcome(request, reply, outcome, (view) => reply.header('cache-control', 'no-store').send(view))
  })
}

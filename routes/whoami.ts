/** Who the visitor is here: a page with his sessions, and the same as JSON. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '#identity/session.ts'
import type { SessionView, WhoamiView } from '#surface/messages.ts'
import { api, paths } from '#surface/urls.ts'
import { whoamiPage } from '#ui/pages/whoami.ts'
import { sendPage } from './answer.ts'
import type { Eventually } from './parameters.ts'
import { wantsPage } from './reader.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface WhoamiRoutes {
  readonly listSessions: (actor: Actor) => Eventually<readonly SessionView[]>
}

export async function whoamiRoutes(app: FastifyInstance, options: WhoamiRoutes): Promise<void> {
  requireSession(app)
  const answer = async (request: FastifyRequest, reply: FastifyReply) => {
    const actor = actorOf(request)
    const view = whoamiOf(actor.session)
    reply.header('vary', 'Accept, Sec-Fetch-Mode')
    if (!wantsPage(request.head)) return reply.send(view)
    return sendPage(request, reply, whoamiPage(view, await options.listSessions(actor)))
  }
  app.get(paths.whoami, answer)
  app.get(api.whoami, answer)
}

function whoamiOf(session: Session): WhoamiView {
  const { identity, issuer, subject, name, kind } = session
  return {
    kind: identity.kind,
    username: identity.username,
    uid: identity.uid,
    groups: identity.groups,
    issuer,
    subject,
    session: {
      name,
      kind,
      createdAt: new Date(session.createdAt).toISOString(),
      expiresAt: new Date(session.expiresAt).toISOString(),
      notAfter: new Date(session.notAfter).toISOString(),
    },
  }
}

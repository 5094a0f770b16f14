/** Who sends a request, known before any handler runs; and the two ways of insisting on a session. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '#errors.ts'
import { isNavigation } from '#http/fetch-metadata.ts'
import type { RequestHead } from '#http/request-head.ts'
import type { Authentication } from '#identity/authentication.ts'
import type { Session } from '#identity/session.ts'
import { problem } from '#surface/problem.ts'
import { loginPath } from '#surface/urls.ts'
import { refuse } from './answer.ts'

declare module 'fastify' {
  interface FastifyRequest {
    head: RequestHead
    visitor: Authentication
    /** The client's address, through trusted hops only. */
    client: string
  }
}

/** An authenticated visitor, and the request he asks with. */
export interface Actor {
  readonly session: Session
  readonly requestId: string
  /** The client's address, through trusted hops only. */
  readonly address: string
}

/** The actor, behind {@link requireSession}. Throws `unauthorized` elsewhere. */
export function actorOf(request: FastifyRequest): Actor {
  const actor = actorIfAny(request)
  if (!actor) throw new GatewayError('unauthorized', 'Nobody is logged in.')
  return actor
}

export function actorIfAny(request: FastifyRequest): Actor | undefined {
  if (request.visitor.kind !== 'session') return undefined
  return { session: request.visitor.session, requestId: request.id, address: request.client }
}

/**
 * From here on every route of this plugin needs a session. Without one a navigation is sent to the login and back; everything else gets
 * 401, never a redirect, which a script would follow into a page of the issuer.
 */
export function requireSession(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.visitor.kind !== 'session') return turnAway(request, reply)
  })
}

function turnAway(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (request.visitor.kind === 'unavailable') {
    return refuse(request, reply.header('retry-after', '2'), problem('store_unavailable', 503))
  }
  if (isNavigation(request.method, request.head)) return reply.redirect(loginPath({ to: request.raw.url ?? '/' }), 302)
  return refuse(request, reply.header('www-authenticate', 'Bearer'), problem('unauthorized', 401))
}

/** Logging out: by a form of ours, confirmed where somebody else's link led there, and by the issuer behind the browser's back. */
import type { FastifyInstance } from 'fastify'
import type { BackChannelLogout } from '#identity/back-channel-logout.ts'
import { type Problem, problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { confirmLogoutPage, loggedOutPage } from '#ui/pages/login.ts'
import { refuse, sendPage } from './answer.ts'
import { formOf } from './parameters.ts'
import type { RequestOrigin } from './server.ts'
import { type Actor, actorIfAny } from './visitor.ts'

export interface LogoutRoutes {
  /** Ends the session here. `location`: where the issuer ends its own; `undefined` where that can't be. */
  readonly logOut: (actor: Actor) => Promise<LogoutResult>
  readonly receiveLogoutToken: (token: string, origin: RequestOrigin) => Promise<BackChannelLogout>
}

export interface LogoutResult {
  readonly location: string | undefined
  readonly setCookies: readonly string[]
}

export async function logoutRoutes(app: FastifyInstance, options: LogoutRoutes): Promise<void> {
  // A link, an image or a redirect of somebody else can ask by GET, so that only asks back.
  app.get(paths.logout, async (request, reply) => {
    const actor = actorIfAny(request)
    if (!actor) return reply.redirect(paths.loggedOut, 303)
    return sendPage(request, reply, confirmLogoutPage(actor.session.identity.username))
  })

  app.post(paths.logout, async (request, reply) => {
    if (request.visitor.kind === 'unavailable') return refuse(request, reply, problem('store_unavailable', 503))
    const actor = actorIfAny(request)
    if (!actor) return reply.redirect(paths.loggedOut, 303)
    const { location, setCookies } = await options.logOut(actor)
    return reply.header('set-cookie', [...setCookies]).redirect(location ?? paths.loggedOut, 303)
  })

  app.get(paths.loggedOut, async (request, reply) => sendPage(request, reply, loggedOutPage))

  app.post(paths.backchannelLogout, async (request, reply) => {
    const token = formOf(request).get('logout_token') ?? ''
    const outcome = await options.receiveLogoutToken(token, { requestId: request.id, client: request.client })
    if (outcome.kind === 'ended') return reply.code(200).send()
    if (outcome.kind === 'refused') return refuse(request, reply, tokenRefused)
    return refuse(request, reply.header('retry-after', '5'), problem('store_unavailable', 503))
  })
}

/** The reason stands in the log; whoever sent a forged one learns nothing from it. */
const tokenRefused: Problem = { code: 'invalid_request', status: 400, title: 'This logout token is not accepted.' }

/** Logging in a command line: the page where a person agrees, and the exchange of the code for its secret. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { CliExchange } from '#identity/cli-code.ts'
import type { CliConsent, CliGrant } from '#identity/cli-login.ts'
import type { Session } from '#identity/session.ts'
import { checkerOf } from '#lib/schema.ts'
import { type CliRenewal, type CliToken, CliTokenRequestSchema } from '#surface/messages.ts'
import { type Problem, problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { cliCodePage, cliConsentPage, cliDeclinedPage } from '#ui/pages/login.ts'
import { refuse, sendPage } from './answer.ts'
import { sendStart } from './login.ts'
import { formOf, queryOf } from './parameters.ts'
import type { RequestOrigin } from './server.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface CliRoutes {
  readonly startConsent: (query: URLSearchParams, actor: Actor) => CliConsent
  readonly grant: (form: string, actor: Actor, cookieHeader: string | undefined) => Promise<CliGrant>
  /** Back to the command line; `undefined` for a form that is not theirs. */
  readonly deny: (form: string, actor: Actor) => string | undefined
  readonly exchange: (
    request: { readonly code: string; readonly verifier: string },
    origin: RequestOrigin,
  ) => Promise<CliExchange>
  /** The session as it is afterwards; `undefined` when it is over. */
  readonly renew: (actor: Actor) => Promise<Session | undefined>
}

export async function cliRoutes(app: FastifyInstance, options: CliRoutes): Promise<void> {
  await app.register(consentRoutes, options)
  await app.register(renewalRoutes, options)
  const check = checkerOf(CliTokenRequestSchema)

  // It has no session yet: the code and the verifier are its word.
  app.post(paths.cliToken, async (request, reply) => {
    const { body } = request
    const checked = check(body instanceof URLSearchParams ? Object.fromEntries(body) : (body ?? null))
    if (!checked.ok) return refuse(request, reply, problem('bad_request', 400))
    const exchange = await options.exchange(checked.value, { requestId: request.id, client: request.client })
    if (exchange.kind === 'refused') return refuse(request, reply, invalidGrant)
    return reply.send(tokenOf(exchange))
  })
}

/** Which of the reasons it was, stands in the log. */
const invalidGrant: Problem = { code: 'invalid_grant', status: 400, title: 'This code is not good, or no longer.' }

function tokenOf({ secret, session }: Extract<CliExchange, { kind: 'ok' }>): CliToken {
  return {
    secret: secret.reveal(),
    username: session.identity.username,
    session: session.name,
    expiresAt: new Date(session.expiresAt).toISOString(),
    notAfter: new Date(session.notAfter).toISOString(),
  }
}

async function renewalRoutes(app: FastifyInstance, options: CliRoutes): Promise<void> {
  requireSession(app)

  app.post(paths.cliRenew, async (request, reply) => {
    const actor = actorOf(request)
    if (actor.session.kind !== 'cli') return refuse(request, reply, problem('forbidden', 403))
    const session = await options.renew(actor)
    if (!session) return refuse(request, reply.header('www-authenticate', 'Bearer'), problem('unauthorized', 401))
    const { expiresAt, notAfter } = session
    const renewal: CliRenewal = {
      expiresAt: new Date(expiresAt).toISOString(),
      notAfter: new Date(notAfter).toISOString(),
    }
    return reply.send(renewal)
  })
}

async function consentRoutes(app: FastifyInstance, options: CliRoutes): Promise<void> {
  requireSession(app)

  app.get(paths.cliAuthorize, { exposeHeadRoute: false }, async (request, reply) => {
    const actor = actorOf(request)
    const consent = options.startConsent(queryOf(request), actor)
    if (consent.kind === 'refused') return refuse(request, reply, badRequest(consent.reason))
    return sendPage(request, reply, cliConsentPage({ ...consent, username: actor.session.identity.username }))
  })

  app.get(paths.cliCode, { exposeHeadRoute: false }, async (request, reply) => {
    const code = queryOf(request).get('code') ?? ''
    return sendPage(request, reply, codeForm.test(code) ? cliCodePage(code) : cliDeclinedPage)
  })

  app.post(paths.cliAuthorize, async (request, reply) => {
    const form = formOf(request).get('form') ?? ''
    if (formOf(request).get('decision') !== 'allow')
      return sendDenial(request, reply, options.deny(form, actorOf(request)))
    const grant = await options.grant(form, actorOf(request), request.head.cookie)
    if (grant.kind === 'refused') return refuse(request, reply, staleConsent)
    return sendStart(request, reply, grant.start, paths.console)
  })
}

/** What {@link CliConsent} leads to where the command line has no listener that a browser could reach. */
const codeForm = /^[A-Za-z0-9\-._~]{1,2048}$/

function sendDenial(request: FastifyRequest, reply: FastifyReply, location: string | undefined): FastifyReply {
  return location === undefined ? refuse(request, reply, staleConsent) : reply.redirect(location, 303)
}

const staleConsent: Problem = {
  code: 'consent_invalid',
  status: 400,
  title: 'This question is too old, or was put to somebody else.',
  detail: 'Run the command again.',
}

function badRequest(reason: string): Problem {
  return { code: reason, status: 400, title: 'The command line asked in a way that is not understood here.' }
}

/** `/.gatehouse/login` and the issuers' way back to us. Only a navigation ever begins or ends a login. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isNavigation } from '#http/fetch-metadata.ts'
import type { LoginFinish, LoginRequest, LoginStart } from '#identity/login.ts'
import type { LoginFault } from '#identity/login-fault.ts'
import type { ReturnTo } from '#identity/return-to.ts'
import { type Problem, problem, titleOf } from '#surface/problem.ts'
import { loginPath, paths } from '#surface/urls.ts'
import { chooseIssuerPage, issuerAwayPage } from '#ui/pages/login.ts'
import { refuse, sendPage } from './answer.ts'
import { queryOf } from './parameters.ts'
import { type Actor, actorIfAny } from './visitor.ts'

export interface LoginRoutes {
  /** `undefined` for everything that is not plainly a place of ours. */
  readonly parseReturnTo: (raw: string) => ReturnTo | undefined
  readonly startLogin: (request: LoginRequest) => Promise<LoginStart>
  /** Finishes the login and makes a session of it. */
  readonly finishLogin: (query: URLSearchParams, browser: Browser) => Promise<LoginCompletion>
}

/** Who comes back from the issuer. */
export interface Browser {
  readonly cookieHeader: string | undefined
  readonly userAgent: string
  readonly requestId: string
  readonly address: string
  /** The session that the browser had before. */
  readonly previous: Actor | undefined
}

export type LoginCompletion =
  | { readonly kind: 'done'; readonly location: string; readonly setCookies: readonly string[] }
  | Exclude<LoginFinish, { kind: 'ok' }>

const retryAfter = 5

export async function loginRoutes(app: FastifyInstance, options: LoginRoutes): Promise<void> {
  app.addHook('onRequest', async (request, reply) => {
    if (!isNavigation(request.method, request.head)) return refuse(request, reply, problem('unauthorized', 401))
  })

  app.get(paths.login, { exposeHeadRoute: false }, async (request, reply) => {
    const query = queryOf(request)
    const returnTo = options.parseReturnTo(query.get('to') ?? '/') ?? options.parseReturnTo('/')
    if (returnTo === undefined) return refuse(request, reply, problem('bad_request', 400))
    const issuer = query.get('issuer') ?? undefined
    const start = await options.startLogin({ issuer, returnTo, cookieHeader: request.head.cookie })
    return sendStart(request, reply, start, returnTo)
  })

  app.get(paths.callback, { exposeHeadRoute: false }, async (request, reply) => {
    const { cookie: cookieHeader, userAgent = '' } = request.head
    const previous = actorIfAny(request)
    const browser = { cookieHeader, userAgent, requestId: request.id, address: request.client, previous }
    return sendCompletion(request, reply, await options.finishLogin(queryOf(request), browser))
  })
}

/** Off to the issuer, or the page that says why not yet. */
export function sendStart(request: FastifyRequest, reply: FastifyReply, start: LoginStart, to: string): FastifyReply {
  switch (start.kind) {
    case 'redirect':
      return setCookies(reply, start.setCookies).redirect(start.location, request.method === 'GET' ? 302 : 303)
    case 'choose':
      return sendPage(request, reply, chooseIssuerPage(start.issuers, to))
    case 'unavailable':
      return sendAway(request, reply, loginPath({ issuer: start.issuer, to }))
  }
}

function sendCompletion(request: FastifyRequest, reply: FastifyReply, completion: LoginCompletion): FastifyReply {
  switch (completion.kind) {
    case 'done':
      return setCookies(reply, completion.setCookies).redirect(completion.location, 303)
    case 'restarted':
      return sendStart(request, reply, completion.start, paths.console)
    case 'unavailable': {
      const retryAt = loginPath({ issuer: completion.issuer, to: completion.returnTo })
      setCookies(reply, completion.setCookies)
      if (completion.away === 'issuer') return sendAway(request, reply, retryAt)
      reply.header('retry-after', String(retryAfter))
      return refuse(request, reply, problem('store_unavailable', 503), { retryAt })
    }
    case 'refused': {
      const retryAt = loginPath({ to: completion.returnTo })
      return refuse(request, setCookies(reply, completion.setCookies), problemOfFault(completion.reason), { retryAt })
    }
  }
}

function sendAway(request: FastifyRequest, reply: FastifyReply, retryAt: string): FastifyReply {
  reply.code(503).header('retry-after', String(retryAfter))
  return sendPage(request, reply, issuerAwayPage({ after: retryAfter, to: retryAt }, request.id))
}

function setCookies(reply: FastifyReply, values: readonly string[]): FastifyReply {
  return values.length > 0 ? reply.header('set-cookie', [...values]) : reply
}

/** Faults that the person can do something about; of all others the page says only that it failed, and the log why. */
const advice = new Map<LoginFault, readonly [status: number, title: string, detail: string]>([
  [
    'cookies_refused',
    [400, 'Your browser does not keep the cookie of this login.', 'Allow cookies for this address, then try again.'],
  ],
  ['state_missing', [400, titleOf('login_invalid'), 'This address is only for the way back from a login.']],
  ['state_foreign', [400, titleOf('login_invalid'), 'It was not begun here, or long ago. Please begin again.']],
  ['state_replayed', [400, 'This login was completed already.', 'Please begin again if you are not logged in.']],
  ['provider_error', [400, 'The login service refused the login.', 'You may have cancelled it there.']],
  ['code_refused', [400, titleOf('login_invalid'), 'It took too long, or was used before. Please begin again.']],
  [
    'another_person',
    [400, 'Somebody else has logged in than the one who agreed.', 'The command line is not logged in. Run it again.'],
  ],
  ['locked', [403, 'You cannot log in here.', 'An administrator has locked this account.']],
  [
    'username_taken',
    [403, 'Your user name belongs to another account here.', 'An administrator has to say whose it is.'],
  ],
  ['email_unverified', [403, 'Your email address is not confirmed at the login service.', 'Confirm it there first.']],
])

export function problemOfFault(reason: LoginFault): Problem {
  const [status, title, detail] = advice.get(reason) ?? [400, titleOf('login_invalid'), 'Please begin again.']
  return { code: `login_${reason}`, status, title, detail }
}

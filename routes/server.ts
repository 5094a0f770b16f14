/**
 * Gatehouse's own surface: pages and API on `<domain>`. This file owns what holds for every route: who asks, whether the request may speak
 * for them, the header fields of every answer, and how refusals look. It never listens; the gateway hands it the requests that are for it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type HTTPMethods,
} from 'fastify'
import { GatewayError } from '#errors.ts'
import { judgeOrigin } from '#http/fetch-metadata.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import { type RequestHead, readRequestHead } from '#http/request-head.ts'
import type { Authentication } from '#identity/authentication.ts'
import type { Session } from '#identity/session.ts'
import { notFound, type Problem, problem, problemOfError } from '#surface/problem.ts'
import { loginPath, paths } from '#surface/urls.ts'
import type { Assets } from '#ui/assets.ts'
import { answerFields } from '#ui/policy.ts'
import { refuse } from './answer.ts'
import { continueWhenWanted, tooLarge } from './continue.ts'

export interface SurfaceOptions {
  readonly externalScheme: 'http' | 'https'
  /** `https://<domain>`, with the port where it is not the scheme's own. */
  readonly ownOrigin: string
  /** Origins of the issuers: a posted logout is redirected there. */
  readonly formTargets: readonly string[]
  readonly assets: Assets
  /** Of one body; 64 KiB. */
  readonly bodyBytes?: number
  readonly authenticate: (head: RequestHead) => Promise<Authentication>
  /** A request from a page of another origin was refused; for the audit trail. `session`: in whose name it was made. */
  readonly onForeign: (refusal: string, about: RequestOrigin, session: Session | undefined) => void
  /** A fault of ours, not of the request; for the log. */
  readonly onFault: (error: unknown, requestId: string) => void
}

export interface RequestOrigin {
  readonly requestId: string
  /** The client's address, through trusted hops only. */
  readonly client: string
}

export interface Surface {
  readonly app: FastifyInstance
  /** Answers one request. Ready when the promise of {@link createSurface} is. `expectsContinue`: its client waits for `100 Continue`. */
  handle(request: ClientRequest, response: ClientResponse, origin: RequestOrigin, expectsContinue?: boolean): void
  [Symbol.asyncDispose](): Promise<void>
}

const defaultBodyBytes = 64 * 1024
/** Kubernetes names are at most 253 characters. */
const maxParamLength = 253

/** `register` adds the routes; whatever it throws comes out here, at start. */
export async function createSurface(
  options: SurfaceOptions,
  register: (app: FastifyInstance) => Promise<void> | void,
): Promise<Surface> {
  const origins = new WeakMap<ClientRequest, RequestOrigin>()
  const fields = answerFields(options.externalScheme)
  const bodyLimit = options.bodyBytes ?? defaultBodyBytes
  const app = fastify({
    logger: false,
    bodyLimit,
    routerOptions: { maxParamLength },
    rewriteUrl: ({ url = '/' }) => originForm(url),
    genReqId: (raw) => origins.get(raw)?.requestId ?? 'none',
    frameworkErrors(_error, request, reply) {
      prepare(request, reply, fields)
      return refuse(request, reply, problem('bad_request', 400))
    },
  })
  app.decorate('surface', options)
  for (const name of ['head', 'visitor', 'client']) app.decorateRequest(name)
  app.addHook('onRequest', async (request, reply) => {
    request.client = origins.get(request.raw)?.client ?? ''
    const known = prepare(request, reply, fields)
    if (!known) return refuse(request, reply, problem('bad_request', 400))
    if (isEscaped(request.raw.url ?? '')) return refuse(request, reply, notFound)
    request.visitor = await options.authenticate(request.head)
    return refuseForeign(options, request, reply)
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const told = problemOf(error)
    if (told.status >= 500) options.onFault(error, request.id)
    if (told.status === 503) reply.header('retry-after', retryAfter)
    // The code in the address of a callback is used up by then.
    const isCallback = request.routeOptions.url === paths.callback
    return refuse(request, reply, told, isCallback ? { retryAt: loginPath({}) } : {})
  })
  app.setNotFoundHandler((request, reply) => refuse(request, reply, notFound))
  readForms(app)
  const continuations = continueWhenWanted(app, bodyLimit)
  await app.register(async (routes) => {
    const known = methodsByUrl(routes)
    await register(routes)
    await routes.after()
    refuseOtherMethods(routes, new Map(known))
  })
  await app.ready()
  return {
    app,
    handle(request, response, origin, expectsContinue = false) {
      origins.set(request, origin)
      if (expectsContinue) continuations.expect(request, response)
      // Its types know one version of HTTP for each instance; it serves the messages of both.
      app.routing(request as IncomingMessage, response as ServerResponse)
    },
    [Symbol.asyncDispose]: () => app.close(),
  }
}

/** Seconds until somebody comes again to a store that does not answer. */
const retryAfter = 5

/** In place of a head that can't be read: its sender gets the plainest form of refusal. */
const unreadable = readRequestHead(['Host', 'unreadable'], { httpVersion: '1.1' })

/** Reads the head and gives the answer its fields; `false` for a head that can't be read. */
function prepare(request: FastifyRequest, reply: FastifyReply, fields: Readonly<Record<string, string>>): boolean {
  reply.headers({ ...fields, 'x-request-id': request.id })
  // Whatever fails from here on has to be answered in some form.
  if (unreadable.kind === 'head') request.head = unreadable
  const { rawHeaders, httpVersion } = request.raw
  const head = readRequestHead(rawHeaders, { httpVersion })
  if (head.kind === 'head') request.head = head
  return head.kind === 'head'
}

/** RFC 9112 section 3.2.2: a target may be a whole URL. The gateway has seen to it that it names this host. */
function originForm(target: string): string {
  const start = /^https?:\/\/[^/?#]*/.exec(target)?.[0].length ?? 0
  const rest = target.slice(start)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Nothing here has a name that needs escapes, so that with one it would only be another spelling of what has one already. */
function isEscaped(target: string): boolean {
  const percent = target.indexOf('%')
  const query = target.indexOf('?')
  return percent >= 0 && (query < 0 || percent < query)
}

function refuseForeign(
  options: SurfaceOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | undefined {
  const { head, visitor } = request
  const verdict = judgeOrigin({
    method: request.method,
    isUpgrade: false,
    authenticatedBy: visitor.kind === 'session' ? visitor.via : 'none',
    head,
    ownOrigin: options.ownOrigin,
  })
  if (verdict === 'allowed') return undefined
  const session = visitor.kind === 'session' ? visitor.session : undefined
  options.onForeign(verdict.refused, { requestId: request.id, client: request.client }, session)
  return refuse(request, reply, crossOrigin)
}

const crossOrigin: Problem = {
  code: 'cross_origin',
  status: 403,
  title: 'A page of another origin asked for this. It was not done.',
}

/** A fault as a problem; of what was not written for the sender, nothing is told. */
function problemOf(error: FastifyError): Problem {
  if (error instanceof GatewayError) return problemOfError(error)
  switch (error.statusCode) {
    case 413:
      return tooLarge
    case 415:
      return { code: 'unsupported_media_type', status: 415, title: 'This media type is not accepted here.' }
    case 400:
      return problem('bad_request', 400)
    default:
      return problem('internal', 500)
  }
}

/** Bodies are JSON or forms. Text is not read: any page may send it without being asked first (Fetch, "CORS-safelisted request-header"). */
function readForms(app: FastifyInstance): void {
  app.removeContentTypeParser('text/plain')
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, new URLSearchParams(String(body)))
  })
}

const methods: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Notes the methods of every route from here on. */
function methodsByUrl(app: FastifyInstance): ReadonlyMap<string, ReadonlySet<string>> {
  const known = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ method, url }) => {
    const set = known.get(url) ?? new Set<string>()
    for (const one of [method].flat()) set.add(one)
    known.set(url, set)
  })
  return known
}

/** What is there, but not by this method, is a 405 that names those which are (RFC 9110 section 15.5.6). */
function refuseOtherMethods(app: FastifyInstance, routes: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, known] of [...routes]) {
    const allow = [...known].sort().join(', ')
    app.route({
      method: methods.filter((method) => !known.has(method)),
      url,
      onRequest: async (request, reply) =>
        refuse(request, reply.header('allow', allow), problem('method_not_allowed', 405)),
      handler: () => undefined,
    })
  }
}

/** The forms an answer takes: a page, a piece of one, JSON, or a refusal in the form that its reader wants. */
import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Outcome, type Problem, problemBody, problemMediaType } from '#surface/problem.ts'
import type { Assets } from '#ui/assets.ts'
import type { Html } from '#ui/html.ts'
import { type Page, renderPage } from '#ui/page.ts'
import { problemPage, problemPolicy } from '#ui/pages/problem.ts'
import { pagePolicy } from '#ui/policy.ts'
import { isPageLoad } from './reader.ts'

declare module 'fastify' {
  interface FastifyInstance {
    surface: PageSurroundings
  }
}

/** The same for every page. */
export interface PageSurroundings {
  readonly assets: Assets
  /** Origins of the issuers: a posted logout is redirected there. */
  readonly formTargets: readonly string[]
}

const htmlType = 'text/html; charset=utf-8'

/** Sends a whole page. Its policy names a nonce that no other answer has. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: Page): FastifyReply {
  const { assets, formTargets } = request.server.surface
  const nonce = randomBytes(16).toString('base64')
  const visitor = request.visitor.kind === 'session' ? request.visitor.session.identity.username : undefined
  return reply
    .header('content-security-policy', pagePolicy(nonce, [...formTargets, ...(page.formTargets ?? [])]))
    .header('vary', 'Accept, Sec-Fetch-Mode')
    .type(htmlType)
    .send(renderPage(page, { nonce, visitor, asset: (name) => assets.url(name) }))
}

/** A piece of a page, for our own scripts to put in its place. */
export function sendPart(reply: FastifyReply, part: Html): FastifyReply {
  return reply.type(htmlType).send(part.toString())
}

/** A page for somebody who navigated, `application/problem+json` for everybody else. `retryAt`: where a page tries again. */
export function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: Problem,
  options: { readonly retryAt?: string } = {},
): FastifyReply {
  reply.code(problem.status)
  // In whole seconds (RFC 9110 section 10.2.3).
  if (problem.retryAfter !== undefined) reply.header('retry-after', Math.max(1, Math.ceil(problem.retryAfter / 1000)))
  if (!isPageLoad(request.head)) return reply.type(problemMediaType).send(problemBody(problem, request.id))
  const place = { requestId: request.id, home: '/', ...options }
  return reply
    .header('content-security-policy', problemPolicy)
    .header('vary', 'Accept, Sec-Fetch-Mode')
    .type(htmlType)
    .send(problemPage(problem, place))
}

/** The value, or the refusal. */
export function sendOutcome<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  outcome: Outcome<T>,
  send: (value: T) => FastifyReply,
): FastifyReply {
  return outcome.ok ? send(outcome.value) : refuse(request, reply, outcome.problem)
}

/**
 * `100 Continue` for clients that ask before they send a body (RFC 9110 section 10.1.1): not before who asks, whether the request may speak
 * for them, whether there is such a route and how long the body is to be have been looked at. Refused, it is never sent.
 */
import type { FastifyInstance } from 'fastify'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import { notFound, type Problem } from '#surface/problem.ts'
import { refuse } from './answer.ts'

export const tooLarge: Problem = { code: 'too_large', status: 413, title: 'What was sent is too large.' }

export interface Continuations {
  /** This client waits. Until it is told to go on, nobody knows whether the body follows: the answer is the connection's last. */
  expect(request: ClientRequest, response: ClientResponse): void
}

/** To be called before any route is added. */
export function continueWhenWanted(app: FastifyInstance, bodyBytes: number): Continuations {
  const waiting = new WeakMap<ClientRequest, boolean>()
  app.addHook('preParsing', async (request, reply) => {
    const isKept = waiting.get(request.raw)
    if (isKept === undefined) return
    if (request.is404) return void refuse(request, reply, notFound)
    if ((request.head.contentLength ?? 0) > bodyBytes) return void refuse(request, reply, tooLarge)
    reply.raw.shouldKeepAlive = isKept
    reply.raw.writeContinue()
  })
  return {
    expect(request, response) {
      waiting.set(request, response.shouldKeepAlive)
      response.shouldKeepAlive = false
    },
  }
}

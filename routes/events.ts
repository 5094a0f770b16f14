/** `…/events`: the state of one workspace, now and after every change, as server-sent events. */
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '#lib/clock.ts'
import { eventStream, type ServerEvent } from '#surface/event-stream.ts'
import type { WorkspaceView } from '#surface/messages.ts'
import { notFound } from '#surface/problem.ts'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { refuse } from './answer.ts'
import { type Eventually, type RefRoute, refOf, refPattern } from './parameters.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface EventRoutes {
  readonly viewWorkspace: (actor: Actor, ref: WorkspaceRef) => Eventually<WorkspaceView | undefined>
  /** `gone`, and nothing after it, when it is deleted or not for this actor any more. */
  readonly watchWorkspace: (
    actor: Actor,
    ref: WorkspaceRef,
    signal: AbortSignal,
  ) => AsyncIterable<WorkspaceView | 'gone'>
  /** Aborted when the actor's session ends. */
  readonly untilSessionEnds: (actor: Actor) => AbortSignal
  /** Aborted when Gatehouse is about to end: streams end without a word, and their pages come again, to whoever answers then. */
  readonly closing: AbortSignal
  readonly clock: Clock
}

/** A browser has six connections to one origin over HTTP/1.1, and its pages close theirs while they are hidden. */
const mostPerSession = 12
const beatEvery = 15_000
const longest = 15 * 60_000
const retryAfter = 2_000

export async function eventRoutes(app: FastifyInstance, options: EventRoutes): Promise<void> {
  const closed = new AbortController()
  const closing = AbortSignal.any([options.closing, closed.signal])
  const open = new Map<string, number>()
  app.addHook('preClose', async () => closed.abort())
  requireSession(app)

  app.get<RefRoute>(api.events(refPattern), { exposeHeadRoute: false }, async (request, reply) => {
    const ref = refOf(request)
    const actor = actorOf(request)
    if (!ref || !(await options.viewWorkspace(actor, ref))) return refuse(request, reply, notFound)
    if ((open.get(actor.session.name) ?? 0) >= mostPerSession) {
      return refuse(request, reply.header('retry-after', '5'), tooMany)
    }
    // Who has left while he was asked about says so no second time.
    if (reply.raw.closed) return reply.hijack()
    hold(open, actor.session.name, reply.raw)
    // A generator that waits for its source does not hear that it is returned; only its signal reaches it.
    const left = new AbortController()
    reply.raw.once('close', () => left.abort())
    const news = (ended: AbortSignal) => changesOf(options, actor, ref, AbortSignal.any([ended, closing]))
    const blocks = eventStream(news, {
      clock: options.clock,
      signal: AbortSignal.any([options.untilSessionEnds(actor), left.signal]),
      beatEvery,
      longest,
      retryAfter,
    })
    return reply.type('text/event-stream').send(Readable.from(blocks))
  })
}

const tooMany = { code: 'too_many_streams', status: 429, title: 'Too many pages of yours listen for news already.' }

async function* changesOf(
  { watchWorkspace }: EventRoutes,
  actor: Actor,
  ref: WorkspaceRef,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent, void, void> {
  for await (const view of watchWorkspace(actor, ref, signal)) {
    yield view === 'gone' ? { name: 'gone', data: {} } : { name: 'workspace', data: view }
  }
}

/** Counts a stream from the moment it is granted: many that are asked for at once would all find room, if the first read counted. */
function hold(open: Map<string, number>, key: string, answer: ServerResponse): void {
  open.set(key, (open.get(key) ?? 0) + 1)
  answer.once('close', () => {
    const left = (open.get(key) ?? 1) - 1
    if (left > 0) open.set(key, left)
    else open.delete(key)
  })
}

/**
 * The status of a workspace as server-sent events on its own host: told when it is news, for as long as whoever listens is still himself and may open it.
 */
import type { Reading } from '#activity/standing.ts'
import type { Identity } from '#identity/identity.ts'
import type { Session } from '#identity/session.ts'
import { type Clock, every, type Milliseconds } from '#lib/clock.ts'
import { latest } from '#lib/latest.ts'
import { eventStream, type ServerEvent } from '#surface/event-stream.ts'
import type { Outcome } from '#surface/problem.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { AccessPolicy } from '#workspace/access.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import type { Reviews } from '#workspace/reviews.ts'
import { activityView } from './activity-view.ts'
import { json, type Reply } from './reply.ts'
import type { SessionChange } from './revocation.ts'

export interface StatusNewsParts {
  readonly activity: {
    reading(entry: WorkspaceEntry): Reading
    subscribe(ref: WorkspaceRef, listener: () => void): Disposable
  }
  readonly policy: AccessPolicy
  readonly reviews?: Reviews
  readonly subscribeSessions: (listener: (change: SessionChange) => void) => Disposable
  /** Aborted when Gatehouse is about to end: its readers come again, to whoever answers then. */
  readonly closing: AbortSignal
  readonly clock: Clock
}

/** Somebody who listens, and what he rests on, asked anew each time. */
export interface Listener {
  readonly session: Session
  /** By what he came with: his session as it is now, `undefined` once that says nothing any more. */
  readonly present: () => Promise<Session | undefined>
  /** May he still open it? */
  readonly admit: (identity: Identity) => Promise<Outcome<WorkspaceEntry>>
}

const mostPerSession = 12
const beatEvery: Milliseconds = 15_000
const longest: Milliseconds = 15 * 60_000
const retryAfter: Milliseconds = 2_000
/** As live streams: by this a review is in use and asked for ahead of its end, so that a no is heard of within 25 s, whoever else asks for it when. */
export const reviewEvery: Milliseconds = 5_000

export class StatusNews {
  readonly #parts: StatusNewsParts
  readonly #open = new Map<string, number>()

  constructor(parts: StatusNewsParts) {
    this.#parts = parts
  }

  /** `undefined`: this session listens to as many already. */
  open({ ref }: WorkspaceEntry, listener: Listener): Reply | undefined {
    const { session } = listener
    if ((this.#open.get(session.name) ?? 0) >= mostPerSession) return undefined
    const [, , ...fields] = json(200, {}).headers
    return {
      ...{ status: 200, headers: ['Content-Type', 'text/event-stream', ...fields], body: '' },
      news: (left) => {
        const { clock, closing } = this.#parts
        this.#count(session.name, 1)
        left.addEventListener('abort', () => this.#count(session.name, -1), { once: true })
        const source = (ended: AbortSignal) => this.#news(ref, listener, AbortSignal.any([ended, left, closing]))
        return eventStream(source, { clock, signal: left, beatEvery, longest, retryAfter })
      },
    }
  }

  #count(name: string, by: 1 | -1): void {
    const open = (this.#open.get(name) ?? 0) + by
    if (open > 0) this.#open.set(name, open)
    else this.#open.delete(name)
  }

  async *#news(
    ref: WorkspaceRef,
    { session: { name }, present, admit }: Listener,
    signal: AbortSignal,
  ): AsyncGenerator<ServerEvent, void, void> {
    const { activity, policy, reviews, clock, subscribeSessions } = this.#parts
    const turns = latest(signal)
    let isNews = true
    using _activity = activity.subscribe(ref, () => {
      isNews = true
      turns.signal()
    })
    using _person = subscribeSessions(({ session }) => session.name === name && turns.signal())
    using _reviews = reviews?.subscribe(() => turns.signal())
    using _reviewing = every(clock, reviewEvery, () => turns.signal())
    turns.signal()
    for await (const _turn of turns) {
      const isTurnForNews = isNews
      // What changes from here on is for the next turn.
      isNews = false
      const session = await present()
      const admitted = session && (await admit(session.identity))
      if (!session || !admitted?.ok) return yield { name: 'end', data: {} }
      if (!isTurnForNews) continue
      const { value: entry } = admitted
      yield { name: 'status', data: activityView(entry, activity.reading(entry), session.identity, policy) }
    }
  }
}

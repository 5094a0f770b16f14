/**
 * The live sessions in memory, by name: what is applied to it, when each ends, and who hears of it. Knows nothing of the store.
 * Ended is final: a late event never brings a session back, except one that had only run out and was renewed elsewhere in time.
 */
import { LRUCache } from 'lru-cache'
import { messageOf } from '#errors.ts'
import type { Clock, Timestamp } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Session, SessionName } from './session.ts'
import { parseSessionName } from './session-id.ts'
import { sessionOf, type WorkspaceSession } from './session-record.ts'

/** Why a session is over. `deleted`: its record went away, and who did it has not said why here. */
export type SessionEnd =
  | 'expired'
  | 'locked'
  | 'logged-out'
  | 'logged-out-at-issuer'
  | 'refused-by-issuer'
  | 'replaced'
  | 'revoked'
  /** Its issuer is none any more, or names people otherwise; or its record says what no issuer may say. */
  | 'untrusted'
  /** Its record is not as Gatehouse wrote it. */
  | 'altered'
  | 'deleted'

export type SessionChange =
  | { readonly type: 'changed'; readonly session: Session; readonly before: Session }
  /** `record`: as it was known last; it may be in the store no more. */
  | {
      readonly type: 'ended'
      readonly session: Session
      readonly why: SessionEnd
      readonly record: WorkspaceSession
    }

export type SessionListener = (change: SessionChange) => void

interface Entry {
  readonly record: WorkspaceSession
  readonly session: Session
  readonly timer: Disposable
  /** Whether the watch has told of it; until then its absence from a list proves nothing. */
  isConfirmed: boolean
}

/** Enough to answer "ended, and why" without the store, for everybody who is likely to ask. */
const mostEnded = 10_000

export class SessionTable {
  readonly #clock: Clock
  readonly #log: Log
  readonly #live = new Map<SessionName, Entry>()
  readonly #ended = new LRUCache<SessionName, SessionEnd>({ max: mostEnded })
  readonly #listeners = new Set<SessionListener>()
  #locked: ReadonlySet<string> = new Set()

  constructor(options: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = options.clock
    this.#log = options.log
  }

  get(name: SessionName): Session | undefined {
    return this.#current(name)?.session
  }

  record(name: SessionName): WorkspaceSession | undefined {
    return this.#current(name)?.record
  }

  /** Why it is over; `undefined` where that is not known here. */
  endOf(name: SessionName): SessionEnd | undefined {
    return this.#ended.get(name)
  }

  *records(): Iterable<WorkspaceSession> {
    for (const entry of this.#live.values()) yield entry.record
  }

  /** Names of those that no list and no watch has shown yet. */
  unconfirmed(): readonly SessionName[] {
    return [...this.#live].filter(([, entry]) => !entry.isConfirmed).map(([name]) => name)
  }

  names(): readonly SessionName[] {
    return [...this.#live.keys()]
  }

  isLocked(username: string): boolean {
    return this.#locked.has(username)
  }

  /** Ends the sessions of these people, and returns their names; who is not among them any more may log in anew. */
  setLocked(usernames: Iterable<string>): readonly SessionName[] {
    this.#locked = new Set(usernames)
    const ending = [...this.#live.values()].filter((entry) => this.#locked.has(entry.session.identity.username))
    for (const { session } of ending) this.end(session.name, 'locked')
    return ending.map((entry) => entry.session.name)
  }

  /** Takes in what the store holds. `false` for what is over, or older than what is known. */
  apply(record: WorkspaceSession, source: 'watch' | 'read'): boolean {
    const session = sessionOf(record)
    if (!session) {
      // Whoever has made it such by hand has ended it.
      const name = parseSessionName(record.metadata.name)
      if (name !== undefined) this.end(name, 'untrusted')
      return false
    }
    const known = this.#live.get(session.name)
    if (known && record.metadata.generation < known.record.metadata.generation) return false
    if (this.#isOver(session)) return false
    const isSame = known !== undefined && isDeepEqual(known.session, session)
    known?.timer[Symbol.dispose]()
    this.#ended.delete(session.name)
    this.#live.set(session.name, {
      record,
      // One object for as long as nothing in it changes: others keep what they made for it.
      session: isSame ? known.session : session,
      timer: this.#clock.after(endsAt(session) - this.#clock.now(), () => this.#expire(session.name)),
      isConfirmed: source === 'watch' || known?.isConfirmed === true,
    })
    if (known && !isSame) this.#tell({ type: 'changed', session, before: known.session })
    return true
  }

  /** `false` when it was not live here. Its name is remembered as over in either case. */
  end(name: SessionName, why: SessionEnd): boolean {
    const entry = this.#live.get(name)
    // The first reason stands: a record that is deleted because its person was locked is not "deleted".
    if (entry || !this.#ended.has(name)) this.#ended.set(name, why)
    if (!entry) return false
    entry.timer[Symbol.dispose]()
    this.#live.delete(name)
    this.#tell({ type: 'ended', session: entry.session, why, record: entry.record })
    return true
  }

  subscribe(listener: SessionListener): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Stops the timers; what is known stays. */
  dispose(): void {
    for (const entry of this.#live.values()) entry.timer[Symbol.dispose]()
    this.#listeners.clear()
  }

  #isOver(session: Session): boolean {
    const why = this.#ended.get(session.name)
    if (why !== undefined && why !== 'expired') return true
    if (this.#locked.has(session.identity.username)) {
      if (!this.end(session.name, 'locked')) this.#ended.set(session.name, 'locked')
      return true
    }
    if (this.#clock.now() < endsAt(session)) return false
    if (!this.end(session.name, 'expired')) this.#ended.set(session.name, 'expired')
    return true
  }

  /** Looks at the time itself: a timer may be late when the machine has slept. */
  #current(name: SessionName): Entry | undefined {
    const entry = this.#live.get(name)
    if (entry && this.#clock.now() >= endsAt(entry.session)) {
      this.end(name, 'expired')
      return undefined
    }
    return entry
  }

  #expire(name: SessionName): void {
    const entry = this.#live.get(name)
    // A timer that fires a little early would find it still alive; it is asked again at the end itself.
    if (!entry || this.#current(name) === undefined) return
    const rest = endsAt(entry.session) - this.#clock.now()
    this.#live.set(name, { ...entry, timer: this.#clock.after(rest, () => this.#expire(name)) })
  }

  #tell(change: SessionChange): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change)
      } catch (error) {
        // One listener's fault must not keep the others from closing streams.
        this.#log.error(
          { component: 'sessions', session: change.session.name, error },
          `a listener failed: ${messageOf(error)}`,
        )
      }
    }
  }
}

function endsAt(session: Session): Timestamp {
  return Math.min(session.expiresAt, session.notAfter)
}

function isDeepEqual(a: Session, b: Session): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

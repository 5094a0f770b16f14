/**
 * Sessions: each a resource, all of them in memory by the watch. What this replica does is visible to it at once, what others do as soon as
 * the watch tells; a session that is over is refused and told to whoever holds something open for it.
 */
import { GatewayError, hasCode } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { type Reflected, reflect } from '#resources/reflect.ts'
import type { KeyRing } from './key-ring.ts'
import { createSealer, type Sealer } from './seal.ts'
import type { Session, SessionName } from './session.ts'
import { collectSessions } from './session-collection.ts'
import { newSessionId, parseSessionName, type SessionId, sessionNameOf } from './session-id.ts'
import { SessionIntake } from './session-intake.ts'
import { type SessionLooker, type SessionLookup, sessionLooker } from './session-lookup.ts'
import { nameOfRecord, sessionKind, type WorkspaceSession } from './session-record.ts'
import { sealed } from './session-seal.ts'
import { type NewLogin, type Renewed, renewedSpec, type SessionTerms, specOfLogin } from './session-spec.ts'
import { type SessionEnd, type SessionListener, SessionTable } from './session-table.ts'
import { type IssuerTokens, openTokens } from './session-tokens.ts'

export interface SessionStore extends SessionLooker {
  /** Settled when all sessions are known. Rejects when ended before. */
  readonly ready: Promise<void>
  /** Throws `forbidden` for locked people (ask {@link isLocked} first), `store_unavailable`. The id is for the client and kept nowhere. */
  create(login: NewLogin): Promise<{ readonly session: Session; readonly id: SessionId }>
  /** Live ones alone. */
  get(name: SessionName): Session | undefined
  record(name: SessionName): WorkspaceSession | undefined
  /** As {@link record}, but reads the store first. Throws `store_unavailable`. */
  fetchRecord(name: SessionName): Promise<WorkspaceSession | undefined>
  find(isWanted: (record: WorkspaceSession) => boolean): readonly WorkspaceSession[]
  /** Writes it at the version it was read at. Throws `conflict`, `not_found` (then the session is over), `store_unavailable`. */
  replace(record: WorkspaceSession): Promise<WorkspaceSession>
  /** The session is good for another lifetime, within `notAfter`; a claim on its renewal is given back. Throws as {@link replace}. */
  extend(record: WorkspaceSession, renewed: Renewed): Promise<WorkspaceSession>
  /** The issuer's tokens of a record, as far as it has any that can still be read. */
  tokens(record: WorkspaceSession): IssuerTokens
  /**
   * Ends it here at once, then everywhere. `false`: there was none. When the store can't be reached it throws `store_unavailable`; the session
   * stays ended here, and {@link collectExpired} deletes its record later.
   */
  end(name: SessionName, why: SessionEnd): Promise<boolean>
  subscribe(listener: SessionListener): Disposable
  /** All people who may not be logged in: ends what they have, here at once; resolves when it is ended everywhere, or logged why not. */
  setLocked(usernames: Iterable<string>): Promise<void>
  isLocked(username: string): boolean
  /** Deletes the records of what is over. How many. Throws `store_unavailable`. */
  collectExpired(): Promise<number>
}

export interface SessionStoreOptions {
  readonly resources: Resources
  readonly keyRing: KeyRing
  readonly namespace: string
  readonly clock: Clock
  readonly log: Log
  /** Ends following and timers. */
  readonly signal: AbortSignal
  /** A watch, of this kind, was interrupted and goes on. */
  readonly onInterruption?: ((kind: string) => void) | undefined
  /** Without asking the issuer again; 1 h. */
  readonly lifetime?: Milliseconds
  /** At most; 12 h. */
  readonly horizon?: Milliseconds
}

export function openSessions(options: SessionStoreOptions): SessionStore {
  return new WatchedSessions(options)
}

class WatchedSessions implements SessionStore {
  readonly ready: Promise<void>
  readonly #options: SessionStoreOptions
  readonly #table: SessionTable
  readonly #intake: SessionIntake
  readonly #sealer: Sealer
  readonly #looker: SessionLooker
  readonly #becameReady = Promise.withResolvers<void>()

  constructor(options: SessionStoreOptions) {
    this.#options = options
    this.#table = new SessionTable(options)
    this.#intake = new SessionIntake({ ...options, table: this.#table })
    this.#sealer = createSealer(options)
    const read = async (name: SessionName) => void (await this.fetchRecord(name))
    this.#looker = sessionLooker({ ...options, table: this.#table, read })
    this.ready = this.#becameReady.promise
    // Whoever does not wait for it must not bring the process down.
    this.ready.catch(() => undefined)
    this.#follow().catch((error: unknown) => {
      this.#becameReady.reject(error)
      options.log.error({ component: 'sessions', error }, 'sessions are not followed any more')
    })
  }

  async create(login: NewLogin): Promise<{ readonly session: Session; readonly id: SessionId }> {
    const { resources, keyRing, namespace } = this.#options
    this.#refuseLocked(login.identity.username)
    const id = newSessionId()
    const name = sessionNameOf(id)
    const spec = sealed(keyRing, name, specOfLogin(login, name, this.#terms()))
    await this.#intake.read(name, await resources.create(sessionKind, { metadata: { namespace, name }, spec }))
    const session = this.#table.get(name)
    if (session) return { session, id }
    // Locked, or ended by somebody, while the store was writing.
    await this.end(name, 'revoked')
    this.#refuseLocked(login.identity.username)
    throw new GatewayError('conflict', 'the session ended while it was being made')
  }

  get(name: SessionName): Session | undefined {
    return this.#table.get(name)
  }

  record(name: SessionName): WorkspaceSession | undefined {
    return this.#table.record(name)
  }

  async fetchRecord(name: SessionName): Promise<WorkspaceSession | undefined> {
    const { resources, namespace } = this.#options
    const record = await resources.get(sessionKind, { namespace, name })
    if (record) await this.#intake.read(name, record)
    else if (this.#table.get(name)) this.#table.end(name, 'deleted')
    return this.#table.record(name)
  }

  peek(name: SessionName): SessionLookup | undefined {
    return this.#looker.peek(name)
  }

  look(name: SessionName): ReturnType<SessionLooker['look']> {
    return this.#looker.look(name)
  }

  find(isWanted: (record: WorkspaceSession) => boolean): readonly WorkspaceSession[] {
    return [...this.#table.records()].filter(isWanted)
  }

  async replace(record: WorkspaceSession): Promise<WorkspaceSession> {
    const name = nameOfRecord(record)
    try {
      const written = await this.#options.resources.replace(sessionKind, record)
      await this.#intake.read(name, written)
      return written
    } catch (error) {
      if (hasCode(error, 'not_found')) this.#table.end(name, 'deleted')
      throw error
    }
  }

  extend(record: WorkspaceSession, renewed: Renewed): Promise<WorkspaceSession> {
    const spec = renewedSpec(record, renewed, this.#terms())
    return this.replace({ ...record, spec: sealed(this.#options.keyRing, nameOfRecord(record), spec) })
  }

  tokens(record: WorkspaceSession): IssuerTokens {
    return openTokens(this.#sealer, record)
  }

  async end(name: SessionName, why: SessionEnd): Promise<boolean> {
    const { resources, namespace } = this.#options
    const wasLive = this.#table.end(name, why)
    const wasKept = await resources.delete(sessionKind, { namespace, name })
    return wasLive || wasKept
  }

  subscribe(listener: SessionListener): Disposable {
    return this.#table.subscribe(listener)
  }

  async setLocked(usernames: Iterable<string>): Promise<void> {
    const { resources, namespace, log } = this.#options
    const names = this.#table.setLocked(usernames)
    const deletions = await Promise.allSettled(names.map((name) => resources.delete(sessionKind, { namespace, name })))
    for (const deletion of deletions) {
      if (deletion.status === 'fulfilled') continue
      log.warn(
        { component: 'sessions', error: deletion.reason },
        'a locked person keeps a record until the next collection',
      )
    }
  }

  isLocked(username: string): boolean {
    return this.#table.isLocked(username)
  }

  collectExpired(): Promise<number> {
    return collectSessions({ ...this.#options, table: this.#table })
  }

  #refuseLocked(username: string): void {
    if (this.#table.isLocked(username)) throw new GatewayError('forbidden', 'this person is locked')
  }

  #terms(): SessionTerms {
    const { clock, lifetime = 3_600_000, horizon = 12 * 3_600_000 } = this.#options
    return { now: clock.now(), lifetime, horizon, sealer: this.#sealer }
  }

  async #follow(): Promise<void> {
    const { resources, keyRing, signal } = this.#options
    for await (const fact of reflect(resources, sessionKind, this.#options)) {
      // The list comes while the keys are on their way, but can't be judged before them.
      await keyRing.ready.catch(() => undefined)
      this.#take(fact)
    }
    this.#table.dispose()
    this.#becameReady.reject(signal.reason)
  }

  #take(fact: Reflected<WorkspaceSession>): void {
    switch (fact.type) {
      case 'synced':
        this.#sync(fact.objects)
        this.#becameReady.resolve()
        return
      case 'applied':
        this.#intake.told(fact.object)
        return
      case 'deleted': {
        const name = parseSessionName(fact.object.metadata.name)
        if (name !== undefined) this.#table.end(name, 'deleted')
        return
      }
      case 'stale':
        this.#options.log.warn({ component: 'sessions', error: fact.error }, 'sessions are not being followed')
    }
  }

  #sync(records: readonly WorkspaceSession[]): void {
    for (const record of records) this.#intake.told(record)
    const listed = new Set<string>(records.map((record) => record.metadata.name))
    const unconfirmed = new Set(this.#table.unconfirmed())
    for (const name of this.#table.names()) {
      if (listed.has(name)) continue
      if (unconfirmed.has(name)) this.#verify(name)
      else this.#table.end(name, 'deleted')
    }
  }

  /** A session made here while the list was on its way is missing from it, and alive all the same. */
  #verify(name: SessionName): void {
    this.fetchRecord(name).catch((error: unknown) => {
      this.#options.log.warn({ component: 'sessions', session: name, error }, 'a session could not be read again')
    })
  }
}

/**
 * The key ring: one object in the store that every replica follows, so that a key made by one is known to all, and a key taken out
 * is refused by all at once. Makes the first key, rotates when due, and drops what is past its time.
 */
import { isDeepStrictEqual } from 'node:util'
import { GatewayError, hasCode } from '#errors.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { reflect } from '#resources/reflect.ts'
import { Secret } from '#settings/secret.ts'
import {
  type KeyRingKind,
  type KeyRingRecord,
  type KeySpec,
  keyRingKind,
  keyRingName,
  newKey,
} from './key-ring-record.ts'
import { deriveRingKey, type RingKey } from './ring-key.ts'
import { currentKey, nextDue, type RingTimes, retained, rotationDue } from './ring-schedule.ts'

/** What every key of a ring has, whatever else is made of its secret. */
export interface DatedKey {
  readonly kid: string
  readonly createdAt: Timestamp
}

export interface KeyRing<Key extends DatedKey = RingKey> {
  /** Settled when the ring has been seen (or made); there is a key from then on. Rejects when ended before. */
  readonly ready: Promise<void>
  /** What signs and seals now. Throws `store_unavailable` while there is none. */
  current(): Key
  /** `undefined` for a key that never was, or is no longer, in the ring. The same object for as long as the key stays what it is. */
  find(kid: string): Key | undefined
  /** Oldest first. The same array until the ring changes. */
  all(): readonly Key[]
  /**
   * As {@link find}, but asks the store about a kid that this replica has not seen yet: at most every 2 s, whoever asks.
   * Throws `store_unavailable`.
   */
  lookUp(kid: string): Promise<Key | undefined>
  /** Adds a key, whatever the age of the others. */
  rotateNow(): Promise<void>
  /** Adds a key and drops old ones if it is time; the ring calls it by itself. `false`: nothing was due, or another replica did it. */
  rotateWhenDue(): Promise<boolean>
}

export interface KeyRingOptions {
  readonly resources: Resources
  readonly namespace: string
  readonly clock: Clock
  readonly log: Log
  /** Ends following and rotating. What is known stays usable. */
  readonly signal: AbortSignal
  /** A watch, of this kind, was interrupted and goes on. */
  readonly onInterruption?: ((kind: string) => void) | undefined
  readonly times?: Partial<RingTimes>
}

const defaultTimes: RingTimes = { rotateEvery: 24 * 3_600_000, keep: 36 * 3_600_000, settle: 5_000 }
const lookUpPause: Milliseconds = 2_000
/** Nothing should be due again so soon; if it is, the store is not kept busy with it. */
const afterSuccess: Milliseconds = 1_000
const afterFailure: Milliseconds = 60_000
const mostConflicts = 5

/** The ring of sessions. */
export function openKeyRing(options: KeyRingOptions): KeyRing {
  const times = { ...defaultTimes, ...options.times }
  return openRing({ ...options, times, kind: keyRingKind, name: keyRingName, derive: deriveRingKey })
}

export interface RingOptions<Key extends DatedKey> extends Omit<KeyRingOptions, 'times'> {
  readonly kind: KeyRingKind
  /** Of the one object that it is kept in. */
  readonly name: string
  /** Throws `invalid_resource`. */
  readonly derive: (kid: string, createdAt: Timestamp, secret: Secret) => Key
  readonly times: RingTimes
}

export function openRing<Key extends DatedKey>(options: RingOptions<Key>): KeyRing<Key> {
  return new StoredKeyRing(options)
}

class StoredKeyRing<Key extends DatedKey> implements KeyRing<Key> {
  readonly ready: Promise<void>
  readonly #options: RingOptions<Key>
  readonly #times: RingTimes
  readonly #becameReady = Promise.withResolvers<void>()
  #record: KeyRingRecord | undefined
  #keys: readonly Key[] = []
  #byKid: ReadonlyMap<string, Key> = new Map()
  #timer: Disposable | undefined
  #rotating: Promise<boolean> | undefined
  #lookingUp: Promise<unknown> | undefined
  #lookedUpAt = Number.NEGATIVE_INFINITY

  constructor(options: RingOptions<Key>) {
    this.#options = options
    this.#times = options.times
    this.ready = this.#becameReady.promise
    // Whoever does not wait for it must not bring the process down.
    this.ready.catch(() => undefined)
    this.#follow().catch((error: unknown) => {
      this.#becameReady.reject(error)
      options.log.error({ component: 'key-ring', name: options.name, error }, 'the key ring is not followed any more')
    })
  }

  current(): Key {
    const key = currentKey(this.#keys, this.#options.clock.now(), this.#times)
    if (!key) throw new GatewayError('store_unavailable', 'the key ring has not been read yet')
    return key
  }

  find(kid: string): Key | undefined {
    return this.#byKid.get(kid)
  }

  all(): readonly Key[] {
    return this.#keys
  }

  async lookUp(kid: string): Promise<Key | undefined> {
    const known = this.#byKid.get(kid)
    if (known) return known
    const now = this.#options.clock.now()
    if (now - this.#lookedUpAt >= lookUpPause) {
      this.#lookedUpAt = now
      this.#lookingUp = this.#reload()
    }
    // Also one that is over: where it failed, nobody knows whether there is such a key.
    await this.#lookingUp
    return this.#byKid.get(kid)
  }

  async rotateNow(): Promise<void> {
    await this.#change((keys, now) => [...retained(keys, now, this.#times), newKey(now, keys)])
  }

  rotateWhenDue(): Promise<boolean> {
    this.#rotating ??= this.#change((keys, now) => {
      const kept = retained(keys, now, this.#times)
      if (rotationDue(keys, this.#times) <= now) return [...kept, newKey(now, keys)]
      return kept.length < keys.length ? kept : undefined
    }).finally(() => {
      this.#rotating = undefined
    })
    return this.#rotating
  }

  /** Reads, decides, replaces; a loser of that race reads again and decides anew. */
  async #change(
    decide: (keys: readonly KeySpec[], now: Timestamp) => readonly KeySpec[] | undefined,
  ): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      const record = await this.#reload()
      const keys = decide(record?.spec.keys ?? [], this.#options.clock.now())
      if (!keys) return false
      try {
        await this.#write(record, keys)
        return true
      } catch (error) {
        if (attempt >= mostConflicts || !isLostRace(error)) throw error
      }
    }
  }

  async #write(record: KeyRingRecord | undefined, keys: readonly KeySpec[]): Promise<void> {
    const { resources, namespace, log, kind, name } = this.#options
    const spec = { keys: [...keys] }
    const written = record
      ? await resources.replace(kind, { ...record, spec })
      : await resources.create(kind, { metadata: { namespace, name }, spec })
    this.#accept(written)
    const newest = this.#keys.at(-1)?.kid
    log.info({ component: 'key-ring', name, keyId: newest, count: keys.length }, 'the key ring has changed')
  }

  async #reload(): Promise<KeyRingRecord | undefined> {
    const { resources, namespace, kind, name } = this.#options
    const record = await resources.get(kind, { namespace, name })
    if (record) this.#accept(record)
    return record
  }

  async #follow(): Promise<void> {
    const { resources, log, signal, kind, name } = this.#options
    for await (const fact of reflect(resources, kind, this.#options)) {
      switch (fact.type) {
        case 'synced':
          this.#sync(fact.objects.find((object) => object.metadata.name === name))
          break
        case 'applied':
          if (fact.object.metadata.name === name) this.#accept(fact.object)
          break
        case 'deleted':
          if (fact.object.metadata.uid === this.#record?.metadata.uid) this.#sync(undefined)
          break
        case 'stale':
          log.warn({ component: 'key-ring', name, error: fact.error }, 'the key ring is not being followed')
      }
    }
    this.#timer?.[Symbol.dispose]()
    this.#becameReady.reject(signal.reason)
  }

  /** The truth at this moment; without a ring every cookie is void, and a new one begins. */
  #sync(record: KeyRingRecord | undefined): void {
    if (record) {
      this.#accept(record)
      return
    }
    this.#record = undefined
    this.#hold([])
    this.#schedule()
  }

  #accept(record: KeyRingRecord): void {
    const known = this.#record?.metadata
    // The watch may still be telling what this replica has overwritten since.
    if (known?.uid === record.metadata.uid && record.metadata.generation < known.generation) return
    const keys = record.spec.keys.map((key) => this.#derived(key))
    this.#record = record
    this.#hold(keys)
    this.#schedule()
    this.#becameReady.resolve()
  }

  #derived(key: KeySpec): Key {
    const isKnown = this.#record?.spec.keys.some((known) => isDeepStrictEqual(known, key))
    const derived = isKnown ? this.#byKid.get(key.kid) : undefined
    return derived ?? this.#options.derive(key.kid, Date.parse(key.createdAt), new Secret(key.secret))
  }

  #hold(keys: readonly Key[]): void {
    this.#keys = keys.toSorted((a, b) => a.createdAt - b.createdAt)
    this.#byKid = new Map(this.#keys.map((key) => [key.kid, key]))
  }

  /** Rotates when that is due next. `pause`: what is overdue waits so long. */
  #schedule(pause: Milliseconds = 0): void {
    const { clock, signal } = this.#options
    this.#timer?.[Symbol.dispose]()
    if (signal.aborted) return
    const delay = nextDue(this.#record?.spec.keys ?? [], this.#times) - clock.now()
    if (Math.max(delay, pause) <= 0) this.#rotate()
    else this.#timer = clock.after(Math.max(delay, pause), () => this.#rotate())
  }

  #rotate(): void {
    const { log, signal, name } = this.#options
    this.rotateWhenDue().then(
      () => this.#schedule(afterSuccess),
      (error: unknown) => {
        if (signal.aborted) return
        log.warn({ component: 'key-ring', name, error }, 'the key ring could not be rotated; trying again in a minute')
        this.#schedule(afterFailure)
      },
    )
  }
}

function isLostRace(error: unknown): boolean {
  return hasCode(error, 'conflict', 'not_found', 'already_exists')
}

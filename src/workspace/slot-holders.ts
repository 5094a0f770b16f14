/** Replicas that hold places, as another one sees them: each shows that it is alive by a record that it puts in the place of the one before. */
import { oneTimeKind, oneTimeName } from '#identity/one-time-record.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Resources, Uid } from '#resources/contract.ts'

export interface HoldersParts {
  readonly resources: Pick<Resources, 'get'>
  readonly namespace: string
  /** This replica itself is never gone. */
  readonly own: string
  readonly clock: Clock
}

/** A holder whose record stays the same for so long is gone, by the clock of whoever looks: clocks of two machines are never compared. */
export const silence: Milliseconds = 60_000
/** None is looked at more often. */
const lookEvery: Milliseconds = 5_000
/** Holders; of more than that all are looked at anew. */
const mostSeen = 1_000

/** Which record was seen, since when it has been this one, and when it was looked at last. `uid` undefined: there was none. */
interface Seen {
  readonly uid: Uid | undefined
  readonly since: Timestamp
  readonly askedAt: Timestamp
}

export class Holders {
  readonly #parts: HoldersParts
  readonly #seen = new Map<string, Seen>()

  constructor(parts: HoldersParts) {
    this.#parts = parts
  }

  /** That no record is there may be the moment between two of them, and counts as one. Throws `store_unavailable`. */
  async isGone(holder: string): Promise<boolean> {
    const { resources, namespace, own, clock } = this.#parts
    if (holder === own) return false
    const now = clock.now()
    const seen = this.#seen.get(holder)
    if (seen && now - seen.askedAt < lookEvery) return seen.askedAt - seen.since >= silence
    const record = await resources.get(oneTimeKind, { namespace, name: oneTimeName('holder', holder) })
    const uid = record?.metadata.uid
    const since = seen && seen.uid === uid ? seen.since : now
    if (this.#seen.size >= mostSeen) this.#seen.clear()
    this.#seen.set(holder, { uid, since, askedAt: now })
    return now - since >= silence
  }
}

/** Objects whose parser refuses them are left out, and reported once for each version of theirs. */
import { LRUCache } from 'lru-cache'
import { messageOf } from '#errors.ts'
import type { ObjectName, ResourceVersion } from '#resources/contract.ts'
import type { WireObject } from './wire-object.ts'

export interface UnreadableObject extends ObjectName {
  /** The plural of its resource type. */
  readonly plural: string
  readonly reason: string
}

/** Called once for every version of an object that can't be read. */
export type OnUnreadable = (object: UnreadableObject) => void

/** Objects whose last unreadable version is remembered. */
const remembered = 10_000

export class UnreadableObjects {
  readonly #report: OnUnreadable
  readonly #reported = new LRUCache<string, ResourceVersion>({ max: remembered })

  constructor(report: OnUnreadable) {
    this.#report = report
  }

  /** `undefined` where `parse` throws. */
  read<T>(plural: string, object: WireObject, parse: (object: WireObject) => T): T | undefined {
    try {
      return parse(object)
    } catch (error) {
      const { uid, resourceVersion, namespace, name } = object.metadata
      if (this.#reported.get(uid) === resourceVersion) return undefined
      this.#reported.set(uid, resourceVersion)
      this.#report({ plural, namespace, name, reason: messageOf(error) })
      return undefined
    }
  }
}

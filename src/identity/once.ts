/** Things that may happen once: tickets, logout tokens, links. A create in the store decides, so it holds across replicas and restarts. */
import { hasCode } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Resources } from '#resources/contract.ts'
import { type OneTimeRecord, oneTimeKind, oneTimeName } from './one-time-record.ts'
import { rfc3339Of } from './rfc3339.ts'

export interface Once {
  /**
   * `true` for the first who asks with this key, `false` for everybody else until `ttl` has passed. The `ttl` must be longer than the thing itself is good for,
   * by more than the clocks of two replicas differ. Throws `store_unavailable`: then nobody knows, and it must count as used.
   */
  claim(key: string, ttl: Milliseconds): Promise<boolean>
  /** Deletes what has run out. How many. */
  collectExpired(): Promise<number>
}

interface OnceOptions {
  readonly resources: Resources
  readonly namespace: string
  readonly clock: Clock
}

export function createOnce(options: OnceOptions): Once {
  const { resources, namespace, clock } = options
  const create = async (name: string, ttl: Milliseconds): Promise<boolean> => {
    const spec = { purpose: 'once', expiresAt: rfc3339Of(clock.now() + ttl) } as const
    try {
      await resources.create(oneTimeKind, { metadata: { namespace, name }, spec })
      return true
    } catch (error) {
      if (hasCode(error, 'already_exists')) return false
      throw error
    }
  }
  const drop = async (record: OneTimeRecord): Promise<boolean> => {
    const { name, uid } = record.metadata
    try {
      // With the uid: what somebody has put in its place since is not ours to delete.
      return await resources.delete(oneTimeKind, { namespace, name }, { uid })
    } catch (error) {
      if (hasCode(error, 'conflict')) return false
      throw error
    }
  }
  return {
    async claim(key, ttl) {
      const name = oneTimeName('once', key)
      if (await create(name, ttl)) return true
      const record = await resources.get(oneTimeKind, { namespace, name })
      if (record && !hasExpired(record, clock)) return false
      if (record) await drop(record)
      return create(name, ttl)
    },
    async collectExpired() {
      const { items } = await resources.list(oneTimeKind, { namespace })
      let collected = 0
      for (const record of items) {
        if (hasExpired(record, clock) && (await drop(record))) collected += 1
      }
      return collected
    },
  }
}

function hasExpired({ spec }: OneTimeRecord, clock: Clock): boolean {
  return spec.purpose === 'once' && Date.parse(spec.expiresAt) <= clock.now()
}

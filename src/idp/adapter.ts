/**
 * Persistence of `oidc-provider` on a key-value table. One entry an object, with its end; indexes are found by reading all entries,
 * which is enough for the handful of logins of a laptop and can't go out of step with the objects.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { type Static, Type } from 'typebox'
import type { Clock } from '#lib/clock.ts'
import { storedAs } from './stored.ts'
import type { KeyValueTable } from './table.ts'

const storedSchema = Type.Object({
  model: Type.String(),
  id: Type.String(),
  payload: Type.Intersect([
    Type.Object({
      uid: Type.Optional(Type.String()),
      grantId: Type.Optional(Type.String()),
      accountId: Type.Optional(Type.String()),
      clientId: Type.Optional(Type.String()),
      consumed: Type.Optional(Type.Number()),
    }),
    Type.Record(Type.String(), Type.Unknown()),
  ]),
  /** Milliseconds since 1970; absent: never. */
  expiresAt: Type.Optional(Type.Number()),
})
type Stored = Static<typeof storedSchema>

const parseStored = storedAs(storedSchema)

/** The kinds of objects that end together with their grant. */
const ofGrant = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken'])

export interface ProviderState {
  adapter(model: string): Adapter
  /** All live objects of one model. */
  all(model: string): readonly AdapterPayload[]
  delete(model: string, test: (payload: AdapterPayload) => boolean): void
  /** Drops what has expired. */
  collect(): void
}

export function providerState(table: KeyValueTable, clock: Clock): ProviderState {
  // Both parts are escaped by JSON, so that no model and id run together.
  const keyOf = (model: string, id: string) => `object:${JSON.stringify([model, id])}`
  const isLive = (stored: Stored) => stored.expiresAt === undefined || stored.expiresAt > clock.now()
  const read = (key: string): Stored | undefined => {
    const stored = parseStored(table.get(key))
    return stored && isLive(stored) ? stored : undefined
  }
  const write = (stored: Stored) => table.set(keyOf(stored.model, stored.id), JSON.stringify(stored))
  function* objects(model: string): Generator<Stored> {
    for (const [key, value] of table.entries()) {
      const stored = key.startsWith('object:') ? parseStored(value) : undefined
      if (stored?.model === model && isLive(stored)) yield stored
    }
  }
  const remove = (model: string, test: (payload: AdapterPayload) => boolean) => {
    for (const { id, payload } of [...objects(model)]) if (test(payload)) table.delete(keyOf(model, id))
  }
  const firstOf = (model: string, test: (payload: AdapterPayload) => boolean) =>
    objects(model).find(({ payload }) => test(payload))?.payload

  return {
    all: (model) => [...objects(model)].map(({ payload }) => payload),
    delete: remove,
    collect() {
      for (const [key, value] of [...table.entries()]) {
        const stored = key.startsWith('object:') ? parseStored(value) : undefined
        if (stored && !isLive(stored)) table.delete(key)
      }
    },
    adapter: (model) => ({
      async upsert(id, payload, expiresIn) {
        const end = expiresIn === undefined ? {} : { expiresAt: clock.now() + expiresIn * 1000 }
        write({ model, id, payload, ...end })
      },
      find: async (id) => read(keyOf(model, id))?.payload,
      findByUid: async (uid) => firstOf(model, (payload) => payload.uid === uid),
      findByUserCode: async (userCode) => firstOf(model, (payload) => payload.userCode === userCode),
      async consume(id) {
        const stored = read(keyOf(model, id))
        if (stored) write({ ...stored, payload: { ...stored.payload, consumed: Math.floor(clock.now() / 1000) } })
      },
      destroy: async (id) => table.delete(keyOf(model, id)),
      async revokeByGrantId(grantId) {
        if (ofGrant.has(model)) remove(model, (payload) => payload.grantId === grantId)
      },
    }),
  }
}

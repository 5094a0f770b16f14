/**
 * Persistence of `oidc-provider` on a key-value table: one entry an object. Indexes are found by reading all objects of a model,
 * which is enough for the handful of logins of a laptop and can't go out of step with the objects.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { Type } from 'typebox'
import type { Clock } from '#lib/clock.ts'
import { checkerOf } from '#lib/schema.ts'
import type { KeyValueTable } from './table.ts'

const check = checkerOf(
  Type.Object(
    {
      jti: Type.Optional(Type.String()),
      uid: Type.Optional(Type.String()),
      grantId: Type.Optional(Type.String()),
      accountId: Type.Optional(Type.String()),
      clientId: Type.Optional(Type.String()),
      consumed: Type.Optional(Type.Number()),
    },
    { additionalProperties: true },
  ),
)

/** The models whose objects end together with their grant. */
const ofGrant = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken'])

export interface ProviderState {
  adapter(model: string): Adapter
  /** All live objects of one model. */
  all(model: string): readonly AdapterPayload[]
  delete(model: string, test: (payload: AdapterPayload) => boolean): void
}

export function providerState(table: KeyValueTable, clock: Clock): ProviderState {
  // Models are words of the library and hold no colon, so that no model and id run together.
  const prefixOf = (model: string) => `object:${model}:`
  const keyOf = (model: string, id: string) => `${prefixOf(model)}${id}`
  function* objects(model: string): Generator<readonly [key: string, payload: AdapterPayload]> {
    for (const [key, value] of table.entries(prefixOf(model))) {
      const payload = payloadOf(value)
      if (payload) yield [key, payload]
    }
  }
  const remove = (model: string, test: (payload: AdapterPayload) => boolean) => {
    for (const [key, payload] of [...objects(model)]) if (test(payload)) table.delete(key)
  }
  const firstOf = (model: string, test: (payload: AdapterPayload) => boolean) =>
    objects(model).find(([, payload]) => test(payload))?.[1]

  return {
    all: (model) => [...objects(model)].map(([, payload]) => payload),
    delete: remove,
    adapter: (model) => ({
      async upsert(id, payload, expiresIn) {
        table.set(keyOf(model, id), payload, expiresIn === undefined ? undefined : clock.now() + expiresIn * 1000)
      },
      find: async (id) => payloadOf(table.get(keyOf(model, id))),
      findByUid: async (uid) => firstOf(model, (payload) => payload.uid === uid),
      findByUserCode: async () => undefined,
      async consume(id) {
        const payload = payloadOf(table.get(keyOf(model, id)))
        const now = Math.floor(clock.now() / 1000)
        // A consumed code or refresh token is kept until its own end, so that its second use is noticed.
        const end = typeof payload?.exp === 'number' ? payload.exp * 1000 : undefined
        if (payload) table.set(keyOf(model, id), { ...payload, consumed: now }, end)
      },
      destroy: async (id) => void table.delete(keyOf(model, id)),
      async revokeByGrantId(grantId) {
        if (ofGrant.has(model)) remove(model, (payload) => payload.grantId === grantId)
      },
    }),
  }
}

/** Anything that is not what was written counts as absent. */
function payloadOf(value: unknown): AdapterPayload | undefined {
  const checked = check(value)
  return checked.ok ? checked.value : undefined
}

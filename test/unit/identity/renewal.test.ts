import { describe, expect, test } from 'vitest'
import type { Issuer } from '#identity/issuer.ts'
import type { Issuers } from '#identity/issuers.ts'
import { createRenewals, type Renewals } from '#identity/renewals.ts'
import type { Session } from '#identity/session.ts'
import type { SessionStore } from '#identity/session-store.ts'
import type { IssuerTokens } from '#identity/session-tokens.ts'
import type { Refreshed } from '#identity/vouching.ts'
import type { Clock } from '#lib/clock.ts'
import { createMetrics } from '#observe/metrics.ts'
import { Secret } from '#settings/secret.ts'
import { type IdentityWorld, identityWorld, loginOf, type Replica } from '#test/support/identity-world.ts'

const minute = 60_000
const hour = 60 * minute
const issuerUrl = 'https://idp.example.com'

/** An issuer that answers refresh tokens as the test says; the real one is in test/behaviour/oidc. */
class ScriptedIssuer {
  readonly refreshed: string[] = []
  readonly revoked: string[] = []
  answer: (token: string) => Refreshed | Promise<Refreshed> = (token) => this.vouch(`${token}+`)

  vouch(refreshToken: string | undefined, more: object = {}): Refreshed {
    return {
      kind: 'vouched',
      claims: { sub: 'sub-alice', preferred_username: 'alice', groups: ['ds'], ...more },
      tokens: { refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken) },
    }
  }

  get issuers(): Issuers {
    const settings = {
      id: 'idp',
      displayName: 'idp',
      issuer: issuerUrl,
      clientId: 'gatehouse',
      scopes: ['openid'],
      usernameClaim: 'preferred_username',
      usernamePrefix: '',
      groupsClaim: 'groups',
      groupsPrefix: '',
      caFile: undefined,
      isHttpAllowed: false,
    }
    const not = () => Promise.reject(new Error('not a part of renewal'))
    const issuer: Issuer = {
      settings,
      metadata: not,
      authorizationUrl: not,
      redeem: not,
      logoutUrl: not,
      verifySignature: not,
      refresh: async (token) => {
        this.refreshed.push(token.reveal())
        return this.answer(token.reveal())
      },
      revoke: async (token) => void this.revoked.push(token.reveal()),
    }
    return { all: [issuer], byId: () => issuer, byUrl: (url) => (url === issuerUrl ? issuer : undefined) }
  }
}

const invalidGrant: Refreshed = { kind: 'refused', reason: 'code_refused', detail: 'invalid_grant' }
const unreachable: Refreshed = { kind: 'unavailable', isSent: false, detail: 'ECONNREFUSED' }
const cutOff: Refreshed = { kind: 'unavailable', isSent: true, detail: 'ECONNRESET' }

interface RenewingReplica extends Replica {
  readonly renewals: Renewals
  /** Names of the sessions that have something open. */
  readonly live: Set<string>
  /** How many renewals came out so: `ok`, `refused`, `failed`. */
  figures(): Promise<Readonly<Record<string, number>>>
}

async function renewing(
  world: IdentityWorld,
  issuer: ScriptedIssuer,
  lifetime = hour,
  clock: Clock = world.clock,
): Promise<RenewingReplica> {
  const replica = await world.replica({ sessions: { lifetime } })
  const live = new Set<string>()
  const { sessions, sealer } = replica
  const { log } = world
  const signal = new AbortController().signal
  const isLive = (name: string) => live.has(name)
  const metrics = createMetrics()
  return {
    ...replica,
    live,
    async figures() {
      const lines = (await metrics.render()).matchAll(/^gatehouse_renewals_total{outcome="(\w+)"} (\d+)$/gm)
      return Object.fromEntries([...lines].map(([, outcome = '', figure]) => [outcome, Number(figure)]))
    },
    renewals: createRenewals({
      ...{ sessions, sealer, issuers: issuer.issuers, clock, log, metrics, signal, isLive, lifetime },
    }),
  }
}

async function alice(
  sessions: SessionStore,
  tokens: IssuerTokens = { refreshToken: new Secret('r1') },
): Promise<Session> {
  const { session } = await sessions.create({
    ...loginOf('alice'),
    identity: { kind: 'person', username: 'alice', uid: 'sub-alice', groups: ['ds'] },
    ...tokens,
  })
  return session
}

/** One replica, at which alice has logged in. */
async function oneLoggedIn() {
  await using opened = new AsyncDisposableStack()
  const world = opened.use(identityWorld())
  const issuer = new ScriptedIssuer()
  const replica = await renewing(world, issuer)
  const session = await alice(replica.sessions)
  const kept = opened.move()
  return { world, issuer, replica, session, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

const tokenOf = (sessions: SessionStore, { name }: Session) => {
  const record = sessions.record(name)
  return record && sessions.tokens(record).refreshToken?.reveal()
}
const use = ({ sessions, renewals }: RenewingReplica, { name }: Session, live = false) => {
  const session = sessions.get(name)
  if (session) renewals.touch(session, { live })
}

describe('a session in use', () => {
  test('is renewed when less than ten minutes are left, and not before', async () => {
    await using one = await oneLoggedIn()
    const { world, issuer, replica, session } = one
    await world.clock.advance(50 * minute - 1)
    use(replica, session)
    await world.settle()
    expect(issuer.refreshed).toEqual([])
    await world.clock.advance(1)
    use(replica, session)
    await world.settle()
    expect(issuer.refreshed).toEqual(['r1'])
    expect(replica.sessions.get(session.name)?.expiresAt).toBe(session.createdAt + 50 * minute + hour)
    expect(tokenOf(replica.sessions, session)).toBe('r1+')
    expect(replica.sessions.record(session.name)?.spec.renewal).toBeUndefined()
    expect(await replica.figures()).toEqual({ ok: 1 })
  })

  test('gets the groups that the issuer says now', async () => {
    await using one = await oneLoggedIn()
    const { issuer, replica, session } = one
    const heard: unknown[] = []
    replica.sessions.subscribe((change) => heard.push([change.type, change.session.identity.groups]))
    issuer.answer = () => issuer.vouch('r2', { groups: ['qa'] })
    expect(await replica.renewals.renewNow(session.name)).toEqual({ kind: 'renewed' })
    expect(heard).toEqual([['changed', ['qa']]])
  })

  test('with a short life is not renewed on every request', async () => {
    await using world = identityWorld()
    const issuer = new ScriptedIssuer()
    const replica = await renewing(world, issuer, 6 * minute)
    const session = await alice(replica.sessions)
    for (let second = 0; second <= 600; second++) {
      use(replica, session)
      await world.clock.advance(1000)
    }
    expect(replica.sessions.get(session.name)).toBeDefined()
    expect(issuer.refreshed).toHaveLength(2)
  })

  test('of which nobody makes use is left to end', async () => {
    await using one = await oneLoggedIn()
    const { world, issuer, replica, session } = one
    await world.clock.advance(hour)
    expect(replica.sessions.get(session.name)).toBeUndefined()
    expect(issuer.refreshed).toEqual([])
  })

  test('never outlives its twelve hours', async () => {
    await using one = await oneLoggedIn()
    const { world, issuer, replica, session } = one
    for (let step = 0; step < 13 * 60; step++) {
      use(replica, session)
      await world.clock.advance(minute)
      const current = replica.sessions.get(session.name)
      expect(current === undefined).toBe(world.clock.now() >= session.createdAt + 12 * hour)
    }
    expect(issuer.refreshed.length).toBeGreaterThan(11)
    expect(issuer.refreshed.length).toBeLessThan(16)
  })

  test('without a refresh token, or at an issuer that is no longer configured, is not renewed', async () => {
    await using world = identityWorld()
    const issuer = new ScriptedIssuer()
    const replica = await renewing(world, issuer)
    const without = await alice(replica.sessions, {})
    expect(await replica.renewals.renewNow(without.name)).toEqual({ kind: 'not-renewable' })
    const elsewhere = await replica.sessions.create(
      loginOf('bob', { issuer: 'https://other.example', refreshToken: new Secret('x') }),
    )
    expect(await replica.renewals.renewNow(elsewhere.session.name)).toEqual({ kind: 'not-renewable' })
    expect(issuer.refreshed).toEqual([])
  })
})

describe('with something open', () => {
  test('is renewed without a single request, for as long as it is open', async () => {
    await using one = await oneLoggedIn()
    const { world, issuer, replica, session } = one
    replica.live.add(session.name)
    use(replica, session, true)
    await world.clock.advance(3 * hour)
    expect(replica.sessions.get(session.name)).toBeDefined()
    expect(issuer.refreshed).toEqual(['r1', 'r1+', 'r1++'])
    replica.live.delete(session.name)
    await world.clock.advance(hour)
    expect(replica.sessions.get(session.name)).toBeUndefined()
    expect(issuer.refreshed).toHaveLength(3)
  })

  test('is tried again while the issuer is away, and ends in time if it stays away', async () => {
    await using one = await oneLoggedIn()
    const { world, issuer, replica, session } = one
    replica.live.add(session.name)
    use(replica, session, true)
    issuer.answer = () => unreachable
    await world.clock.advance(59 * minute)
    expect(issuer.refreshed.length).toBeGreaterThan(5)
    expect(issuer.refreshed.length).toBeLessThan(25)
    expect(replica.sessions.get(session.name)?.expiresAt).toBe(session.expiresAt)
    await world.clock.advance(minute)
    expect(replica.sessions.get(session.name)).toBeUndefined()
  })

  test('recovers when the issuer comes back', async () => {
    await using one = await oneLoggedIn()
    const { world, issuer, replica, session } = one
    replica.live.add(session.name)
    use(replica, session, true)
    issuer.answer = () => unreachable
    await world.clock.advance(55 * minute)
    issuer.answer = () => issuer.vouch('r2')
    await world.clock.advance(hour)
    expect(replica.sessions.get(session.name)).toBeDefined()
  })
})

describe('a renewal', () => {
  test('[JK11.5] of fifty requests at once on three replicas asks the issuer once, however long it takes', async () => {
    await using world = identityWorld()
    const issuer = new ScriptedIssuer()
    const replicas = [await renewing(world, issuer), await renewing(world, issuer), await renewing(world, issuer)]
    const [first] = replicas
    if (!first) throw new Error('no replica')
    const session = await alice(first.sessions)
    await world.clock.advance(55 * minute)
    const crowd = Array.from({ length: 50 }, () => replicas).flat()
    const answer = Promise.withResolvers<Refreshed>()
    issuer.answer = () => answer.promise
    for (let second = 0; second < 10; second++) {
      crowd.forEach((replica) => void use(replica, session))
      await world.clock.advance(1000)
    }
    expect(issuer.refreshed).toEqual(['r1'])
    answer.resolve(issuer.vouch('r2'))
    await world.clock.advance(5000)
    for (const replica of replicas) {
      use(replica, session)
      expect(replica.sessions.get(session.name)?.expiresAt).toBeGreaterThan(session.expiresAt)
    }
    await world.clock.advance(minute)
    expect(issuer.refreshed).toEqual(['r1'])
  })

  test('refused by the issuer ends the session', async () => {
    await using one = await oneLoggedIn()
    const { issuer, replica, session } = one
    const ends: string[] = []
    replica.sessions.subscribe((change) => void (change.type === 'ended' && ends.push(change.why)))
    issuer.answer = () => invalidGrant
    expect(await replica.renewals.renewNow(session.name)).toEqual({ kind: 'ended' })
    expect(ends).toEqual(['refused-by-issuer'])
    expect(await replica.sessions.fetchRecord(session.name)).toBeUndefined()
  })

  test('that another one is at is left to it for a minute, as it is seen here, whatever the time is there', async () => {
    await using world = identityWorld()
    const issuer = new ScriptedIssuer()
    const ahead: Clock = {
      now: () => world.clock.now() + 5 * minute,
      after: (span, run) => world.clock.after(span, run),
    }
    const [slow, other] = [await renewing(world, issuer), await renewing(world, issuer, hour, ahead)]
    const session = await alice(slow.sessions)
    await world.clock.advance(51 * minute)
    issuer.answer = () => new Promise(() => undefined)
    void slow.renewals.renewNow(session.name)
    await world.settle()
    expect(await other.renewals.renewNow(session.name)).toEqual({ kind: 'claimed' })
    await world.clock.advance(minute - 1)
    expect(await other.renewals.renewNow(session.name)).toEqual({ kind: 'claimed' })
    expect(issuer.refreshed).toHaveLength(1)
    await world.clock.advance(1)
    issuer.answer = () => invalidGrant
    expect(await other.renewals.renewNow(session.name)).toEqual({ kind: 'not-renewable' })
    expect(issuer.refreshed).toHaveLength(2)
  })

  test('refused after somebody abandoned a claim ends only renewal', async () => {
    await using world = identityWorld()
    const issuer = new ScriptedIssuer()
    const [crashed, other] = [await renewing(world, issuer), await renewing(world, issuer)]
    const session = await alice(crashed.sessions)
    await world.clock.advance(51 * minute)
    issuer.answer = () => new Promise(() => undefined)
    void crashed.renewals.renewNow(session.name)
    await world.settle()
    issuer.answer = () => invalidGrant
    expect(await other.renewals.renewNow(session.name)).toEqual({ kind: 'claimed' })
    await world.clock.advance(minute)
    expect(await other.renewals.renewNow(session.name)).toEqual({ kind: 'not-renewable' })
    expect(other.sessions.get(session.name)?.expiresAt).toBe(session.expiresAt)
    expect(await other.renewals.renewNow(session.name)).toEqual({ kind: 'not-renewable' })
    expect(issuer.refreshed).toHaveLength(2)
    expect(await other.figures()).toEqual({ refused: 1 })
    await world.clock.advance(8 * minute)
    expect(other.sessions.get(session.name)).toBeUndefined()
  })

  test.each<[string, Refreshed]>([
    ['the issuer can’t be reached', unreachable],
    ['the answer was cut off', cutOff],
    ['our client secret is refused', { kind: 'refused', reason: 'client_refused', detail: '' }],
    ['the new ID token is bad', { kind: 'refused', reason: 'token_signature', detail: '' }],
    ['it was somebody else’s', { kind: 'refused', reason: 'token_subject', detail: '' }],
  ])('that fails because %s lengthens nothing and ends nothing', async (_why, answer) => {
    await using one = await oneLoggedIn()
    const { world, issuer, replica, session } = one
    await world.clock.advance(55 * minute)
    issuer.answer = () => answer
    expect(await replica.renewals.renewNow(session.name)).toMatchObject({ kind: 'failed' })
    expect(replica.sessions.get(session.name)?.expiresAt).toBe(session.expiresAt)
    issuer.answer = () => issuer.vouch('r2')
    expect(await replica.renewals.renewNow(session.name)).toEqual({ kind: 'renewed' })
    expect(await replica.figures()).toEqual({ failed: 1, ok: 1 })
  })

  test('that was cut off may have used the token up: a refusal after it ends only renewal', async () => {
    await using one = await oneLoggedIn()
    const { issuer, replica, session } = one
    issuer.answer = () => cutOff
    await replica.renewals.renewNow(session.name)
    issuer.answer = () => invalidGrant
    expect(await replica.renewals.renewNow(session.name)).toEqual({ kind: 'not-renewable' })
    expect(replica.sessions.get(session.name)).toBeDefined()
  })

  test('that never reached the issuer is no excuse for a refusal after it', async () => {
    await using one = await oneLoggedIn()
    const { issuer, replica, session } = one
    issuer.answer = () => unreachable
    await replica.renewals.renewNow(session.name)
    issuer.answer = () => invalidGrant
    expect(await replica.renewals.renewNow(session.name)).toEqual({ kind: 'ended' })
    expect(replica.sessions.get(session.name)).toBeUndefined()
  })

  test('that fails after the issuer gave a new refresh token keeps that token', async () => {
    await using one = await oneLoggedIn()
    const { issuer, replica, session } = one
    issuer.answer = () => ({ ...cutOff, tokens: { refreshToken: new Secret('r2') } })
    await replica.renewals.renewNow(session.name)
    expect(tokenOf(replica.sessions, session)).toBe('r2')
    expect(replica.sessions.get(session.name)?.expiresAt).toBe(session.expiresAt)
    issuer.answer = () => invalidGrant
    expect(await replica.renewals.renewNow(session.name)).toEqual({ kind: 'ended' })
  })

  test.each([{ preferred_username: 'mallory' }, { preferred_username: 'system:admin' }, { groups: 7 }])(
    'that names somebody who may not have this session ends it: %j',
    async (claims) => {
      await using one = await oneLoggedIn()
      const { issuer, replica, session } = one
      issuer.answer = () => issuer.vouch('r2', claims)
      expect(await replica.renewals.renewNow(session.name)).toEqual({ kind: 'ended' })
      expect(replica.sessions.get(session.name)).toBeUndefined()
      expect(issuer.revoked).toEqual(['r2'])
    },
  )

  test('of a session that is deleted meanwhile brings nothing back, and revokes the new token', async () => {
    await using world = identityWorld()
    const issuer = new ScriptedIssuer()
    const [replica, administrator] = [await renewing(world, issuer), await renewing(world, issuer)]
    const session = await alice(replica.sessions)
    const answer = Promise.withResolvers<Refreshed>()
    issuer.answer = () => answer.promise
    const renewal = replica.renewals.renewNow(session.name)
    await world.settle()
    // The watch is held back, so that only the write can tell.
    using _blind = replica.resources.hold('watch')
    await administrator.sessions.end(session.name, 'revoked')
    answer.resolve(issuer.vouch('r2'))
    expect(await renewal).toEqual({ kind: 'ended' })
    // The old one with the session, the new one when it came.
    expect(issuer.revoked).toEqual(['r1', 'r2'])
    expect(await administrator.sessions.fetchRecord(session.name)).toBeUndefined()
  })

  test('of a session that is ended here while the store can’t be reached does not lengthen it elsewhere', async () => {
    await using world = identityWorld()
    const issuer = new ScriptedIssuer()
    const [replica, other] = [await renewing(world, issuer), await renewing(world, issuer)]
    const session = await alice(replica.sessions)
    const answer = Promise.withResolvers<Refreshed>()
    issuer.answer = () => answer.promise
    const renewal = replica.renewals.renewNow(session.name)
    await world.settle()
    {
      using _down = replica.resources.fail('delete')
      await expect(replica.sessions.end(session.name, 'logged-out')).rejects.toMatchObject({
        code: 'store_unavailable',
      })
    }
    answer.resolve(issuer.vouch('r2'))
    expect(await renewal).toEqual({ kind: 'ended' })
    // The old one with the session, the new one when it came.
    expect(issuer.revoked).toEqual(['r1', 'r2'])
    expect(other.sessions.get(session.name)?.expiresAt).toBe(session.expiresAt)
  })

  test('is written when the store comes back in time', async () => {
    await using one = await oneLoggedIn()
    const { world, issuer, replica, session } = one
    const answer = Promise.withResolvers<Refreshed>()
    issuer.answer = () => answer.promise
    const renewal = replica.renewals.renewNow(session.name)
    await world.settle()
    const down = replica.resources.fail('replace')
    answer.resolve(issuer.vouch('r2'))
    await world.clock.advance(900)
    down[Symbol.dispose]()
    await world.clock.advance(5_000)
    expect(await renewal).toEqual({ kind: 'renewed' })
    expect(tokenOf(replica.sessions, session)).toBe('r2')
  })

  test('is not begun while the store can’t take the claim', async () => {
    await using one = await oneLoggedIn()
    const { issuer, replica, session } = one
    using _down = replica.resources.fail('replace')
    await expect(replica.renewals.renewNow(session.name)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(issuer.refreshed).toEqual([])
  })
})

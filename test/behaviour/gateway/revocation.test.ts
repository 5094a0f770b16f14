/** What ends a right ends at once what is open under it, for whom it concerns, and for nobody else. */
import { expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { type LiveStreams, neverEnd, openStreams } from './live-streams.ts'
import { callApi, press, revocationBound, share, withBob } from './scene.ts'

const minute = 60_000
const ref = { namespace: 'team', name: 'nb' }

/** Alice owns the workspace, bob has a share, dave one by his group. `bob-elsewhere`: bob at a workspace of his own. */
type Place = 'alice' | 'bob' | 'dave' | 'bob-elsewhere'

interface Scene {
  readonly world: World
  readonly clock: FakeClock
  readonly alice: ScriptedBrowser
  readonly bob: ScriptedBrowser
  readonly shareOfBob: string
}

interface Cause {
  readonly what: string
  act(scene: Scene): Promise<unknown>
  readonly ends: readonly Place[]
  readonly code: 1001 | 1008
  /** What the next handshake of who was thrown out is answered with. */
  readonly status: number
}

async function sessionOf(world: World, username: string) {
  const [record] = world.open.identities.sessions.find(({ spec }) => spec.username === username)
  if (!record) throw new Error(`${username} has no session`)
  return record.metadata.name
}

/** Renewal is due ten minutes ahead of the end of the hour. */
const pastRenewal = ({ clock }: Scene) => clock.advance(51 * minute)

const causes: readonly Cause[] = [
  {
    what: 'a revoked share',
    act: ({ world, alice, shareOfBob }) => callApi(world, alice, 'DELETE', api.share(ref, shareOfBob)),
    ...{ ends: ['bob'], code: 1008, status: 403 },
  },
  {
    what: 'the expiry of a share',
    act: ({ clock }) => clock.advance(30 * minute),
    ...{ ends: ['bob'], code: 1008, status: 403 },
  },
  {
    what: 'a stop',
    act: ({ world, alice }) => callApi(world, alice, 'POST', api.stop(ref)),
    ...{ ends: ['alice', 'bob', 'dave'], code: 1001, status: 424 },
  },
  {
    what: 'the deletion of the workspace',
    act: ({ world }) => world.resources.delete(workspaceKind, ref),
    ...{ ends: ['alice', 'bob', 'dave'], code: 1001, status: 403 },
  },
  {
    what: 'a logout',
    async act({ world, bob }) {
      await bob.open(`${world.origin}/`)
      await press(bob, paths.logout)
    },
    ...{ ends: ['bob', 'bob-elsewhere'], code: 1008, status: 401 },
  },
  {
    what: 'a logout at the issuer',
    act: ({ world }) => world.identityProvider.admin.endSessions('bob'),
    ...{ ends: ['bob', 'bob-elsewhere'], code: 1008, status: 401 },
  },
  {
    what: 'an administrator who ends the session',
    async act({ world }) {
      const name = await sessionOf(world, 'bob')
      const ended = await callApi(world, await world.as('carol'), 'DELETE', api.session(name))
      expect(ended.status).toBe(204)
    },
    ...{ ends: ['bob', 'bob-elsewhere'], code: 1008, status: 401 },
  },
  {
    what: 'a lock',
    act: ({ world }) => world.open.identities.sessions.setLocked(['bob']),
    ...{ ends: ['bob', 'bob-elsewhere'], code: 1008, status: 401 },
  },
  {
    what: 'a group that the issuer does not name any more at the renewal',
    act(scene) {
      scene.world.identityProvider.admin.setGroups('dave', ['other'])
      return pastRenewal(scene)
    },
    ...{ ends: ['dave', 'bob'], code: 1008, status: 403 },
  },
  {
    what: 'an issuer that refuses the renewal',
    act(scene) {
      scene.world.identityProvider.admin.revokeGrants('dave')
      return pastRenewal(scene)
    },
    ...{ ends: ['dave', 'bob'], code: 1008, status: 401 },
  },
]

test.each(causes)('$what ends every stream that it concerns within two seconds, and no other', async (cause) => {
  const clock = fakeClock(Date.now())
  using _date = dateFollows(clock)
  // The clock is set forward by half an hour at once, in which no body can have moved.
  const downloadIdle = 24 * 60 * minute
  await using world = await createWorld({
    clock,
    settings: (settings) => ({ ...settings, limits: { ...settings.limits, downloadIdle } }),
  })
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const elsewhere = await world.workspace({ name: 'mine', owner: 'bob' })
  for (const one of [app, elsewhere.app]) neverEnd(one)
  const [alice, bob, dave] = [await world.as('alice'), await world.as('bob'), await world.as('dave')]
  const expiresAt = new Date(clock.now() + 30 * minute).toISOString()
  const shareOfBob = (await share(world, alice, ref, { ...withBob, expiresAt })).name
  await share(world, alice, ref, { grantees: [{ kind: 'Group', name: 'ds' }] })
  const open = new Map<Place, LiveStreams>([
    ['alice', await openStreams(alice, url)],
    ['bob', await openStreams(bob, url)],
    ['dave', await openStreams(dave, url)],
    ['bob-elsewhere', await openStreams(bob, elsewhere.url)],
  ])
  for (const streams of open.values()) expect(await streams.work()).toBe(true)

  const began = performance.now()
  await cause.act({ world, clock, alice, bob, shareOfBob })
  for (const [place, streams] of open) {
    if (!cause.ends.includes(place)) continue
    const closed = await streams.socket.closed
    expect(closed.code).toBe(cause.code)
    const ends = [closed, await streams.events.ended, await streams.download.ended]
    for (const { at } of ends) expect(at - began).toBeLessThan(revocationBound)
    // A part is never taken for the whole.
    expect((await streams.download.ended).whole).toBe(false)
  }
  for (const [place, streams] of open)
    expect([place, await streams.work()]).toEqual([place, !cause.ends.includes(place)])
  const [first] = cause.ends
  const thrownOut = { alice, bob, dave, 'bob-elsewhere': bob }[first ?? 'bob']
  expect((await refusedSocket(thrownOut, url)).status).toBe(cause.status)
  for (const streams of open.values()) streams[Symbol.dispose]()
})

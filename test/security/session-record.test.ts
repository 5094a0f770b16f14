/** Somebody who may write the records of sessions puts another person, more groups or more time into one: its own, which he has the cookie of. */
import { describe, expect, test } from 'vitest'
import { sessionKind } from '#identity/session-record.ts'
import { cookieFor, revocationBound } from '#test/behaviour/gateway/scene.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'

const edits: readonly (readonly [what: string, spec: Readonly<Record<string, unknown>>])[] = [
  ["somebody else's name", { username: 'alice', uid: 'alice', subject: 'alice' }],
  ['the group of the administrators', { groups: ['administrators'] }],
  ['more time', { expiresAt: '2100-01-01T00:00:00Z', notAfter: '2100-01-01T00:00:00Z' }],
  ['no seal', { seal: null }],
]

describe("bob's session ends on both replicas, sockets and all, when somebody writes into its record", () => {
  test.each(edits)('#111 %s', async (_what, spec) => {
    await using world = await createWorld()
    const hers = await world.workspace({ name: 'hers', owner: 'alice' })
    const his = await world.workspace({ name: 'his', owner: 'bob' })
    const [alice, bob] = [await world.as('alice'), await world.as('bob')]
    const other = await world.replica()
    await world.until(() => other.open.workspaces.directory.get(his.ref)?.state.phase === 'Running', 'his is known')
    await alice.open(hers.url)
    for (const { url } of [his, hers]) await bob.open(url)
    const ports = [world.port, other.port]
    const ask = async (url: string) => {
      const headers = cookieFor(bob, url)
      return Promise.all(ports.map(async (port) => (await plainRequest(url, { port, headers })).status))
    }
    expect([await ask(his.url), await ask(hers.url)]).toEqual([
      [200, 200],
      [403, 403],
    ])
    using ofAlice = await openSocket(alice, hers.url)
    using first = await openSocket(bob, his.url)
    using second = await openSocket(bob, his.url, { port: other.port })
    const [record] = world.open.identities.sessions.find((one) => one.spec.username === 'bob')
    if (!record) throw new Error('bob has no session')
    const began = performance.now()
    await world.resources.patchSpec(sessionKind, record.metadata, spec)
    for (const { closed } of [first, second])
      expect(await closed).toMatchObject({ code: 1008, reason: 'session ended' })
    expect(performance.now() - began).toBeLessThan(revocationBound)
    expect([await ask(his.url), await ask(hers.url)]).toEqual([
      [401, 401],
      [401, 401],
    ])
    expect(ofAlice.isOpen()).toBe(true)
    const ends = world.audit.filter(({ event }) => event === 'session-ended')
    expect(ends[0]).toMatchObject({ user: 'bob', session: record.metadata.name, reason: 'altered' })
    expect(world.lines.join('')).toContain(`"reason":"seal:${'seal' in spec ? 'unsealed' : 'altered'}"`)
  })
})

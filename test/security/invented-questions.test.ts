/**
 * The gateway may ask the API server about anybody. Whoever could choose what it asks, or how often, would have it search for names, or keep the
 * API server busy: so a question follows a grant for a workspace that exists, and the same one is put at most once in a while.
 */
import { describe, expect, test } from 'vitest'
import { api, openPath, paths, sharePath } from '#surface/urls.ts'
import { callApi } from '#test/behaviour/gateway/scene.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { requestText, useTenants, websocketFields } from '#test/support/tenants.ts'
import { createWorld } from '#test/support/world.ts'
import { placeOf } from '#workspace/address.ts'

const invented = [
  { namespace: 'team', name: 'ghost' },
  { namespace: 'kube-system', name: 'a' },
  { namespace: 'nowhere', name: 'nothing' },
] as const

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const reviewer = scriptedReviewer()
  const tenants = useTenants({ mode, reviewer })

  test('#102 nobody makes the gateway ask about names that he invents, or about workspaces where he has no grant', async () => {
    const { world, a, b, bob, ask } = tenants()
    reviewer.asked.length = 0
    const places = [...invented, a.ref].flatMap((ref) => [undefined, 22, 8501].map((port) => ({ ref, port })))
    for (const { ref, port } of places) {
      const { host, prefix } = placeOf(world.open.site, ref, port)
      const own = bob.cookieHeader(world.url(ref)) ?? ''
      const variants = [b.cookie, own, ''].flatMap((cookie) =>
        [[], websocketFields].map((fields) => ({ cookie, fields })),
      )
      for (const target of [prefix, paths.status])
        for (const variant of variants) await ask(requestText({ target, host: `${host}:${world.port}`, ...variant }))
      expect((await bob.open(world.url(ref, port))).status).toBeGreaterThanOrEqual(400)
    }
    expect(reviewer.asked).toEqual([])
  })

  test('#102 nor by the console, the API, or a share of one’s own that names others', async () => {
    const { world, a, b, bob } = tenants()
    await bob.open(`${world.origin}/`)
    await bob.fetch(`${world.origin}${api.explain(b.ref)}?user=bob`)
    reviewer.asked.length = 0
    const grantees = [{ kind: 'User', name: 'mallory' }]
    for (const ref of [...invented, a.ref]) {
      for (const path of [api.workspace, api.events, api.logs, api.shares, openPath, sharePath])
        expect((await bob.fetch(world.origin + path(ref))).status).toBe(404)
      expect((await bob.fetch(`${world.origin}${api.explain(ref)}?user=root&group=system:masters`)).status).toBe(404)
      for (const path of [api.start, api.stop, api.shares])
        expect((await callApi(world, bob, 'POST', path(ref), { grantees })).status).toBe(404)
    }
    expect(
      (await callApi(world, bob, 'POST', api.shares(b.ref), { grantees, workspaces: ['ghost', 'a'] })).status,
    ).toBe(404)
    const asked = reviewer.asked.filter(
      ({ action }) => action.resource !== 'workspaceconnections' || action.name !== undefined,
    )
    expect(asked).toEqual([])
    expect(new Set(reviewer.asked.map(({ subject, namespace }) => `${subject.username} ${namespace}`))).toEqual(
      new Set(reviewer.asked.length === 0 ? [] : ['bob team']),
    )
  })
})

test('#102 a thousand requests of somebody whom RBAC refuses are one question in two seconds', async () => {
  const clock = fakeClock(Date.now())
  const reviewer = scriptedReviewer('denied')
  await using world = await createWorld({ reviewer, clock })
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  reviewer.asked.length = 0
  for (let round = 0; round < 5; round += 1) {
    await clock.advance(2_000)
    await Promise.all(Array.from({ length: 200 }, () => alice.tab().navigate(url)))
  }
  expect(reviewer.asked).toHaveLength(5)
})

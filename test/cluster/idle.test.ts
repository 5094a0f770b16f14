/** A stop for want of activity on the real API server, whole: two replicas, somebody else's operator, and every request that either of them sends. */
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '#lib/clock.ts'
import { thisMachine } from '#test/support/browser-session.ts'
import { kubectl } from '#test/support/cluster.ts'
import { installPolicies } from '#test/support/cluster-install.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openServed } from '#test/support/served-cluster.ts'
import { openSocket } from '#test/support/workspace-socket.ts'

const patience = { timeout: 60_000, interval: 250 }
const idleShutdown = { enabled: true, idleTimeoutInMinutes: 1, detection: {} }

describeWith('cluster', 'a workspace that nobody uses any more', () => {
  test('is stopped once: one write, one Event, one line with the evidence; its sockets close with 1001, its pod goes, and no poll wakes it', {
    timeout: 180_000,
  }, async () => {
    let ahead = 0
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
    await using world = await openServed({ clock })
    const { namespace, team, proxy } = world
    await using _ = await installPolicies({ account: world.account.username, namespaces: [namespace, team] })
    const replicas = [await world.start(), await world.start()]
    await world.workspace('left', 'alice', { spec: { appType: 'streamlit', idleShutdown } })
    await world.workspace('stays', 'alice')
    const [url, alice] = [world.url('left'), await world.as('alice')]
    await openWhenRunning(alice, url)
    const sockets = []
    for (const { port } of replicas) sockets.push(await openSocket(alice, url, { port, lookup: thisMachine }))
    const of = (name: string, path: string) => kubectl(['get', 'workspace', name, '-n', team, '-o', `jsonpath=${path}`])
    const activities = () => world.ours(['get', 'workspaceactivities', '-o', 'wide'])
    // Its start is known, and so counts from then on.
    await expect.poll(() => world.ours(['get', 'workspaceactivities', '-o', 'json']), patience).toContain('"since"')
    expect(await activities()).toContain(url)

    ahead = 75_000
    for (const socket of sockets)
      expect(await socket.closed).toMatchObject({ code: 1001, reason: 'workspace stopping' })
    expect(await of('left', '{.spec.desiredStatus}')).toBe('Stopped')
    expect(await of('stays', '{.spec.desiredStatus}')).toBe('Running')
    const pods = () => kubectl(['get', 'pods', '-n', team, '-o', 'name'])
    await expect.poll(pods, patience).not.toContain('left')

    const headers = { Cookie: alice.cookieHeader(url) ?? '', 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Site': 'same-origin' }
    for (const { port } of replicas) {
      const { status, headers: told } = await plainRequest(`${url}api/kernels`, { headers, port })
      expect([status, told['retry-after']]).toEqual([424, '30'])
    }
    const events = ['get', 'events', '-n', team, '--field-selector=reason=IdleShutdown', '-o', 'json']
    await expect.poll(async () => JSON.parse(await kubectl(events)).items.length, patience).toBe(1)
    const stops = replicas.flatMap(({ lines }) => lines).filter((line) => line.includes('"event":"stop"'))
    expect(stops.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ workspace: `${team}/left`, reason: 'idle', evidence: expect.anything() }),
    ])
    const writes = proxy.seen.filter(({ method, path, query, status }) => {
      return method === 'PATCH' && path.endsWith('/workspaces/left') && !query.has('dryRun') && (status ?? 500) < 300
    })
    expect(writes.length).toBe(1)
    expect(await of('left', '{.spec.desiredStatus}')).toBe('Stopped')
  })
})

/**
 * Stops for want of activity on the real API server, whole: three replicas, of which the first leads and is a process of its own that is killed; somebody
 * else's operator; and every request that any of them sends. Clocks are put forward, that of the API server with them; those of all replicas but the
 * first are five minutes ahead.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '#lib/clock.ts'
import { auditedWrites } from '#test/support/audit-log.ts'
import { thisMachine } from '#test/support/browser-session.ts'
import { apply } from '#test/support/cluster-api.ts'
import { installPolicies } from '#test/support/cluster-install.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { testImage } from '#test/support/echo-container.ts'
import type { SeenRequest } from '#test/support/fault-proxy.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openServed } from '#test/support/served-cluster.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { idleDefaultAnnotation } from '#workspace/template.ts'

const seconds = 1_000
const patience = { timeout: 60 * seconds, interval: 250 }
const idleShutdown = (minutes: number) => ({ enabled: true, idleTimeoutInMinutes: minutes, detection: {} })

describeWith('cluster', 'a workspace that nobody uses any more', () => {
  test('[SP14.1] [SP14.2] [SP14.3] [JK13.2] [AC5.1] is stopped once, also when the replica that leads is killed, and not while the API server is away: one write, one Event, one line with the evidence; its sockets close with 1001, its pod goes, and no poll wakes it. One that was used while it was away, by a replica that could not say so, runs on when it is back; as does one that was used by that replica alone and right before it was killed, though the clocks of all others are ahead by more than its timeout, and nothing is written to it', {
    timeout: 180 * seconds,
  }, async () => {
    const clock = leapingClock(systemClock)
    // By more than the timeout of the one that is used. Whoever decides after the first one is so far ahead of it.
    const apart = 5 * 60 * seconds
    const early: Clock = { ...clock, now: () => clock.now() + apart }
    await using world = await openServed({ clock })
    const { namespace, team, proxy } = world
    await using _ = await installPolicies({ account: world.account.username, namespaces: [namespace, team] })
    const first = await world.start({ isProcess: true })
    const others = [await world.start({ clock: early }), await world.start({ clock: early })]
    // For all of the world; the store is a part of it.
    const leap = async (span: number) => {
      await proxy.time.leap(span)
      clock.leap(span)
      first.process?.leap(span)
    }
    // Of the first one nobody but Gatehouse knows that it is to be stopped.
    await apply(templateOf(team))
    await world.workspace('left', 'alice', { spec: { appType: 'streamlit', templateRef: { name: template } } })
    await world.workspace('used', 'alice', { spec: { appType: 'streamlit', idleShutdown: idleShutdown(4) } })
    await world.workspace('stays', 'alice')
    const [url, used, alice] = [world.url('left'), world.url('used'), await world.as('alice')]
    for (const one of [url, used]) await openWhenRunning(alice, one)
    const startedAt = clock.now()
    const sockets: Awaited<ReturnType<typeof openSocket>>[] = []
    for (const { port } of others) {
      // Each of them learns by itself that it is ready.
      const open = () =>
        openSocket(alice, url, { port, lookup: thisMachine }).then(
          (socket) => sockets.push(socket),
          () => 0,
        )
      await expect.poll(open, patience).toBeGreaterThan(0)
    }
    const of = (name: string, path: string) => world.do(['get', 'workspace', name, '-o', `jsonpath=${path}`])
    const recordsOf = async (name: string): Promise<readonly RecordSpec[]> => {
      const { items } = JSON.parse(await world.ours(['get', 'workspaceactivities', '-o', 'json']))
      return items
        .map(({ spec }: { spec: RecordSpec }) => spec)
        .filter(({ workspace }: RecordSpec) => workspace.name === name)
    }
    // Its start is known, and so counts from then on.
    const isKnown = ({ run }: RecordSpec) => run !== undefined
    await expect
      .poll(
        async () =>
          (await recordsOf('left')).find(isKnown) ?? (await world.ours(['get', 'workspaceactivities', '-o', 'wide'])),
        patience,
      )
      .toMatchObject({ run: {} })
    expect(await world.ours(['get', 'workspaceactivities', '-o', 'wide'])).toContain(url)
    const generation = Number(await of('left', '{.metadata.generation}'))
    const version = '{.metadata.resourceVersion}'
    const untouched = [await of('used', version), await of('stays', version)]

    const cookies = (to: string) =>
      alice.cookies.header({ url: new URL(to), isSameSite: true, isSafeNavigation: true }) ?? ''
    const navigation = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-User': '?1' }
    const ask = async (port: number, query: string, fields: Record<string, string> = {}) => {
      const headers = { Cookie: cookies(used), ...fields }
      return (await plainRequest(used + query, { port, headers })).status
    }
    const visit = (port: number) => ask(port, '', { ...navigation, 'Sec-Fetch-Site': 'none' })
    const deciders = async () =>
      (await recordsOf('used')).flatMap(({ replica, verdict }) =>
        verdict ? [{ replica, reason: verdict.reason }] : [],
      )
    await expect.poll(deciders, patience).toHaveLength(1)
    const [former] = await deciders()
    /** That the first one wrote, or all others. */
    const gesture = async (isOfFirst: boolean) => {
      const records = (await recordsOf('used')).filter(({ replica }) => (replica === former?.replica) === isOfFirst)
      return Math.max(0, ...records.map(({ interactive = '1970-01-01T00:00:00Z' }) => Date.parse(interactive)))
    }
    const wishes = async () => [await of('left', '{.spec.desiredStatus}'), await of('used', '{.spec.desiredStatus}')]

    // The one that leads knows of nothing by which either of them is not idle when the API server is back.
    await leap(startedAt + 190 * seconds - clock.now())
    // Whether she may was asked long ago, by this time; to ask again is nobody's gesture.
    await expect.poll(() => ask(others[0]?.port ?? 0, '?no_track_activity=1'), patience).toBe(200)
    expect(await gesture(false)).toBe(0)
    // The one that leads has three seconds until it needs the API server next, and is to go on leading.
    const renewals = () => proxy.seen.filter(isRenewal).length
    const before = renewals()
    await expect.poll(renewals, { ...patience, interval: 20 }).toBeGreaterThan(before)
    {
      // For longer than the timeout of one that nobody uses.
      using _down = proxy.outage()
      expect(await visit(others[0]?.port ?? 0)).toBe(200)
      await leap(62 * seconds)
      await delay(seconds)
    }
    await expect.poll(() => gesture(false), patience).toBeGreaterThan(startedAt + apart + 180 * seconds)
    expect(clock.now()).toBeGreaterThan(startedAt + 245 * seconds)
    expect(await wishes()).toEqual(['Running', 'Running'])

    // As at minute 28 of 30: it would be stopped eight seconds from now.
    await leap(startedAt + 422 * seconds - clock.now())
    await expect.poll(() => visit(first.port), patience).toBe(200)
    await expect.poll(() => gesture(true), patience).toBeGreaterThan(startedAt + 410 * seconds)
    // It has led all the while.
    expect(first.lines.filter((line) => line.includes('"component":"leader"'))).toEqual([
      expect.stringContaining('does the housekeeping'),
    ])
    await first.process?.kill()
    await leap(62 * seconds)
    const again = await world.start({ isProcess: true })
    again.process?.leap(early.now() - systemClock.now())

    for (const socket of sockets)
      expect(await socket.closed).toMatchObject({ code: 1001, reason: 'workspace stopping' })
    expect(await of('left', '{.spec.desiredStatus}')).toBe('Stopped')
    await expect.poll(() => world.do(['get', 'pods', '-o', 'name']), patience).not.toContain('workspace-left-')
    const headers = { Cookie: cookies(url), 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Site': 'same-origin' }
    for (const { port } of [...others, again]) {
      const { status, headers: told } = await plainRequest(`${url}api/kernels`, { headers, port })
      expect([status, told['retry-after']]).toEqual([424, '30'])
    }
    // Whoever decides now knows when that gesture was, by the time of the API server.
    const present = async () => (await deciders()).filter(({ replica }) => replica !== former?.replica)
    // Another one may have decided in between, and left what it had not heard yet.
    await expect.poll(present, patience).toContainEqual(expect.objectContaining({ reason: 'active' }))
    const events = ['get', 'events', '--field-selector=reason=IdleShutdown', '-o', 'json']
    await expect.poll(async () => JSON.parse(await world.do(events)).items.length, patience).toBe(1)
    const stops = [first, ...others, again]
      .flatMap(({ lines }) => lines)
      .filter((line) => line.includes('"event":"stop"'))
    expect(stops.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ workspace: `${team}/left`, reason: 'idle', evidence: expect.anything() }),
    ])
    const writes = proxy.seen.filter(({ method, path, query, status }) => {
      const isOfWorkspace = /\/workspaces\/[^/]+$/.test(path)
      return method === 'PATCH' && isOfWorkspace && !query.has('dryRun') && (status ?? 500) < 300
    })
    expect(writes.map(({ path }) => path.split('/').at(-1))).toEqual(['left'])
    // By the API server's own word, where it keeps one.
    const audited = (await auditedWrites(team))?.filter(({ verb, status }) => verb === 'patch' && status < 300)
    if (audited) expect(audited).toEqual([{ name: 'left', verb: 'patch', user: world.account.username, status: 200 }])
    // Nobody else wrote to it either.
    expect(Number(await of('left', '{.metadata.generation}'))).toBe(generation + 1)
    // Later than it would have been stopped for want of that gesture.
    expect(clock.now()).toBeGreaterThan(startedAt + 435 * seconds)
    expect([await of('used', '{.spec.desiredStatus}'), await of('stays', '{.spec.desiredStatus}')]).toEqual([
      ...['Running', 'Running'],
    ])
    // Where people open it, what was last done in it and why it is not idle are told beside it, and by nothing in it.
    expect([await of('used', version), await of('stays', version)]).toEqual(untouched)
    const told = await world.ours(['get', 'workspaceactivities', '-o', 'wide'])
    expect(told.split('\n').find((line) => / used .* active /.test(line))).toContain(used)
  })
})

function isRenewal({ method, path, status }: SeenRequest): boolean {
  return method === 'PATCH' && path.endsWith('/leases/gatehouse-housekeeping') && status === 200
}

/** As far as it is looked at. */
interface RecordSpec {
  readonly workspace: { readonly name: string }
  readonly replica: string
  readonly verdict?: { readonly reason: string }
  readonly interactive?: string
  readonly run?: object
}

const template = 'gatehouse-decides'

function templateOf(namespace: string): object {
  const annotations = { [idleDefaultAnnotation]: JSON.stringify(idleShutdown(1)) }
  return {
    ...{ apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'WorkspaceTemplate' },
    metadata: { namespace, name: template, annotations },
    spec: { displayName: 'Gatehouse decides', defaultImage: testImage, idleShutdownOverrides: { allow: false } },
  }
}

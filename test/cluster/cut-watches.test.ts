/** Two replicas of `gatehouse serve` whose watches break in every way there is, while shares and workspaces change: what each of them decides by is never wrong for long. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { mergeObject } from '#test/support/cluster-api.ts'
import { type InstalledPolicies, installPolicies } from '#test/support/cluster-install.ts'
import { openShareChanger, type ShareChanger } from '#test/support/cluster-site/share-changer.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { workspaceManifest } from '#test/support/pod-world.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openServed, type ServedCluster, type ServedReplica } from '#test/support/served-cluster.ts'
import { until } from '#test/support/until.ts'

const seconds = 1_000
const bound = 2 * seconds

/** The last segment of each path that the gateway watches. */
const watched = [
  ...['workspaces', 'workspaceshares', 'workspacemanagers', 'workspacesessions', 'secrets', 'leases'],
  ...['pods', 'replicasets', 'deployments'],
]

describeWith('cluster', 'watches that break', () => {
  let world: ServedCluster
  let policies: InstalledPolicies
  let replicas: readonly ServedReplica[]
  let shares: ShareChanger
  let alice: ScriptedBrowser
  let bob: ScriptedBrowser
  let url: string
  beforeAll(async () => {
    world = await openServed()
    policies = await installPolicies({ account: world.account.username, namespaces: [world.namespace, world.team] })
    replicas = [await world.start(), await world.start()]
    shares = openShareChanger(world.team)
    await world.workspace('nb', 'alice')
    url = world.url('nb')
    alice = await world.as('alice')
    bob = await world.as('bob')
    await openWhenRunning(alice, url)
    // For the cookie of that host.
    expect((await bob.open(url)).status).toBe(403)
  }, 120_000)
  afterAll(async () => {
    shares?.[Symbol.dispose]()
    await world?.[Symbol.asyncDispose]()
    await policies?.[Symbol.asyncDispose]()
  })

  const ask = async ({ port }: ServedReplica, browser: ScriptedBrowser, to = url) => {
    const cookie = browser.cookies.header({ url: new URL(to), isSameSite: true, isSafeNavigation: false }) ?? ''
    const answer = await plainRequest(to, { port, headers: { Cookie: cookie } }).catch(() => undefined)
    // An app that is stopped in the middle of its answer ends it there.
    return answer?.status ?? 0
  }
  /** Milliseconds until the last of them answered so. */
  const everyReplica = async (browser: ScriptedBrowser, answers: (status: number) => boolean, to = url) => {
    const began = performance.now()
    const one = (replica: ServedReplica) =>
      until(async () => (answers(await ask(replica, browser, to)) ? true : undefined))
    await Promise.all(replicas.map(one))
    return performance.now() - began
  }
  const letsIn = (status: number) => status === 200
  const keepsOut = (status: number) => status === 403
  const isStopped = (status: number) => status === 424
  const wish = (desiredStatus: string) =>
    mergeObject(workspaceManifest(world.team, 'other'), { spec: { desiredStatus } })
  /** Gives and starts, or takes and stops; how long each of the two took to be so everywhere. */
  const change = async (isOn: boolean) => {
    await (isOn ? shares.share('nb', { users: ['bob'] }) : shares.revoke('nb'))
    const shared = await everyReplica(bob, isOn ? letsIn : keepsOut)
    await wish(isOn ? 'Running' : 'Stopped')
    const isSo = (status: number) => isStopped(status) !== isOn
    return [shared, await everyReplica(alice, isSo, world.url('other'))]
  }
  /** Whose workspace it is works in it all the while, by every replica. */
  const worksFor = async (span: number) => {
    const end = Date.now() + span
    do {
      for (const replica of replicas) expect(await ask(replica, alice)).toBe(200)
      await delay(100)
    } while (Date.now() < end)
  }

  test('every 2 s for 30 s: no change of a share or a workspace is lost, and each replica follows within 2 s', {
    timeout: 120_000,
  }, async () => {
    // No machine takes its pods: what is followed here is the wish, and dozens of pods would keep everybody busy.
    const spec = { desiredStatus: 'Stopped', nodeSelector: { no: 'where' } }
    await world.workspace('other', 'alice', { spec })
    await alice.open(world.url('other'))
    await everyReplica(alice, isStopped, world.url('other'))
    const cuts: number[] = []
    const cutting = setInterval(() => cuts.push(world.proxy.cutWatches()), 2 * seconds)
    const took: number[] = []
    const end = Date.now() + 30 * seconds
    // For longer where the machine is busy with something else: so many changes it is.
    while (Date.now() < end || took.length <= 20) {
      took.push(...(await change(true)), ...(await change(false)))
    }
    clearInterval(cutting)
    expect(cuts.length).toBeGreaterThan(10)
    expect(Math.min(...cuts)).toBeGreaterThan(0)
    expect(Math.max(...took)).toBeLessThan(bound)
  })

  test('#83 [JK12.3] by 410 Gone, by a dropped connection, and by an outage of 5 s: routes keep working, and what changed meanwhile is in force right after', {
    timeout: 90_000,
  }, async () => {
    {
      // All may have been cut by what was before this, a moment ago.
      await until(() => (world.proxy.cutWatches() > 0 ? true : undefined))
      using _ = world.proxy.refuse(410, { which: ({ isWatch }) => isWatch })
      await shares.share('nb', { users: ['bob'] })
      await worksFor(2 * seconds)
    }
    await everyReplica(bob, letsIn)
    await until(() => (world.proxy.cutWatches() > 0 ? true : undefined))
    await shares.revoke('nb')
    await worksFor(0)
    await everyReplica(bob, keepsOut)
    {
      using _ = world.proxy.outage()
      await shares.share('nb', { users: ['bob'] })
      await worksFor(5 * seconds)
    }
    await everyReplica(bob, letsIn)
    await shares.revoke('nb')
    await everyReplica(bob, keepsOut)
  })

  test('by hanging without a word: each of them is found within 15 s, whatever it is of, and asked for again', {
    timeout: 60_000,
  }, async () => {
    const kindOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
    // One that ended this moment is on its way back.
    const hung = await until(() => {
      const open = world.proxy.hangWatches()
      const kinds = new Set(open.map(({ path }) => kindOf(path)))
      return watched.every((kind) => kinds.has(kind)) ? open : undefined
    })
    const [began, mark] = [Date.now(), world.proxy.seen.length]
    const paths = new Map(hung.map(({ path }) => [path, hung.filter((one) => one.path === path).length]))
    await until(() => {
      const later = world.proxy.seen.slice(mark).filter(({ method }) => method === 'GET')
      const isAsked = ([path, count]: [string, number]) => later.filter((one) => one.path === path).length >= count
      return [...paths].every(isAsked) ? true : undefined
    })
    expect(Date.now() - began).toBeLessThan(15 * seconds)
    for (const replica of replicas) expect(await ask(replica, alice)).toBe(200)
  })
})

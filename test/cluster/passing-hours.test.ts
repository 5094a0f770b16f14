/**
 * What takes minutes and hours, on the real API server: two replicas, a real OpenID provider and all that they keep in the cluster. Hours pass at once, for
 * the replicas and the provider alike.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { cookieFor, share } from '#test/behaviour/gateway/scene.ts'
import { type ScriptedBrowser, thisMachine } from '#test/support/browser-session.ts'
import { listObjects } from '#test/support/cluster-api.ts'
import { installPolicies } from '#test/support/cluster-install.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import type { SeenRequest } from '#test/support/fault-proxy.ts'
import { passingClock } from '#test/support/passing-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { rbacSays } from '#test/support/rbac-says.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openServed, type ServedCluster, type ServedReplica } from '#test/support/served-cluster.ts'
import { until } from '#test/support/until.ts'
import { openSocket } from '#test/support/workspace-socket.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const revocationBound = 2 * second
const patience = { timeout: 30 * second, interval: 50 }

interface SessionObject {
  readonly spec: {
    readonly username: string
    readonly createdAt: string
    readonly expiresAt: string
    readonly notAfter: string
    readonly groups: readonly string[]
  }
}

interface ActivityObject {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly workspace: { readonly name: string }; readonly interactive?: string }
}

/** Of workspaces that are at work. */
const timeouts = new Map([
  ['brief', 2 * minute],
  ['long', 30 * minute],
])

describeWith('cluster', 'two replicas, while hours pass', () => {
  const clock = passingClock()
  const opened = new AsyncDisposableStack()
  let world: ServedCluster
  let replicas: readonly ServedReplica[]
  let url: string
  beforeAll(async () => {
    opened.use(dateFollows(clock))
    world = opened.use(await openServed({ clock }))
    const { account, namespace, team } = world
    opened.use(await installPolicies({ account: account.username, namespaces: [namespace, team] }))
    replicas = [await world.start(), await world.start()]
    await world.workspace('nb', 'alice')
    url = world.url('nb')
    const alice = await world.as('alice')
    await openWhenRunning(alice, url)
    const ref = { namespace: team, name: 'nb' }
    await share(world, alice, ref, { grantees: [{ kind: 'Group', name: 'ds' }] })
  }, 120_000)
  afterAll(() => opened.disposeAsync(), 60_000)

  /** What a script of that very place is answered, by each replica. */
  const ask = ({ port }: ServedReplica, browser: ScriptedBrowser, to: string, fields = {}) =>
    plainRequest(to, { port, headers: { ...cookieFor(browser, to), ...fields } }).then(({ status }) => status)
  const statuses = (browser: ScriptedBrowser, to: string) =>
    Promise.all(replicas.map((replica) => ask(replica, browser, to)))
  /** What they know of pods has to be confirmed again first. */
  const areAnswered = (browser: ScriptedBrowser, to: string, ...expected: readonly number[]) =>
    expect.poll(() => statuses(browser, to), patience).toEqual(expected)
  /** Nothing new is connected to a pod before it has been confirmed again where it is. */
  const socketsOf = (browser: ScriptedBrowser, to: string) =>
    Promise.all(
      replicas.map(({ port }) =>
        until(() => openSocket(browser, to, { port, lookup: thisMachine }).catch(() => undefined)),
      ),
    )
  /** The newest one. */
  const sessionOf = async (username: string): Promise<SessionObject['spec'] | undefined> => {
    const kind = { apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceSession', namespace: world.namespace }
    const all = (await listObjects<SessionObject>(kind)).map(({ spec }) => spec)
    const theirs = all.filter((spec) => spec.username === username)
    return theirs.sort((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt))[0]
  }
  const expiryOf = async (username: string) => Date.parse((await sessionOf(username))?.expiresAt ?? '')
  /** The time goes on to where the session is due, and it is renewed, which each of them hears of. */
  const passUntilRenewed = async (username: string, browser: ScriptedBrowser) => {
    const before = await expiryOf(username)
    clock.pass(51 * minute)
    await expect.poll(() => expiryOf(username), patience).toBeGreaterThan(before)
    const renewed = await expiryOf(username)
    await expect.poll(() => knownExpiries(browser), patience).toEqual([renewed, renewed])
  }
  /** A session that is not due is renewed by no request. */
  const knownExpiries = (browser: ScriptedBrowser) =>
    Promise.all(
      replicas.map(async ({ port }) => {
        const to = world.origin + api.whoami
        const { body } = await plainRequest(to, { port, headers: cookieFor(browser, to) })
        return Date.parse(JSON.parse(body).session?.expiresAt)
      }),
    )

  test('[JK13.3] however much goes on in workspaces, a replica writes the record of each at most every minute, or every tenth of a shorter timeout', {
    timeout: 150_000,
  }, async () => {
    const alice = await world.as('alice')
    await beginWork(alice)
    // Each of them has written down that somebody works there.
    await expect.poll(() => work(alice).then(records), patience).toHaveLength(4)
    const all = await records()
    const before = new Map(all.map(({ metadata: { name } }) => [name, writesOf(name)]))
    const began = clock.now()
    for (let rounds = 1; rounds <= 26 || clock.now() < began + 75 * second; rounds += 1) {
      await work(alice)
      if (rounds % 3 === 0) await leap(5 * second)
    }
    const span = clock.now() - began
    for (const { metadata, spec } of all) {
      const every = Math.min(minute, (timeouts.get(spec.workspace.name) ?? 0) / 10)
      const counted = writesOf(metadata.name) - (before.get(metadata.name) ?? 0)
      expect(counted, spec.workspace.name).toBeLessThanOrEqual(Math.floor(span / every) + 1)
      // It becomes due within a leap, and is written behind it.
      expect(counted, spec.workspace.name).toBeGreaterThanOrEqual(Math.floor(span / (every + 10 * second)))
    }
    await world.do(['delete', 'workspace', ...timeouts.keys()])
  })

  test('[JK4.4] what RBAC said is fresh for 25 s, stands for 5 min while the API server is away, and is dropped by a change of a workspace or a share within 2 s', {
    timeout: 90_000,
  }, async () => {
    const { team, proxy } = world
    await world.workspace('open', 'alice', { spec: { accessType: 'Public' } })
    const to = world.url('open')
    const [alice, bob, dave] = [await world.as('alice'), await world.as('bob'), await world.as('dave')]
    await openWhenRunning(bob, to)
    // He has a cookie of that place; whether he may was asked too long ago in the end.
    await openWhenRunning(dave, to)
    await isFreshAsLong(bob, to)

    const ref = { namespace: team, name: 'open' }
    const renamed = JSON.stringify({ spec: { displayName: 'Another name' } })
    await isDroppedBy(() => share(world, alice, ref, { grantees: [{ kind: 'User', name: 'carol' }] }), bob, to)
    await isDroppedBy(() => world.do(['patch', 'workspace', 'open', '--type=merge', '-p', renamed]), bob, to)

    await openWhenRunning(alice, to)
    clock.pass(6 * minute)
    // Pods are believed to be where they were for a minute and a half: it was confirmed just now.
    const sockets = await socketsOf(alice, to)
    await areAnswered(alice, to, 200, 200)
    const away = clock.now()
    {
      using _ = proxy.outage()
      while (clock.now() < away + 4 * minute) {
        await passSlowly(20 * second)
        for (const socket of sockets) expect((await socket.ask('here')).toString()).toBe('here')
        if (clock.now() < away + minute) expect(await statuses(alice, to)).toEqual([200, 200])
      }
      // Nobody new is let in, and nobody is told a no that nobody said.
      expect(await statuses(dave, to)).toEqual([503, 503])
      while (clock.now() < away + 5 * minute + 10 * second) await passSlowly(20 * second)
      for (const { closed } of sockets)
        expect(await closed).toMatchObject({ code: 1008, reason: 'access not confirmed' })
      expect(await statuses(alice, to)).toEqual([503, 503])
    }
    clock.pass(30 * second)
    await areAnswered(alice, to, 200, 200)
    await mayConnect('bob', true)
  })

  test('[JK11.2] a session is good for an hour, renewed in silence ahead of that, and over on all of them after twelve hours', {
    timeout: 90_000,
  }, async () => {
    const dave = await world.as('dave')
    await openWhenRunning(dave, url)
    await socketsOf(dave, url)
    const { createdAt = '', expiresAt = '', notAfter = '' } = (await sessionOf('dave')) ?? {}
    const began = Date.parse(createdAt)
    expect([Date.parse(expiresAt) - began, Date.parse(notAfter) - began]).toEqual([hour, 12 * hour])
    // Not one byte for all that time; that something is open keeps it renewed.
    while ((await expiryOf('dave')) < began + 12 * hour) {
      await passUntilRenewed('dave', dave)
      expect(await expiryOf('dave')).toBeLessThanOrEqual(clock.now() + hour)
    }
    expect(await expiryOf('dave')).toBe(began + 12 * hour)
    clock.pass(began + 12 * hour - minute - clock.now())
    await areAnswered(dave, url, 200, 200)
    // Behind an hour that passed at once the first ones may have been closed, since nobody had yet confirmed that he may.
    const last = await socketsOf(dave, url)
    clock.pass(minute)
    for (const { closed } of last) expect(await closed).toMatchObject({ code: 1008, reason: 'session ended' })
    await areAnswered(dave, url, 401, 401)
  })

  test('[JK11.2] whether somebody may is decided anew when his session is renewed: who has lost the group is out, who has got another one is in', {
    timeout: 60_000,
  }, async () => {
    const { setGroups } = world.provider.admin
    const dave = await world.as('dave')
    await openWhenRunning(dave, url)
    const sockets = await socketsOf(dave, url)
    setGroups('dave', ['admins'])
    await passUntilRenewed('dave', dave)
    expect((await sessionOf('dave'))?.groups).toEqual(['admins'])
    await areAnswered(dave, url, 200, 200)
    expect(sockets.map((socket) => socket.isOpen())).toEqual([true, true])
    setGroups('dave', [])
    await passUntilRenewed('dave', dave)
    for (const { closed } of sockets) expect(await closed).toMatchObject({ code: 1008, reason: 'access ended' })
    await areAnswered(dave, url, 403, 403)
    setGroups('dave', ['ds'])
  })

  test('[JK2.3] the issuer changes its keys amid a session: it is renewed, what is open goes on, and new logins are good', {
    timeout: 60_000,
  }, async () => {
    const alice = await world.as('alice')
    await openWhenRunning(alice, url)
    const sockets = await socketsOf(alice, url)
    for (const keepOld of [true, false]) {
      world.provider.admin.rotateKeys({ keepOld })
      await passUntilRenewed('alice', alice)
      for (const socket of sockets) expect((await socket.ask('still here')).toString()).toBe('still here')
      await areAnswered(alice, world.origin + api.whoami, 200, 200)
      const carol = await world.as('carol')
      expect(JSON.parse((await carol.fetch(world.origin + api.whoami)).body).username).toBe('carol')
      await areAnswered(carol, world.origin + api.whoami, 200, 200)
    }
    for (const socket of sockets) socket[Symbol.dispose]()
  })

  async function beginWork(browser: ScriptedBrowser): Promise<void> {
    for (const [name, timeout] of timeouts) {
      const idleShutdown = { enabled: true, idleTimeoutInMinutes: timeout / minute, detection: {} }
      await world.workspace(name, 'alice', { spec: { appType: 'streamlit', idleShutdown } })
      await openWhenRunning(browser, world.url(name))
    }
  }

  /** What somebody does in each of the workspaces, by each of the replicas. */
  async function work(browser: ScriptedBrowser): Promise<void> {
    const navigation = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'none' }
    for (const to of [...timeouts.keys()].map((name) => world.url(name))) {
      const Cookie = browser.cookies.header({ url: new URL(to), isSameSite: true, isSafeNavigation: true }) ?? ''
      const fields = { ...navigation, 'Sec-Fetch-User': '?1', Cookie }
      for (const replica of replicas) expect(await ask(replica, browser, to, fields)).toBe(200)
    }
  }

  async function records(): Promise<readonly ActivityObject[]> {
    const kind = { apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceActivity', namespace: world.namespace }
    const all = await listObjects<ActivityObject>(kind)
    return all.filter(({ spec }) => timeouts.has(spec.workspace.name) && spec.interactive !== undefined)
  }

  function writesOf(record: string): number {
    const isWrite = ({ method, path }: SeenRequest) =>
      method !== 'GET' && path.endsWith(`/workspaceactivities/${record}`)
    return world.proxy.seen.filter(isWrite).length
  }

  /** For the store as well, which dates what is written. */
  async function leap(span: number): Promise<void> {
    await world.proxy.time.leap(span)
    clock.pass(span)
    await delay(100)
  }

  /** So that what falls due is asked for before it is later still. */
  async function passSlowly(span: number): Promise<void> {
    clock.pass(span)
    await delay(200)
  }

  /** By two replicas, of which each has asked for itself: what one asks ahead says nothing of the other. Nobody but he is asked about; he may not any more. */
  async function isFreshAsLong(browser: ScriptedBrowser, to: string): Promise<void> {
    const [one, other, ...more] = replicas
    if (!one || !other || more.length > 0) throw new Error('there are not two replicas')
    /** How many questions the API server was asked. */
    const asked = () => world.proxy.seen.filter(({ path }) => path.endsWith('accessreviews')).length
    clock.pass(minute)
    await areAnswered(browser, to, 200, 200)
    clock.pass(minute)
    const earliest = clock.now()
    await areAnswered(browser, to, 200, 200)
    const latest = clock.now()
    await mayConnect('bob', false)
    const before = asked()
    expect(clock.now()).toBeLessThan(earliest + 24 * second)
    clock.pass(earliest + 24 * second - clock.now())
    // By what is kept; in use, it is asked for again ahead.
    expect(await ask(one, browser, to)).toBe(200)
    await expect.poll(asked, patience).toBe(before + 1)
    clock.pass(latest + 25 * second - clock.now())
    expect([await ask(other, browser, to), asked()]).toEqual([403, before + 2])
    expect(await ask(one, browser, to)).toBe(403)
  }

  async function isDroppedBy(change: () => Promise<unknown>, browser: ScriptedBrowser, to: string): Promise<void> {
    await mayConnect('bob', true)
    // Longer than a no is kept, and than what was asked at the instant of a change counts for less.
    clock.pass(30 * second)
    await areAnswered(browser, to, 200, 200)
    await delay(second)
    await mayConnect('bob', false)
    expect(await statuses(browser, to)).toEqual([200, 200])
    await change()
    const changed = performance.now()
    await expect.poll(() => statuses(browser, to), { timeout: patience.timeout, interval: 20 }).toEqual([403, 403])
    expect(performance.now() - changed).toBeLessThan(revocationBound)
  }

  async function mayConnect(user: string, may: boolean): Promise<void> {
    const name = `connects-${user}`
    if (may) await world.do(['create', 'rolebinding', name, '--role=connects', `--user=${user}`])
    else await world.do(['delete', 'rolebinding', name])
    await rbacSays({ namespace: world.team, user }, may)
  }
})

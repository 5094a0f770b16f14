/** What the gateway's account may do is what the gateway does: every right that the chart grants is used, and none is missing, on the real API server. */
import { expect, test, vi } from 'vitest'
import { activityName } from '#activity/activity-record.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { api, paths } from '#surface/urls.ts'
import { covers, type Right, type RoleLike, rightAskedBy, rightsOf, sayRight } from '#test/support/api-rights.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { kubectl } from '#test/support/cluster.ts'
import { createObject, createToken, listObjects, readObject } from '#test/support/cluster-api.ts'
import { installPolicies } from '#test/support/cluster-install.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import type { SeenRequest } from '#test/support/fault-proxy.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { workspaceManifest } from '#test/support/pod-world.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openServed, type ServedCluster } from '#test/support/served-cluster.ts'

const patience = { timeout: 90_000, interval: 250 }
const audience = 'gatehouse.test'
const ends = { command: ['python3', '-c', 'print("its last words", flush=True); raise SystemExit(1)'], args: [] }

/** The chores of housekeeping are due every five minutes, or every one. */
const hurried: Clock = {
  now: () => systemClock.now(),
  after: (delay, run) => systemClock.after(delay === 300_000 || delay === 60_000 ? 2_000 : delay, run),
}

/** What is asked for in case somebody grants it, and done without: a StatefulSet above a pod, and where the API server is. */
const onTheChance = [
  { verb: 'list', group: 'apps', resource: 'statefulsets' },
  { verb: 'get', group: '', resource: 'services' },
  { verb: 'list', group: 'discovery.k8s.io', resource: 'endpointslices' },
]

async function issuerOfCluster(): Promise<string> {
  return JSON.parse(await kubectl(['get', '--raw', '/.well-known/openid-configuration'])).issuer
}

/** For all that comes in the end. Two tests at once can't say `expect.poll`, which has to know in which of them it is. */
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, patience)

/** Everything that asks the API server for something. */
async function doEverything(world: ServedCluster): Promise<void> {
  const { team, origin } = world
  const ref = { namespace: team, name: 'nb' }
  const first = await world.start()
  const second = await world.start()
  await world.workspace('nb', 'alice', { spec: { accessType: 'Public' } })
  await world.workspace('ends', 'alice', { container: ends })
  await world.workspace('idles', 'alice', { spec: { appType: 'streamlit', idleShutdown } })
  const url = world.url('nb')
  const [alice, bob] = [await world.as('alice'), await world.as('bob')]
  await openWhenRunning(alice, url)
  await shareAndRevoke(world, alice)
  expect((await bob.open(url)).status).toBe(200)
  // The first asks for what is so already.
  for (const act of [api.start(ref), api.stop(ref), api.start(ref)])
    expect((await ask(world, alice, 'POST', act)).status).toBeLessThan(300)
  await eventually(async () => {
    const { body } = await ask(world, alice, 'GET', api.logs({ ...ref, name: 'ends' }))
    expect(body).toContain('its last words')
  })
  {
    // A replica that no watch has told of a login yet.
    using _ = world.proxy.mute()
    const carol = await world.as('carol')
    const headers = { Cookie: carol.cookieHeader(`${origin}/`) ?? '' }
    expect((await plainRequest(origin + api.whoami, { headers, port: second.port })).status).toBe(200)
  }
  await eventually(async () => {
    const { status } = await plainRequest(url, { headers: await asMachine(team) })
    expect(status).toBe(200)
  })
  expect((await ask(world, alice, 'POST', paths.logout)).status).toBe(303)
  await leaveAlone(world, 'idles')
  const expired = { purpose: 'once', expiresAt: '2026-01-01T00:00:00Z' }
  const kind = { apiVersion: 'gatehouse.dev/v1alpha1', kind: 'OneTimeRecord' }
  await createObject({ ...kind, metadata: { namespace: world.namespace, name: 'used-long-ago' }, spec: expired })
  const locked = JSON.stringify({ spec: { locked: ['mallory'] } })
  await world.ours(['patch', 'workspacemanager', world.namespace, '--type=merge', '-p', locked])
  expect(first.lines.join('')).not.toContain('store_refused')
}

interface RecordOfActivity {
  readonly spec: { readonly workspace: { readonly uid: string }; readonly verdict?: object }
}

interface Named {
  readonly metadata: { readonly name: string; readonly uid: string }
}

const idleShutdown = { enabled: true, idleTimeoutInMinutes: 1, detection: {} }

/** As if it had been started ten minutes ago by another replica's word; and one that is gone has left a record as well. */
async function leaveAlone(world: ServedCluster, name: string): Promise<void> {
  const { team } = world
  const workspace = workspaceManifest(team, name)
  const pods = await listObjects<Named>({ apiVersion: 'v1', kind: 'Pod', namespace: team })
  const instance = pods.find(({ metadata }) => metadata.name.includes(name))?.metadata.uid
  const { uid } = (await readObject<Named>(workspace)).metadata
  const kind = { apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceActivity' }
  const record = (of: string, run?: object) => {
    const spec = { workspace: { namespace: team, name, uid: of }, replica: 'earlier', ...(run ? { run } : {}) }
    const metadata = { name: activityName(of, 'earlier') }
    return createObject({ ...kind, metadata: { namespace: world.namespace, ...metadata }, spec })
  }
  await record('of-one-that-is-gone')
  await record(uid, { instance, since: new Date(Date.now() - 600_000).toISOString() })
  await eventually(async () => {
    const { spec } = await readObject<{ readonly spec: { readonly desiredStatus: string } }>(workspace)
    // With the reason that is given, where it is not.
    const records = await listObjects<RecordOfActivity>({ ...kind, namespace: world.namespace })
    const verdicts = records.filter((one) => one.spec.workspace.uid === uid).map((one) => one.spec.verdict)
    expect({ ...spec, verdicts }).toMatchObject({ desiredStatus: 'Stopped' })
  })
  const events = { apiVersion: 'v1', kind: 'Event', namespace: team, fieldSelector: 'reason=IdleShutdown' }
  await eventually(async () => expect(await listObjects(events)).toHaveLength(1))
}

async function ask(world: ServedCluster, browser: ScriptedBrowser, method: string, path: string, body?: object) {
  const tab = browser.tab()
  await tab.open(`${world.origin}/`)
  const said = body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
  return tab.fetch(world.origin + path, { method, ...said })
}

async function shareAndRevoke(world: ServedCluster, owner: ScriptedBrowser): Promise<void> {
  const ref = { namespace: world.team, name: 'nb' }
  const grantees = [{ kind: 'User', name: 'dave' }]
  const made = await ask(world, owner, 'POST', api.shares(ref), { grantees, access: 'connect' })
  expect(made.status).toBe(201)
  const { name } = JSON.parse(made.body)
  expect((await ask(world, owner, 'GET', api.shares(ref))).body).toContain(name)
  expect((await ask(world, owner, 'DELETE', api.share(ref, name))).status).toBe(204)
}

async function asMachine(team: string): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${await createToken({ namespace: team, name: 'bot' }, audience)}` }
}

/** Opened with what the account may do, and with a machine that it is to let in. */
async function openWorld(everywhere: boolean) {
  const issuer = await issuerOfCluster()
  await using stack = new AsyncDisposableStack()
  const world = stack.use(
    await openServed({
      everywhere,
      clock: hurried,
      values: { tokenReview: everywhere },
      settings: ({ team }) => ({
        machines: [{ issuer, audience, subjects: [`system:serviceaccount:${team}:bot`], tokenReview: everywhere }],
      }),
    }),
  )
  const { namespace, team } = world
  stack.use(await installPolicies({ account: world.account.username, namespaces: [namespace, team] }))
  await world.do(['create', 'serviceaccount', 'bot'])
  await world.do(['create', 'rolebinding', 'bot', '--role=connects', `--serviceaccount=${team}:bot`])
  const kept = stack.move()
  return { world, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

const isOnTheChance = (asked: Right) =>
  onTheChance.some(
    ({ verb, group, resource }) => [verb, group, resource].join() === [asked.verb, asked.group, asked.resource].join(),
  )

/** A question whether a policy is in force is answered by a refusal. */
const isProbe = ({ query }: SeenRequest) => query.get('dryRun') === 'All'

describeWith('cluster', "the rights of the gateway's account", () => {
  // They mostly wait for what is due every few seconds.
  test.concurrent.each([
    ['in the whole cluster', true],
    ['in one namespace', false],
  ])(
    'installed %s are used, every verb of them, and nothing is asked for beyond them',
    { timeout: 300_000 },
    async (_, everywhere) => {
      await using opened = await openWorld(everywhere)
      const { world } = opened
      await doEverything(world)
      const granted = (world.rights as readonly RoleLike[]).flatMap(rightsOf)
      const asked = () => world.proxy.seen.flatMap((request) => rightAskedBy(request) ?? [])
      const unused = () => granted.filter((right) => !asked().some((one) => covers(right, one))).map(sayRight)
      await eventually(() => expect(unused()).toEqual([]))
      const beyond = asked().filter((one) => !granted.some((right) => covers(right, one)) && !isOnTheChance(one))
      expect(beyond.map(sayRight)).toEqual([])
      const refused = world.proxy.seen
        .filter(({ status }) => status === 401 || status === 403)
        .filter((one) => !isProbe(one))
      expect(
        refused
          .flatMap((request) => rightAskedBy(request) ?? [])
          .filter((one) => !isOnTheChance(one))
          .map(sayRight),
      ).toEqual([])
      const others = world.proxy.seen.filter((request) => rightAskedBy(request) === undefined)
      expect([...new Set(others.map(({ path }) => path))]).toEqual(['/openid/v1/jwks'])
    },
  )
})

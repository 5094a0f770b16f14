/**
 * The idle check of somebody else's operator, fed: it asks the real agent on the pod's loopback, which asks a real gateway, whose clock is the test's. The operator
 * is a stand-in that asks and reads as jupyter-k8s does.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { paths } from '#surface/urls.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { freePort } from '#test/support/free-port.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { type PlainAnswer, plainRequest } from '#test/support/plain-request.ts'
import { type TokenGiver, tokenGiver } from '#test/support/pod-token.ts'
import { logIn } from '#test/support/tunnel-scene.ts'
import { type IdleCheck, upstreamIdleCheck } from '#test/support/upstream-idle-check.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const ref = { namespace: 'team', name: 'nb' }
const timeoutMinutes = 2
const httpGet = (port: number) => ({ path: paths.lastActive, port, transport: 'podExec' })
const idleShutdown = (port: number) => ({
  ...{ enabled: true, idleTimeoutInMinutes: timeoutMinutes },
  detection: { httpGet: httpGet(port) },
})

interface Scene extends AsyncDisposable {
  readonly world: World
  readonly giver: TokenGiver
  /** The agent of a pod, at a port of its own. */
  agentOf(uid: string): Promise<Pod>
  end(): Promise<void>
}

interface Pod {
  readonly port: number
  /** At its turn, somebody else's operator stops what it finds idle. */
  check(): Promise<IdleCheck>
  readonly said: () => string
}

async function openScene(own?: FakeClock): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const clock = own ?? systemClock
  const giver = await tokenGiver()
  const folder = await mkdtemp(join(tmpdir(), 'gh-idle-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const machine: PersonMachine = opened.use(await personMachine())
  const world = await createWorld({ clock, podTokens: giver.podTokens })
  const end = async () => world[Symbol.asyncDispose]()
  opened.defer(end)
  const pods = opened.use(new AsyncDisposableStack())
  const agentOf = async (uid: string): Promise<Pod> => {
    const port = await freePort()
    const tokenFile = join(folder, `token-${uid}`)
    const aud = world.origin + paths.lastActive
    await writeFile(tokenFile, await giver.tokenOf({ namespace: ref.namespace, uid }, { aud }))
    const gateway = ['--gateway', world.origin, '--insecure-http', '--connect', `127.0.0.1:${world.port}`]
    const command = machine.begin(['agent', ...gateway, '--idle-port', `${port}`, '--idle-token-file', tokenFile])
    pods.use(command)
    const check = () =>
      upstreamIdleCheck({ basePath: '/workspaces/team/nb', httpGet: httpGet(port), timeoutMinutes, now: clock.now() })
    await expect.poll(async () => JSON.stringify(await check()), { timeout: 30_000 }).not.toContain('fetch failed')
    return { port, said: () => command.stderr(), check: async () => stopIfIdle(world, await check()) }
  }
  const kept = opened.move()
  return {
    ...{ world, giver, agentOf, end },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

async function stopIfIdle({ resources }: World, found: IdleCheck): Promise<IdleCheck> {
  if (found.kind === 'idle') await resources.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
  return found
}

/** Once it is written down since when it runs. */
function knownIn(answer: PlainAnswer): PlainAnswer | undefined {
  return answer.status === 200 ? answer : undefined
}

test('typing keeps a workspace, a timeout without it stops it; unknown stops nothing, and a new run has a time of its own', async () => {
  const clock = fakeClock(Date.now())
  await using scene = await openScene(clock)
  const { world } = scene
  // Seconds, one by one.
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 1) {
      await clock.advance(1_000)
      await pause(1)
    }
  }
  // An app that Gatehouse has nothing to ask of.
  const spec = { idleShutdown: idleShutdown(8_790), appType: 'code-editor' }
  const { url } = await world.workspace({ name: 'nb', owner: 'alice', spec })
  const alice = await world.as('alice')
  const desired = async () => (await world.resources.get(workspaceKind, ref))?.spec.desiredStatus
  const pod = await scene.agentOf('static-1')

  // Since when it runs is not written down yet.
  expect(await pod.check()).toMatchObject({ kind: 'retry' })
  await pass(100)
  expect((await alice.open(url)).status).toBe(200)
  const opened = clock.now()
  await pass(40)
  expect(await pod.check()).toEqual({ kind: 'active', last: opened })
  await pass(75)
  expect(await pod.check()).toMatchObject({ kind: 'active' })
  await pass(30)
  expect(await desired()).toBe('Running')
  expect(await pod.check()).toEqual({ kind: 'idle', last: opened })
  await world.until(async () => !world.open.workspaces.directory.get(ref)?.instance, 'it is stopped')
  expect(world.audit.filter(({ event }) => event === 'stop')).toEqual([])
  // Whose run is over is nobody any more.
  expect(await pod.check()).toMatchObject({ kind: 'retry' })

  await world.resources.patchSpec(workspaceKind, ref, { desiredStatus: 'Running' })
  await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Running', 'it runs again')
  const next = await scene.agentOf('static-2')
  const begun = clock.now()
  for (let passed = 0; passed < 110; passed += 10) {
    expect((await next.check()).kind).not.toBe('idle')
    expect((await pod.check()).kind).toBe('retry')
    await pass(10)
  }
  const now = await next.check()
  expect(now.kind === 'active' && now.last >= begun).toBe(true)

  // Nobody can say it while the gateway is away, and it is not asked whether it might be idle by then.
  await scene.end()
  expect(await next.check()).toEqual({ kind: 'retry', why: 'unexpected HTTP status: 503' })
  expect(next.said()).toContain('nobody can say now when the workspace was last active')
}, 120_000)

test('#159 a pod is told of itself alone, by a token of its own for this alone; the port answers nothing else, and never that there is nothing', async () => {
  await using scene = await openScene()
  const { world, giver } = scene
  const spec = { idleShutdown: idleShutdown(8_790), appType: 'code-editor' }
  await world.workspace({ name: 'nb', owner: 'alice', spec })
  const pod = { namespace: 'team', uid: 'static-1' }
  const aud = world.origin + paths.lastActive
  const ask = (token: string | undefined, headers: Readonly<Record<string, string>> = {}) =>
    plainRequest(aud, { headers: { ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }), ...headers } })
  const right = await vi.waitUntil(async () => knownIn(await ask(await giver.tokenOf(pod, { aud }))), {
    timeout: 15_000,
  })
  expect(right.headers['cache-control']).toBe('no-store')
  expect(Object.keys(JSON.parse(right.body))).toEqual(['lastActiveTimestamp'])
  const alice = await world.as('alice')
  const wrong = {
    none: await ask(undefined),
    cookie: await ask(undefined, { Cookie: alice.cookieHeader(`${world.origin}/`) ?? '' }),
    "a person's": await ask(await logIn(world, 'alice')),
    "a link's": await ask(await giver.tokenOf(pod, { aud: world.origin + paths.agent })),
    'two audiences': await ask(await giver.tokenOf(pod, { aud: [aud, world.origin + paths.agent] })),
    'another pod': await ask(await giver.tokenOf({ ...pod, uid: 'static-2' }, { aud })),
    'another namespace': await ask(await giver.tokenOf({ ...pod, namespace: 'other' }, { aud })),
    'another key': await ask(await (await tokenGiver()).tokenOf(pod, { aud })),
    expired: await ask(await giver.tokenOf(pod, { aud, exp: 1 })),
  }
  for (const [what, { status, body }] of Object.entries(wrong)) {
    expect(status, what).toBe(401)
    expect(body, what).not.toContain('lastActive')
  }
  const reasons = world.audit.flatMap((event) => (event.event === 'deny' ? event.reason : []))
  expect(reasons).toEqual(expect.arrayContaining(['last-active:token_audience', 'last-active:no-such-pod']))

  const { port } = await scene.agentOf('static-1')
  const statusOf = async (path: string, method = 'GET') =>
    (await plainRequest(`http://127.0.0.1:${port}${path}`, { method })).status
  expect(await statusOf(paths.lastActive)).toBe(200)
  expect(await statusOf('/.gatehouse/other')).toBe(503)
  expect(await statusOf(paths.lastActive, 'POST')).toBe(503)
  // From here on nobody asks that it stops.
  await world.resources.patchSpec(workspaceKind, ref, { idleShutdown: null })
  await expect.poll(async () => (await ask(await giver.tokenOf(pod, { aud }))).status).toBe(409)
  expect(await statusOf(paths.lastActive)).toBe(503)
}, 120_000)

/**
 * What Kubernetes RBAC says, asked of the real API server and carried out by the whole gateway. Time is a test's own here, and so is what stands between
 * the gateway and the API server, since an answer stands for minutes while nobody can be asked.
 */
import { expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { subjectAccessReviewer } from '#resources/kubernetes/access-review.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { share } from '#test/behaviour/gateway/scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { kubectl, openNamespace } from '#test/support/cluster.ts'
import { apply } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { bindPeople } from '#test/support/cluster-site/people.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { faultProxy } from '#test/support/fault-proxy.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { rbacSays } from '#test/support/rbac-says.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const second = 1_000
const rbac = 'rbac.authorization.k8s.io'

/** A gateway on a store of its own, which asks the real API server about a namespace that the cluster has. */
async function openScene() {
  await installCrds()
  await using stack = new AsyncDisposableStack()
  const { name: namespace } = stack.use(await openNamespace())
  await bindPeople(namespace)
  const proxy = stack.use(await faultProxy())
  const ending = new AbortController()
  stack.defer(() => ending.abort())
  const client = openApiClient({ access: proxy.access, clock: systemClock, signal: ending.signal })
  const log = createLog({ level: 'debug', clock: systemClock, sink: memoryLines() })
  const reviewer = subjectAccessReviewer({ client, clock: systemClock, log })
  const clock = fakeClock(Date.now())
  const world = stack.use(await createWorld({ reviewer, clock }))
  const kept = stack.move()
  return {
    ...{ namespace, proxy, world, clock },
    /** How many questions the API server was asked. */
    asked: () => proxy.seen.filter(({ path }) => path.endsWith('/subjectaccessreviews')).length,
    unbind: async (user: string) => {
      await kubectl(['-n', namespace, 'delete', 'rolebinding', `connects-${user}`])
      await rbacSays({ namespace, user }, false)
    },
    bind: (kind: 'User' | 'Group', name: string, role = 'connects') =>
      apply({
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata: { namespace, name: `${role}-${name}` },
        roleRef: { apiGroup: rbac, kind: 'Role', name: role },
        subjects: [{ apiGroup: rbac, kind, name }],
      }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** What a script of the workspace's own page is answered. */
const ask = async (browser: ScriptedBrowser, url: string) => (await browser.tab().fetch(url)).status

const withDave = { grantees: [{ kind: 'User', name: 'dave' }] } as const

describeWith('cluster', 'the real API server', () => {
  test('[JK4.1] is asked by SubjectAccessReview whether the user, with his groups, may create workspaceconnections in that namespace', async () => {
    await using s = await openScene()
    const { world, namespace, clock } = s
    const { url } = await world.workspace({ namespace, name: 'nb', owner: 'alice', spec: { accessType: 'Public' } })
    await s.unbind('dave')
    const [bob, dave] = await Promise.all([world.as('bob'), world.as('dave')])
    expect((await bob.open(url)).status).toBe(200)
    expect((await dave.open(url)).status).toBe(403)
    expect(s.asked()).toBeGreaterThan(1)
    // Other verbs on them are another right.
    const watching = {
      apiGroups: ['connection.workspace.jupyter.org'],
      resources: ['workspaceconnections'],
      verbs: ['get', 'list', 'watch', 'update', 'delete'],
    }
    await apply({ apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { namespace, name: 'watches' }, rules: [watching] })
    await s.bind('User', 'dave', 'watches')
    await clock.advance(3 * second)
    expect(await ask(dave, url)).toBe(403)
    await s.bind('Group', 'ds')
    await rbacSays({ namespace, user: 'dave', groups: ['ds'] }, true)
    await clock.advance(3 * second)
    expect(await ask(dave, url)).toBe(200)
  }, 60_000)

  test('[JK4.4] an answer is fresh for 25 s, stands for 5 min while nobody answers, and is dropped by a change of a workspace or a share within 2 s', async () => {
    await using s = await openScene()
    const { world, namespace, clock, proxy } = s
    const { ref, url } = await world.workspace({
      namespace,
      name: 'nb',
      owner: 'alice',
      spec: { accessType: 'Public' },
    })
    const [alice, bob, dave] = await Promise.all([world.as('alice'), world.as('bob'), world.as('dave')])
    // What was asked at the instant of a change may be from before it.
    await clock.advance(3 * second)
    await bob.open(url)
    await s.unbind('bob')
    const asked = s.asked()
    await clock.advance(14 * second)
    expect([await ask(bob, url), s.asked()]).toEqual([200, asked])
    await clock.advance(11 * second)
    expect([await ask(bob, url), s.asked()]).toEqual([403, asked + 1])

    const changes = [
      () => share(world, alice, ref, withDave),
      () => world.resources.patchSpec(workspaceKind, ref, { displayName: 'Another name' }),
    ]
    for (const change of changes) {
      await s.bind('User', 'bob')
      await rbacSays({ namespace, user: 'bob' }, true)
      await clock.advance(3 * second)
      expect(await ask(bob, url)).toBe(200)
      await clock.advance(2 * second)
      await s.unbind('bob')
      expect(await ask(bob, url)).toBe(200)
      await change()
      const changed = performance.now()
      await world.until(async () => (await ask(bob, url)) === 403, 'the answer from before is dropped')
      expect(performance.now() - changed).toBeLessThan(2 * second)
    }

    await alice.open(url)
    using socket = await openSocket(alice, url)
    {
      using _ = proxy.outage()
      for (let passed = 0; passed < 270; passed += 30) {
        await clock.advance(30 * second)
        expect(await ask(alice, url)).toBe(200)
      }
      // Nobody new is let in, and nobody is told a no that nobody said.
      expect((await dave.open(url)).status).toBe(503)
      expect(socket.isOpen()).toBe(true)
      await clock.advance(40 * second)
      expect(await ask(alice, url)).toBe(503)
      expect(await socket.closed).toMatchObject({ code: 1008, reason: 'access not confirmed' })
    }
    await clock.advance(3 * second)
    expect(await ask(alice, url)).toBe(200)
  }, 60_000)
})

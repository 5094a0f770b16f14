import { afterAll, beforeAll, expect, test } from 'vitest'
import { activityKind, activityName } from '#activity/activity-record.ts'
import { systemClock } from '#lib/clock.ts'
import type { Resources } from '#resources/contract.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { reflect } from '#resources/reflect.ts'
import { namespaces, newShare } from '#test/behaviour/resources/samples.ts'
import { describeResources } from '#test/behaviour/resources/suite.ts'
import { kubectl, tryKubectl } from '#test/support/cluster.ts'
import { kubeconfigPath } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { shareKind } from '#workspace/share.ts'

describeWith('cluster', 'the API server as a store', () => {
  beforeAll(async () => {
    await installCrds()
    for (const name of namespaces) await kubectl(['create', 'namespace', name])
  })
  afterAll(() => kubectl(['delete', 'namespace', ...namespaces, '--wait=false', '--ignore-not-found']))

  const open = (): { readonly resources: Resources; readonly ending: AbortController } & AsyncDisposable => {
    const ending = new AbortController()
    const { signal } = ending
    const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
    const client = openApiClient({ access, clock: systemClock, signal })
    const resources = kubernetesResources({ client, onUnreadable: () => undefined })
    return { resources, ending, [Symbol.asyncDispose]: async () => ending.abort() }
  }

  describeResources('kubernetes', async () => open())

  test('what somebody deleted is gone for every reader at once, although a finalizer holds it up', async () => {
    await using world = open()
    const { resources, ending } = world
    const { metadata } = await resources.create(shareKind, newShare([]))
    const { name, namespace } = metadata
    const finalizers = (value: readonly string[] | null) => [
      ...['patch', 'workspaceshare', name, '--namespace', namespace, '--type=merge'],
      ...['--patch', JSON.stringify({ metadata: { finalizers: value } })],
    ]
    await kubectl(finalizers(['example.com/held']))
    // Whatever becomes of this test: while it is held, its namespace can't go either.
    await using stack = new AsyncDisposableStack()
    stack.defer(async () => void (await tryKubectl(finalizers(null))))
    const events: string[] = []
    const reading = (async () => {
      const options = { namespace, clock: systemClock, signal: ending.signal }
      for await (const fact of reflect(resources, shareKind, options)) {
        if (fact.type === 'synced') events.push(...fact.objects.map((object) => `listed ${object.metadata.name}`))
        else if (fact.type !== 'stale') events.push(`${fact.type} ${fact.object.metadata.name}`)
      }
    })()
    await expect.poll(() => events).toContain(`listed ${name}`)
    await kubectl(['delete', 'workspaceshare', name, '--namespace', namespace, '--wait=false'])
    await expect.poll(() => events.filter((event) => event === `deleted ${name}`)).toHaveLength(1)
    expect(await resources.get(shareKind, { namespace, name })).toBeUndefined()
    const { items } = await resources.list(shareKind, { namespace })
    expect(items.map((item) => item.metadata.name)).not.toContain(name)
    await kubectl(finalizers(null))
    await kubectl(['wait', '--for=delete', `workspaceshare/${name}`, '--namespace', namespace, '--timeout=10s'])
    expect(events.filter((event) => event.startsWith('deleted'))).toHaveLength(1)
    ending.abort()
    await reading
  })

  test('of records by which it is judged how long ago something was it is told when they were written; of nothing else, for nobody asks', async () => {
    await using world = open()
    const { resources } = world
    const namespace = namespaces[0]
    const wish = { namespace, name: activityName('some-uid', 'some-replica') }
    const spec = { workspace: { namespace, name: 'nb', uid: 'some-uid' }, replica: 'some-replica' }
    const made = await resources.create(activityKind, { metadata: wish, spec })
    const { items } = await resources.list(activityKind, { namespace })
    const listed = items.find(({ metadata }) => metadata.uid === made.metadata.uid)
    const earliest = Date.parse(made.metadata.creationTimestamp)
    for (const { metadata } of [made, ...(listed ? [listed] : [])]) expect(metadata.updatedAt).toBe(earliest + 1_000)
    expect(listed).toBeDefined()
    expect((await resources.create(shareKind, newShare([]))).metadata).not.toHaveProperty('updatedAt')
  })
})

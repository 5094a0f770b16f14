import { expect, test, vi } from 'vitest'
import { clientSecretKind } from '#identity/client-secret.ts'
import { type KeyRingRecord, keyRingKind, keyRingName, newKey } from '#identity/key-ring-record.ts'
import { systemClock } from '#lib/clock.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import type { Fact } from '#resources/follow.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { type Keeping, kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { jsonSecret, textSecret } from '#resources/kubernetes/wire-form.ts'
import { reflect } from '#resources/reflect.ts'
import { kubectl, openNamespace } from '#test/support/cluster.ts'
import { kubeconfigPath } from '#test/support/cluster-api.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('cluster', 'a key ring in a Secret', () => {
  test('is what was written, counts its changes, and nobody overwrites what he has not read', async () => {
    await using world = await openWorld()
    const { resources, namespace } = world
    const first = [newKey(Date.now(), [])]
    const created = await resources.create(keyRingKind, world.newRing(first))
    expect(created).toMatchObject({
      apiVersion: 'v1',
      kind: 'Secret',
      spec: { keys: first },
      metadata: { generation: 1 },
    })
    const keys = [...first, newKey(Date.now(), first)]
    const replaced = await resources.replace(keyRingKind, { ...created, spec: { keys } })
    expect(replaced).toMatchObject({ spec: { keys }, metadata: { generation: 2, uid: created.metadata.uid } })
    expect(await resources.get(keyRingKind, { namespace, name: keyRingName })).toEqual(replaced)
    await expect(resources.replace(keyRingKind, created)).rejects.toMatchObject({ code: 'conflict' })
    const stored = await kubectl(['get', 'secret', keyRingName, '-n', namespace, '-o', 'jsonpath={.data.spec}'])
    expect(JSON.parse(Buffer.from(stored, 'base64').toString())).toEqual({ keys })
  })

  test('is not there while the Secret is empty, and of many who fill it at once one does', async () => {
    await using world = await openWorld()
    const { resources, namespace } = world
    await kubectl(['create', 'secret', 'generic', keyRingName, '-n', namespace])
    expect(await resources.get(keyRingKind, { namespace, name: keyRingName })).toBeUndefined()
    const rings = [0, 1, 2, 3].map(() => world.newRing([newKey(Date.now(), [])]))
    const tries = await Promise.allSettled(rings.map((ring) => resources.create(keyRingKind, ring)))
    const won = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(won).toHaveLength(1)
    for (const one of tries) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'already_exists' })
    expect(await resources.get(keyRingKind, { namespace, name: keyRingName })).toEqual(won[0])
    expect(world.unreadable).toEqual([])
  })

  test('is followed by its name, so other Secrets are never asked for; emptied it is gone', async () => {
    await using world = await openWorld()
    const { resources, namespace } = world
    const facts: Fact<KeyRingRecord>[] = []
    const follow = async () => {
      const options = { namespace, clock: systemClock, signal: world.signal }
      for await (const fact of reflect(resources, keyRingKind, options)) facts.push(fact)
    }
    const following = follow()
    await vi.waitFor(() => expect(facts).toHaveLength(1))
    await kubectl(['create', 'secret', 'generic', 'other', '--from-literal=spec=x', '-n', namespace])
    const created = await resources.create(keyRingKind, world.newRing([newKey(Date.now(), [])]))
    await vi.waitFor(() => expect(facts.at(-1)).toEqual({ type: 'applied', object: created }))
    const emptied = JSON.stringify([{ op: 'remove', path: '/data' }])
    await kubectl(['patch', 'secret', keyRingName, '-n', namespace, '--type=json', '-p', emptied])
    await vi.waitFor(() => expect(facts.at(-1)).toEqual({ type: 'deleted', object: created }))
    expect(facts.map(({ type }) => type)).toEqual(['synced', 'applied', 'deleted'])
    expect(world.unreadable).toEqual([])
    world.end()
    await following
  })

  test('whose contents make no sense is reported without a word of them', async () => {
    await using world = await openWorld()
    const { resources, namespace } = world
    const literal = ['--from-literal=spec={"keys":"hush-hush"', '--from-literal=generation=1']
    await kubectl(['create', 'secret', 'generic', keyRingName, ...literal, '-n', namespace])
    expect(await resources.get(keyRingKind, { namespace, name: keyRingName })).toBeUndefined()
    expect(world.unreadable).toEqual([`${keyRingName}: data.spec is no JSON`])
  })
})

describeWith('cluster', 'a client secret', () => {
  test('is the text that people put into a Secret', async () => {
    await using world = await openWorld()
    const { resources, namespace } = world
    await kubectl(['create', 'secret', 'generic', 'oidc', '--from-literal=key=ü ✓', '-n', namespace])
    const record = await resources.get(clientSecretKind, { namespace, name: 'oidc' })
    expect(record?.spec).toEqual({ key: 'ü ✓' })
  })
})

async function openWorld() {
  const space = await openNamespace('gh-secrets')
  const ending = new AbortController()
  const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
  const client = openApiClient({ access, clock: systemClock, signal: ending.signal })
  const unreadable: string[] = []
  const keeping = new Map<ResourceKind<Resource>, Keeping>([
    [keyRingKind, { form: jsonSecret, only: keyRingName }],
    [clientSecretKind, { form: textSecret }],
  ])
  const onUnreadable = ({ name, reason }: { name: string; reason: string }) =>
    void unreadable.push(`${name}: ${reason}`)
  return {
    resources: kubernetesResources({ client, keeping, onUnreadable }),
    namespace: space.name,
    unreadable,
    signal: ending.signal,
    newRing: (keys: KeyRingRecord['spec']['keys']) => ({
      metadata: { namespace: space.name, name: keyRingName },
      spec: { keys },
    }),
    end: () => ending.abort(),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await space[Symbol.asyncDispose]()
    },
  }
}

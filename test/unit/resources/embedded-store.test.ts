/** What the embedded store does beyond the common contract. */
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import type { Resource, ResourceKind, Resources, ResourceVersion, WatchEvent } from '#resources/contract.ts'
import { nameOf, newShare, newWorkspace, ownerReference } from '#test/behaviour/resources/samples.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { shareKind } from '#workspace/share.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { storeWorld } from './store-world.ts'

const forever = () => new AbortController().signal

test('a version that is not kept any more, or was never given, is expired', async () => {
  await using world = await storeWorld()
  const { resources } = world.open({ eventLogLength: 4 })
  const created = await resources.create(workspaceKind, newWorkspace())
  for (let turn = 0; turn < 5; turn += 1) await resources.patchStatus(workspaceKind, nameOf(created), { turn })
  for (const version of ['1', '7', '99', '', 'abc', '-1']) {
    const watch = resources.watch(workspaceKind, { resourceVersion: version as ResourceVersion, signal: forever() })
    await expect(Array.fromAsync(watch)).rejects.toMatchObject({ code: 'expired_version' })
  }
  const [first] = await take(
    resources.watch(workspaceKind, { resourceVersion: '2' as ResourceVersion, signal: forever() }),
    1,
  )
  expect(first).toMatchObject({ object: { status: { turn: 1 } } })
})

test('versions of before a restart are expired, the last one is not', async () => {
  await using world = await storeWorld()
  const store = world.open()
  const first = await store.resources.create(workspaceKind, newWorkspace())
  const last = await store.resources.create(workspaceKind, newWorkspace())
  await store[Symbol.asyncDispose]()
  const { resources } = world.open()
  const after = ({ metadata }: Workspace) => ({ resourceVersion: metadata.resourceVersion, signal: forever() })
  await expect(Array.fromAsync(resources.watch(workspaceKind, after(first)))).rejects.toMatchObject({
    code: 'expired_version',
  })
  const next = await resources.create(workspaceKind, newWorkspace())
  expect(await take(resources.watch(workspaceKind, after(last)), 1)).toEqual([{ type: 'added', object: next }])
})

test('a watcher that falls too far behind is told so, after it has had everything in order until then', async () => {
  await using world = await storeWorld()
  const { resources } = world.open({ eventLogLength: 8 })
  const created = await resources.create(workspaceKind, newWorkspace())
  const { resourceVersion } = created.metadata
  const patch = turns(resources, created)
  const seen: unknown[] = []
  const slow = async () => {
    for await (const event of resources.watch(workspaceKind, { resourceVersion, signal: forever() })) {
      if (!('object' in event)) continue
      seen.push(event.object.status.turn)
      const count = seen.length === 3 ? 9 : 1
      for (let more = 0; more < count; more += 1) await patch()
    }
  }
  await patch()
  await expect(slow()).rejects.toMatchObject({ code: 'expired_version' })
  expect(seen).toEqual([1, 2, 3])
})

test('a watcher of a quiet kind gets bookmarks, by number of other changes and by time, and can resume from them', async () => {
  const clock = fakeClock()
  await using world = await storeWorld(clock)
  const { resources } = world.open({ eventLogLength: 16 })
  const { resourceVersion } = await resources.list(shareKind)
  const watch = resources.watch(shareKind, { resourceVersion, signal: forever() })[Symbol.asyncIterator]()
  const first = watch.next()
  const created = await resources.create(workspaceKind, newWorkspace())
  const patch = turns(resources, created)
  for (let more = 0; more < 2; more += 1) await patch()
  const marked = (await first).value
  expect(marked).toEqual({ type: 'bookmark', resourceVersion: '2' })
  const second = watch.next()
  await clock.advance(60_000)
  expect((await second).value).toEqual({ type: 'bookmark', resourceVersion: '3' })
})

test('an object that its kind refuses is skipped and said once, and the others stay readable', async () => {
  await using world = await storeWorld()
  const store = world.open()
  const broken = await store.resources.create(workspaceKind, newWorkspace())
  const sound = await store.resources.create(workspaceKind, newWorkspace())
  await store[Symbol.asyncDispose]()
  const db = new DatabaseSync(world.file)
  db.prepare(`UPDATE objects SET spec = '{"desiredStatus": 7}' WHERE uid = ?`).run(broken.metadata.uid)
  db.close()
  const { resources } = world.open()
  expect((await resources.list(workspaceKind)).items).toEqual([sound])
  expect(await resources.get(workspaceKind, nameOf(broken))).toBeUndefined()
  expect(world.problems).toMatchObject([{ ...nameOf(broken), kind: 'Workspace' }])
  expect(world.lines).toMatchObject([{ level: 'warn' }])
  await expect(resources.patchStatus(workspaceKind, nameOf(broken), { a: 1 })).rejects.toMatchObject({
    code: 'invalid_resource',
  })
  const mended = await resources.patchSpec(workspaceKind, nameOf(broken), { desiredStatus: 'Stopped' })
  expect(await resources.get(workspaceKind, nameOf(broken))).toEqual(mended)
})

test('what a kind could not read back is not written', async () => {
  await using world = await storeWorld()
  const fickle: ResourceKind<Resource<{ n: number }, unknown>> = {
    ...workspaceKind,
    parseSpec: (value) => {
      if (typeof value !== 'object' || value === null || !('n' in value) || typeof value.n !== 'number')
        throw new Error('no n')
      return { ...value, n: value.n > 1 ? Number.NaN : value.n }
    },
    parseStatus: () => undefined,
  }
  const { resources } = world.open()
  const object = { metadata: newWorkspace().metadata, spec: { n: 2 } }
  await expect(resources.create(fickle, object)).rejects.toMatchObject({ code: 'invalid_resource' })
  expect((await resources.list(workspaceKind)).items).toEqual([])
  const { resourceVersion } = await resources.list(workspaceKind)
  expect(resourceVersion).toBe('0')
})

test('objects that were handed out are nobody else’s', async () => {
  await using world = await storeWorld()
  const { resources } = world.open()
  const created = await resources.create(workspaceKind, newWorkspace({ labels: { a: 'b' } }))
  const copy = structuredClone(created)
  Object.assign(created.metadata.labels, { a: 'changed' })
  Object.assign(created.spec, { displayName: 'changed' })
  expect(await resources.get(workspaceKind, nameOf(copy))).toEqual(copy)
})

test('owners that own each other go when the one outside goes', async () => {
  await using world = await storeWorld()
  const { resources } = world.open()
  const root = await resources.create(workspaceKind, newWorkspace())
  const one = await resources.create(workspaceKind, newWorkspace({ ownerReferences: [ownerReference(root)] }))
  const two = await resources.create(workspaceKind, newWorkspace({ ownerReferences: [ownerReference(one)] }))
  const ownerReferences = [ownerReference(two)]
  await resources.replace(workspaceKind, { ...one, metadata: { ...one.metadata, ownerReferences } })
  await resources.delete(workspaceKind, nameOf(two))
  expect((await resources.list(workspaceKind)).items.map(nameOf)).toEqual([nameOf(root)])
})

test('an object whose owners are none of its namespace does not stay', async () => {
  await using world = await storeWorld()
  const { resources } = world.open()
  const elsewhere = await resources.create(workspaceKind, newWorkspace({ namespace: 'team-b' }))
  const share = await resources.create(shareKind, newShare([ownerReference(elsewhere)]))
  expect(await resources.get(shareKind, nameOf(share))).toBeUndefined()
})

test('a kind that the store was not opened for is an error of the program', async () => {
  await using world = await storeWorld()
  const { resources } = world.open({ kinds: [shareKind] })
  await expect(resources.create(workspaceKind, newWorkspace())).rejects.toMatchObject({ code: 'internal' })
})

test.each(['its signal', 'disposing it'])(
  '%s closes the store: watchers end, and nothing is read or written',
  async (how) => {
    await using world = await storeWorld()
    const ending = new AbortController()
    const store = world.open({ signal: ending.signal })
    const { resourceVersion } = await store.resources.list(workspaceKind)
    const watch = Array.fromAsync(store.resources.watch(workspaceKind, { resourceVersion, signal: forever() }))
    const ended = expect(watch).rejects.toMatchObject({ code: 'store_unavailable' })
    if (how === 'its signal') ending.abort()
    else await store[Symbol.asyncDispose]()
    await ended
    const closed = { code: 'store_unavailable' }
    await expect(store.resources.list(workspaceKind)).rejects.toMatchObject(closed)
    await expect(store.resources.create(workspaceKind, newWorkspace())).rejects.toMatchObject(closed)
    expect(() => store.table('keys')).toThrow(expect.objectContaining(closed))
    await store[Symbol.asyncDispose]()
  },
)

/** A function that changes the object once more: its status says how often. */
function turns(resources: Resources, { metadata }: Workspace): () => Promise<Workspace> {
  let turn = 0
  return () => {
    turn += 1
    return resources.patchStatus(workspaceKind, metadata, { turn })
  }
}

async function take<T extends Resource>(watch: AsyncIterable<WatchEvent<T>>, count: number) {
  const events: WatchEvent<T>[] = []
  for await (const event of watch) if (events.push(event) >= count) break
  return events
}

import { expect, test } from 'vitest'
import { shareKind } from '#workspace/share.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { nameOf, namespaces, newShare, newWorkspace, ownerReference } from './samples.ts'
import type { OpenResources } from './suite.ts'
import { outline, watching } from './watching.ts'

export function describeWatching(open: OpenResources): void {
  test('a watch tells what happens after the version of the list, in order, and nothing before', async () => {
    await using world = await open()
    const before = await world.resources.create(workspaceKind, newWorkspace())
    const { resourceVersion } = await world.resources.list(workspaceKind)
    const wanted = newWorkspace()
    await using watch = watching(world.resources, workspaceKind, { resourceVersion, isMine: named(before, wanted) })
    const created = await world.resources.create(workspaceKind, wanted)
    const patched = await world.resources.patchSpec(workspaceKind, nameOf(created), { image: 'x' })
    await world.resources.delete(workspaceKind, nameOf(before))
    const [added, modified, deleted] = await watch.seen(3)
    expect(added).toEqual({ type: 'added', object: created })
    expect(modified).toEqual({ type: 'modified', object: patched })
    expect(deleted).toMatchObject({ type: 'deleted', object: { metadata: { uid: before.metadata.uid } } })
    expect(watch.events).toHaveLength(3)
  })

  test('a watch of one namespace and kind tells of nothing else', async () => {
    await using world = await open()
    const [namespace, elsewhere] = namespaces
    const { resourceVersion } = await world.resources.list(workspaceKind, { namespace })
    const first = newWorkspace({ namespace })
    const foreign = newWorkspace({ namespace: elsewhere })
    const last = newWorkspace({ namespace })
    const isMine = named(first, foreign, last)
    await using watch = watching(world.resources, workspaceKind, { namespace, resourceVersion, isMine })
    await world.resources.create(workspaceKind, foreign)
    const owner = await world.resources.create(workspaceKind, first)
    const share = newShare([ownerReference(owner)])
    await world.resources.create(shareKind, { ...share, metadata: { ...share.metadata, name: last.metadata.name } })
    await world.resources.create(workspaceKind, last)
    await watch.seen(2)
    expect(watch.events.map(({ object }) => [object.kind, object.metadata.name])).toEqual([
      ['Workspace', first.metadata.name],
      ['Workspace', last.metadata.name],
    ])
  })

  test('a write that changes nothing is no event', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const { resourceVersion } = created.metadata
    await using watch = watching(world.resources, workspaceKind, { resourceVersion, isMine: named(created) })
    await world.resources.patchSpec(workspaceKind, nameOf(created), { desiredStatus: created.spec.desiredStatus })
    await world.resources.replace(workspaceKind, created)
    await world.resources.patchStatus(workspaceKind, nameOf(created), { accessURL: 'Running' })
    const [first] = await watch.seen(1)
    expect(first).toMatchObject({ type: 'modified', object: { status: { accessURL: 'Running' } } })
  })

  test('a watch resumes after any event with exactly what followed it', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const { resourceVersion } = created.metadata
    await using watch = watching(world.resources, workspaceKind, { resourceVersion, isMine: named(created) })
    await world.resources.patchSpec(workspaceKind, nameOf(created), { image: 'x' })
    await world.resources.patchStatus(workspaceKind, nameOf(created), { accessURL: 'Running' })
    await world.resources.delete(workspaceKind, nameOf(created))
    await world.resources.create(workspaceKind, newWorkspace({ name: created.metadata.name }))
    const all = await watch.seen(4)
    for (const [index, { object }] of all.entries()) {
      const from = object.metadata.resourceVersion
      await using resumed = watching(world.resources, workspaceKind, { resourceVersion: from, isMine: named(created) })
      const rest = all.slice(index + 1)
      expect(await resumed.seen(rest.length)).toEqual(rest)
    }
  })

  test('several watchers see the same, also the one that reads late', async () => {
    await using world = await open()
    const { resourceVersion } = await world.resources.list(workspaceKind)
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const isMine = named(created)
    await using early = watching(world.resources, workspaceKind, { resourceVersion, isMine })
    for (let turn = 1; turn <= 50; turn += 1) {
      await world.resources.patchStatus(workspaceKind, nameOf(created), { accessStartupProbeFailures: turn })
    }
    await using late = watching(world.resources, workspaceKind, { resourceVersion, isMine })
    const expected = ['added', ...Array.from({ length: 50 }, (_, index) => index + 1)]
    for (const watch of [early, late]) {
      const events = await watch.seen(51)
      expect(
        events.map(({ type, object }) => (type === 'added' ? type : object.status.accessStartupProbeFailures)),
      ).toEqual(expected)
    }
  })

  test('a watch that waits ends without an error when its signal is aborted', async () => {
    await using world = await open()
    const { resourceVersion } = await world.resources.list(workspaceKind)
    const [first, second] = [newWorkspace(), newWorkspace()]
    const watch = watching(world.resources, workspaceKind, { resourceVersion, isMine: named(first, second) })
    await world.resources.create(workspaceKind, first)
    expect(outline(await watch.seen(1))).toEqual([`added ${first.metadata.name}`])
    await watch.stop()
    await world.resources.create(workspaceKind, second)
    expect(watch.events).toHaveLength(1)
  })

  test('the events of a watch lead from one list to the next', async () => {
    await using world = await open()
    const [seed, wanted] = [newWorkspace(), newWorkspace()]
    const isMine = named(seed, wanted)
    await world.resources.create(workspaceKind, seed)
    const { items, resourceVersion } = await world.resources.list(workspaceKind)
    await using watch = watching(world.resources, workspaceKind, { resourceVersion, isMine })
    const kept = await world.resources.create(workspaceKind, wanted)
    await world.resources.patchSpec(workspaceKind, nameOf(kept), { image: 'x' })
    await world.resources.delete(workspaceKind, nameOf(seed))
    const state = new Map(items.filter(isMine).map((item) => [item.metadata.uid, item]))
    for (const { type, object } of await watch.seen(3)) {
      if (type === 'deleted') state.delete(object.metadata.uid)
      else state.set(object.metadata.uid, object)
    }
    const after = await world.resources.list(workspaceKind)
    expect([...state.values()]).toEqual(after.items.filter(isMine))
  })
}

/** A store may be shared with other tests, whose objects go when they go. */
function named(...wanted: readonly { readonly metadata: { readonly name: string } }[]) {
  const names = new Set(wanted.map(({ metadata }) => metadata.name))
  return (object: Workspace) => names.has(object.metadata.name)
}

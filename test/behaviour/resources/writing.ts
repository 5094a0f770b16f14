import { expect, test } from 'vitest'
import type { Resources, ResourceVersion, Uid } from '#resources/contract.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { freshName, nameOf, namespaces, newWorkspace } from './samples.ts'
import type { OpenResources } from './suite.ts'

const otherUid = '00000000-0000-4000-8000-000000000000' as Uid
const otherVersion = '1' as ResourceVersion

export function describeWriting(open: OpenResources): void {
  describeCreating(open)
  describePatching(open)
  describeReplacing(open)
  describeDeleting(open)
}

function describeCreating(open: OpenResources): void {
  test('a name can be taken once, and the one who has it keeps it', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const again = newWorkspace({ name: created.metadata.name })
    await expect(world.resources.create(workspaceKind, again)).rejects.toMatchObject({ code: 'already_exists' })
    expect(await read(world.resources, created)).toEqual(created)
  })

  test('of many who create the same name at once, one succeeds', async () => {
    await using world = await open()
    const wanted = newWorkspace()
    const tries = await Promise.allSettled(
      Array.from({ length: 8 }, () => world.resources.create(workspaceKind, wanted)),
    )
    expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
    for (const one of tries) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'already_exists' })
    }
  })

  test.each(['Upper', 'under_score', '-hyphen', 'a..b', ''])('the name %j is refused', async (name) => {
    await using world = await open()
    await expect(world.resources.create(workspaceKind, newWorkspace({ name }))).rejects.toMatchObject({
      code: 'invalid_resource',
    })
  })
}

function describePatching(open: OpenResources): void {
  test('a patch of the spec changes what it names, deletes what it sets to null, and counts a generation', async () => {
    await using world = await open()
    const wanted = newWorkspace()
    const spec = { ...wanted.spec, image: 'one', containerConfig: { command: ['a'], args: ['b'] } }
    const created = await world.resources.create(workspaceKind, { ...wanted, spec })
    const patch = { image: null, containerConfig: { args: ['c'] }, desiredStatus: 'Running' }
    const patched = await world.resources.patchSpec(workspaceKind, nameOf(created), patch)
    expect(patched.spec).toMatchObject({
      displayName: 'Notebook',
      desiredStatus: 'Running',
      containerConfig: { command: ['a'], args: ['c'] },
    })
    expect(patched.spec).not.toHaveProperty('image')
    expect(patched.metadata).toMatchObject({ generation: 2, uid: created.metadata.uid })
    expect(patched.metadata.resourceVersion).not.toBe(created.metadata.resourceVersion)
    expect(await read(world.resources, created)).toEqual(patched)
  })

  test('a patch that changes nothing leaves version and generation alone', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const patch = { desiredStatus: created.spec.desiredStatus }
    expect(await world.resources.patchSpec(workspaceKind, nameOf(created), patch)).toEqual(created)
    expect(await read(world.resources, created)).toEqual(created)
  })

  test('a patch of the status counts no generation and leaves the spec alone', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    await world.resources.patchStatus(workspaceKind, nameOf(created), { accessURL: 'a', serviceName: 'b' })
    const patched = await world.resources.patchStatus(workspaceKind, nameOf(created), {
      accessURL: 'Running',
      serviceName: null,
    })
    expect(patched).toMatchObject({ spec: created.spec, status: { accessURL: 'Running' }, metadata: { generation: 1 } })
    expect(patched.status).not.toHaveProperty('serviceName')
    expect(patched.metadata.resourceVersion).not.toBe(created.metadata.resourceVersion)
  })

  test('a patch to something invalid is refused and changes nothing', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const patch = { desiredStatus: 'Asleep' }
    await expect(world.resources.patchSpec(workspaceKind, nameOf(created), patch)).rejects.toMatchObject({
      code: 'invalid_resource',
    })
    expect(await read(world.resources, created)).toEqual(created)
  })

  test('a patch of what is not there is not_found', async () => {
    await using world = await open()
    const name = { namespace: namespaces[0], name: freshName() }
    const missing = { code: 'not_found' }
    await expect(world.resources.patchSpec(workspaceKind, name, { image: 'x' })).rejects.toMatchObject(missing)
    await expect(world.resources.patchStatus(workspaceKind, name, { accessURL: 'x' })).rejects.toMatchObject(missing)
  })

  test.each([
    ['uid', { uid: otherUid }],
    ['resourceVersion', { resourceVersion: otherVersion }],
  ])('a patch with a %s that does not hold is a conflict', async (_, preconditions) => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    // So that no object of a new store is at the version that the test takes for another one.
    await world.resources.patchStatus(workspaceKind, nameOf(created), { accessURL: 'x' })
    const before = await read(world.resources, created)
    const name = nameOf(created)
    const { resources } = world
    const conflict = { code: 'conflict' }
    await expect(resources.patchSpec(workspaceKind, name, { image: 'x' }, preconditions)).rejects.toMatchObject(
      conflict,
    )
    await expect(resources.patchStatus(workspaceKind, name, { accessURL: 'y' }, preconditions)).rejects.toMatchObject(
      conflict,
    )
    expect(await read(world.resources, created)).toEqual(before)
  })

  test('a patch whose preconditions hold is made', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const { uid, resourceVersion } = created.metadata
    const patched = await world.resources.patchSpec(
      workspaceKind,
      nameOf(created),
      { image: 'x' },
      { uid, resourceVersion },
    )
    expect(patched.spec.image).toBe('x')
  })
}

function describeReplacing(open: OpenResources): void {
  test('a replacement sets spec, labels and annotations, and leaves the status alone', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace({ labels: { a: '1' } }))
    const running = await world.resources.patchStatus(workspaceKind, nameOf(created), { accessURL: 'Running' })
    const metadata = { ...running.metadata, labels: { b: '2' }, annotations: { c: '3' } }
    const status = { accessURL: 'Stopped' }
    const wanted: Workspace = { ...running, metadata, spec: { ...running.spec, image: 'new' }, status }
    const replaced = await world.resources.replace(workspaceKind, wanted)
    expect(replaced).toMatchObject({
      spec: { image: 'new' },
      status: { accessURL: 'Running' },
      metadata: { labels: { b: '2' }, annotations: { c: '3' }, generation: 2, uid: created.metadata.uid },
    })
    expect(replaced.metadata.labels).not.toHaveProperty('a')
    expect(await read(world.resources, created)).toEqual(replaced)
  })

  test('a replacement of metadata alone counts no generation', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const metadata = { ...created.metadata, labels: { b: '2' } }
    const replaced = await world.resources.replace(workspaceKind, { ...created, metadata })
    expect(replaced.metadata).toMatchObject({ generation: 1, labels: { b: '2' } })
    expect(replaced.metadata.resourceVersion).not.toBe(created.metadata.resourceVersion)
  })

  test('of many who replace the same version, one succeeds', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const tries = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((image) =>
        world.resources.replace(workspaceKind, { ...created, spec: { ...created.spec, image } }),
      ),
    )
    const [won, ...more] = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(more).toEqual([])
    expect(await read(world.resources, created)).toEqual(won)
    for (const one of tries) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'conflict' })
  })

  test('a replacement of what is deleted is not_found, and of a namesake a conflict', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const changed: Workspace = { ...created, spec: { ...created.spec, image: 'new' } }
    await world.resources.delete(workspaceKind, nameOf(created))
    await expect(world.resources.replace(workspaceKind, changed)).rejects.toMatchObject({ code: 'not_found' })
    const namesake = await world.resources.create(workspaceKind, newWorkspace({ name: created.metadata.name }))
    await expect(world.resources.replace(workspaceKind, changed)).rejects.toMatchObject({ code: 'conflict' })
    expect(await read(world.resources, created)).toEqual(namesake)
  })
}

function describeDeleting(open: OpenResources): void {
  test('a deleted object is gone, and deleting it again says that there was nothing', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    expect(await world.resources.delete(workspaceKind, nameOf(created))).toBe(true)
    expect(await read(world.resources, created)).toBeUndefined()
    expect(await world.resources.delete(workspaceKind, nameOf(created))).toBe(false)
  })

  test('an object that is created again is another one', async () => {
    await using world = await open()
    const first = await world.resources.create(workspaceKind, newWorkspace())
    await world.resources.patchSpec(workspaceKind, nameOf(first), { image: 'x' })
    await world.resources.delete(workspaceKind, nameOf(first))
    const second = await world.resources.create(workspaceKind, newWorkspace({ name: first.metadata.name }))
    expect(second.metadata.uid).not.toBe(first.metadata.uid)
    expect(second.metadata.generation).toBe(1)
    expect(second.spec).not.toHaveProperty('image')
  })

  test('a deletion with a precondition that does not hold is a conflict', async () => {
    await using world = await open()
    const created = await world.resources.create(workspaceKind, newWorkspace())
    const { uid, resourceVersion } = created.metadata
    const changed = await world.resources.patchStatus(workspaceKind, nameOf(created), { accessURL: 'x' })
    const { resources } = world
    const conflict = { code: 'conflict' }
    await expect(resources.delete(workspaceKind, nameOf(created), { uid: otherUid })).rejects.toMatchObject(conflict)
    await expect(resources.delete(workspaceKind, nameOf(created), { resourceVersion })).rejects.toMatchObject(conflict)
    expect(await read(resources, created)).toEqual(changed)
    const holds = { uid, resourceVersion: changed.metadata.resourceVersion }
    expect(await resources.delete(workspaceKind, nameOf(created), holds)).toBe(true)
  })
}

function read(resources: Resources, workspace: Workspace): Promise<Workspace | undefined> {
  return resources.get(workspaceKind, nameOf(workspace))
}

import { expect, test } from 'vitest'
import { shareKind } from '#workspace/share.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { freshName, nameOf, namespaces, newWorkspace } from './samples.ts'
import type { OpenResources } from './suite.ts'

export function describeReading(open: OpenResources): void {
  test('a created object is read back as it was returned, with the metadata that the store gives', async () => {
    await using world = await open()
    const wanted = newWorkspace({ labels: { team: 'blue' }, annotations: { 'example.com/Note': 'two words' } })
    const created = await world.resources.create(workspaceKind, wanted)
    expect(created).toMatchObject({ apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'Workspace', ...wanted })
    expect(created.metadata).toMatchObject({ generation: 1, ownerReferences: [] })
    expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(created.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(await world.resources.get(workspaceKind, nameOf(wanted))).toEqual(created)
  })

  test('what an annotation says in place of a field counts in every reading', async () => {
    await using world = await open()
    const wanted = newWorkspace({ annotations: { 'gatehouse.dev/manager': 'second' } })
    const managerRef = { name: 'second' }
    expect((await world.resources.create(workspaceKind, wanted)).spec).toMatchObject({ managerRef })
    expect((await world.resources.get(workspaceKind, nameOf(wanted)))?.spec).toMatchObject({ managerRef })
    const { items } = await world.resources.list(workspaceKind, { namespace: wanted.metadata.namespace })
    expect(items.find((item) => item.metadata.name === wanted.metadata.name)?.spec).toMatchObject({ managerRef })
    const patched = await world.resources.patchSpec(workspaceKind, nameOf(wanted), { desiredStatus: 'Running' })
    expect(patched.spec).toMatchObject({ managerRef, desiredStatus: 'Running' })
  })

  test('a status given at creation is there', async () => {
    await using world = await open()
    const wanted = { ...newWorkspace(), status: { accessURL: 'Pending' } }
    const created = await world.resources.create(workspaceKind, wanted)
    expect(created.status).toMatchObject({ accessURL: 'Pending' })
    expect((await world.resources.get(workspaceKind, nameOf(wanted)))?.status).toMatchObject({ accessURL: 'Pending' })
  })

  test('what nobody created is undefined', async () => {
    await using world = await open()
    const name = { namespace: namespaces[0], name: freshName() }
    expect(await world.resources.get(workspaceKind, name)).toBeUndefined()
  })

  test('the same name in another namespace, or of another kind, is another object', async () => {
    await using world = await open()
    const here = newWorkspace()
    const there = newWorkspace({ namespace: namespaces[1], name: here.metadata.name })
    const [first, second] = [
      await world.resources.create(workspaceKind, here),
      await world.resources.create(workspaceKind, there),
    ]
    expect(first.metadata.uid).not.toBe(second.metadata.uid)
    expect(await world.resources.get(workspaceKind, nameOf(there))).toEqual(second)
    expect(await world.resources.get(shareKind, nameOf(here))).toBeUndefined()
  })

  test('a list holds the objects of one namespace, or of all', async () => {
    await using world = await open()
    const here = await world.resources.create(workspaceKind, newWorkspace())
    const there = await world.resources.create(workspaceKind, newWorkspace({ namespace: namespaces[1] }))
    const inOne = await world.resources.list(workspaceKind, { namespace: namespaces[0] })
    expect(inOne.items).toContainEqual(here)
    expect(inOne.items).not.toContainEqual(there)
    const inAll = await world.resources.list(workspaceKind)
    expect(inAll.items).toEqual(expect.arrayContaining([here, there]))
    expect((await world.resources.list(shareKind)).items.map((share) => share.metadata.uid)).not.toContain(
      here.metadata.uid,
    )
  })

  test('a list whose signal is aborted rejects', async () => {
    await using world = await open()
    await expect(world.resources.list(workspaceKind, { signal: AbortSignal.abort() })).rejects.toThrow()
  })
}

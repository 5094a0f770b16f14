import { expect, test, vi } from 'vitest'
import type { Resources } from '#resources/contract.ts'
import { shareKind, type WorkspaceShare } from '#workspace/share.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { nameOf, newShare, newWorkspace, ownerReference } from './samples.ts'
import type { OpenResources } from './suite.ts'
import { outline, watching } from './watching.ts'

export function describeOwnership(open: OpenResources): void {
  test('an object goes with its owner, and those who watch it are told', async () => {
    await using world = await open()
    const owner = await world.resources.create(workspaceKind, newWorkspace())
    const share = await world.resources.create(shareKind, newShare([ownerReference(owner)]))
    expect(share.metadata.ownerReferences).toMatchObject([ownerReference(owner)])
    const { resourceVersion, uid, generation } = share.metadata
    // A gateway of another test may judge it meanwhile, which changes the status alone.
    const isMine = ({ metadata }: WorkspaceShare, type: string) =>
      metadata.uid === uid && !(type === 'modified' && metadata.generation === generation)
    await using watch = watching(world.resources, shareKind, { resourceVersion, isMine })
    await world.resources.delete(workspaceKind, nameOf(owner))
    expect(outline(await watch.seen(1))).toEqual([`deleted ${share.metadata.name}`])
    expect(await world.resources.get(shareKind, nameOf(share))).toBeUndefined()
  })

  test('an object with two owners stays until the last one goes', async () => {
    await using world = await open()
    const first = await world.resources.create(workspaceKind, newWorkspace())
    const second = await world.resources.create(workspaceKind, newWorkspace())
    const both = [ownerReference(first), ownerReference(second)]
    const share = await world.resources.create(shareKind, newShare(both))
    const witness = await world.resources.create(shareKind, newShare([ownerReference(first)]))
    await world.resources.delete(workspaceKind, nameOf(first))
    await gone(world.resources, witness)
    expect(await world.resources.get(shareKind, nameOf(share))).toBeDefined()
    await world.resources.delete(workspaceKind, nameOf(second))
    await gone(world.resources, share)
  })

  test('a namesake of the owner keeps nothing alive', async () => {
    await using world = await open()
    const owner = await world.resources.create(workspaceKind, newWorkspace())
    await world.resources.delete(workspaceKind, nameOf(owner))
    await world.resources.create(workspaceKind, newWorkspace({ name: owner.metadata.name }))
    const share = await world.resources.create(shareKind, newShare([ownerReference(owner)]))
    await gone(world.resources, share)
  })

  test('what an owned object owns goes as well', async () => {
    await using world = await open()
    const root = await world.resources.create(workspaceKind, newWorkspace())
    const middle = await world.resources.create(
      workspaceKind,
      newWorkspace({ ownerReferences: [ownerReference(root)] }),
    )
    const leaf = await world.resources.create(shareKind, newShare([ownerReference(middle)]))
    await world.resources.delete(workspaceKind, nameOf(root))
    await gone(world.resources, leaf)
    expect(await world.resources.get(workspaceKind, nameOf(middle))).toBeUndefined()
  })
}

/** A cluster collects in the background. */
async function gone(resources: Resources, share: WorkspaceShare): Promise<void> {
  const isGone = async () => expect(await resources.get(shareKind, nameOf(share))).toBeUndefined()
  await vi.waitFor(isGone, { timeout: 15_000, interval: 50 })
}

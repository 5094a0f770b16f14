import { expect, test } from 'vitest'
import { createLog } from '#observe/log.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { faultyResources } from '#test/support/faulty-resources.ts'
import { wish } from '#workspace/lifecycle.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const ref = { namespace: 'team', name: 'nb' }

async function openWorld() {
  const clock = fakeClock()
  const log = createLog({ level: 'error', clock, sink: { write: () => undefined } })
  const { signal } = new AbortController()
  const store = openEmbeddedStore({ file: ':memory:', kinds: [workspaceKind], clock, log, signal })
  const resources = faultyResources(store.resources)
  const spec = workspaceKind.parseSpec({ desiredStatus: 'Running' })
  const workspace = await resources.create(workspaceKind, { metadata: ref, spec })
  return {
    ...{ resources, workspace, spec },
    /** What was heard of it when it was made, and of nothing since. */
    entry: { ref, uid: workspace.metadata.uid, workspace },
    desired: async () => (await resources.get(workspaceKind, ref))?.spec.desiredStatus,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

test('what was stopped a moment ago is started again, also where nobody has heard of the stop yet', async () => {
  await using world = await openWorld()
  await world.resources.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
  await wish(world.resources, world.entry, 'Running')
  expect(await world.desired()).toBe('Running')
})

test('of what is so already nothing is written', async () => {
  await using world = await openWorld()
  expect(await wish(world.resources, world.entry, 'Running')).toBe(world.workspace)
  expect(world.resources.calls('patchSpec')).toBe(0)
})

test('what was made anew under the name is not what was asked for', async () => {
  await using world = await openWorld()
  await world.resources.delete(workspaceKind, ref)
  await world.resources.create(workspaceKind, { metadata: ref, spec: { ...world.spec, desiredStatus: 'Stopped' } })
  await expect(wish(world.resources, world.entry, 'Running')).rejects.toMatchObject({ code: 'conflict' })
  expect(await world.desired()).toBe('Stopped')
})

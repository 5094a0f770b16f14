import { expect, test } from 'vitest'
import { createLog } from '#observe/log.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type FaultyResources, faultyResources } from '#test/support/faulty-resources.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { shareKind, type WorkspaceShare } from '#workspace/share.ts'
import { ShareJudge } from '#workspace/share-judge.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const namespace = 'team'
const clock = fakeClock()

/** It serves workspaces of the manager `ours`. */
function open() {
  const ending = new AbortController()
  const log = createLog({ level: 'debug', clock, sink: memoryLines() })
  const { signal } = ending
  const kinds = [shareKind, workspaceKind]
  const resources = faultyResources(openEmbeddedStore({ file: ':memory:', kinds, clock, log, signal }).resources)
  const judge = new ShareJudge({
    ...{ resources, clock, log, signal },
    authorshipOf: () => 'RbacGranted',
    serves: ({ spec }) => spec.managerRef?.name === 'ours',
  })
  return { resources, judge, [Symbol.dispose]: () => ending.abort() }
}

async function workspace(resources: FaultyResources, name: string, manager: string): Promise<void> {
  const spec = workspaceKind.parseSpec({ managerRef: { name: manager } })
  await resources.create(workspaceKind, { metadata: { namespace, name }, spec })
}

function share(resources: FaultyResources, name: string, of: string, more: object = {}): Promise<WorkspaceShare> {
  const grantees = [{ kind: 'User', name: 'bob' }]
  const spec = shareKind.parseSpec({ workspaces: [{ name: of }], grantees, ...more })
  return resources.create(shareKind, { metadata: { namespace, name }, spec })
}

async function reasonOf(resources: FaultyResources, name: string): Promise<string | undefined> {
  return (await resources.get(shareKind, { namespace, name }))?.status.conditions[0]?.reason
}

test('who follows shares is not kept waiting by a store that is; what waits together is judged by one list', async () => {
  using world = open()
  const { resources, judge } = world
  await workspace(resources, 'nb', 'ours')
  const made = await Promise.all(Array.from({ length: 20 }, (_, index) => share(resources, `share-${index}`, 'nb')))
  {
    using _ = resources.hold('list')
    for (const object of made) judge.apply({ type: 'applied', object })
    // At most eight at once, of what is told of one by one.
    expect(resources.calls('list')).toBe(8)
  }
  for (const { metadata } of made) await expect.poll(() => reasonOf(resources, metadata.name)).toBe('RbacGranted')
  expect(resources.calls('list')).toBe(9)
})

test('a share of what other gateways serve alone is theirs to judge, and one that is over needs no verdict', async () => {
  using world = open()
  const { resources, judge } = world
  await workspace(resources, 'nb', 'ours')
  await workspace(resources, 'other', 'theirs')
  const over = { expiresAt: new Date(clock.now() - 1).toISOString() }
  const objects = [
    await share(resources, 'of-theirs', 'other'),
    await share(resources, 'over', 'nb', over),
    await share(resources, 'of-nobody', 'none'),
    await share(resources, 'of-ours', 'nb'),
  ]
  judge.apply({ type: 'synced', objects })
  await expect.poll(() => reasonOf(resources, 'of-ours')).toBe('RbacGranted')
  await expect.poll(() => reasonOf(resources, 'of-nobody')).toBe('WorkspaceNotFound')
  expect(await reasonOf(resources, 'of-theirs')).toBeUndefined()
  expect(await reasonOf(resources, 'over')).toBeUndefined()
})

test('what could not be judged is judged once the store answers again', async () => {
  using world = open()
  const { resources, judge } = world
  await workspace(resources, 'nb', 'ours')
  const object = await share(resources, 'late', 'nb')
  {
    using _ = resources.fail('patchStatus')
    judge.apply({ type: 'applied', object })
    await expect.poll(() => resources.calls('patchStatus')).toBe(1)
  }
  await expect
    .poll(async () => {
      await clock.advance(2_000)
      return reasonOf(resources, 'late')
    })
    .toBe('RbacGranted')
})

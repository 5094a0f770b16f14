import { expect, test } from 'vitest'
import { createLog } from '#observe/log.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type FaultyResources, faultyResources } from '#test/support/faulty-resources.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { sharedByAnnotation, shareKind, type WorkspaceShare } from '#workspace/share.ts'
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

test('a share made through Gatehouse has its verdict from who made it, who knows by what right; from others only when none comes', async () => {
  using world = open()
  const { resources, judge } = world
  await workspace(resources, 'nb', 'ours')
  const made = async (name: string) => {
    const { spec, metadata } = await share(resources, `${name}-before`, 'nb')
    const annotations = { [sharedByAnnotation]: 'carol' }
    return resources.create(shareKind, { metadata: { namespace: metadata.namespace, name, annotations }, spec })
  }
  const [judged, orphan, revoked] = [await made('judged'), await made('orphan'), await made('revoked')]
  for (const object of [judged, orphan, revoked]) judge.apply({ type: 'applied', object })
  await clock.advance(9_000)
  expect(await reasonOf(resources, 'judged')).toBeUndefined()
  const status = { observedGeneration: 1, conditions: [{ type: 'Accepted', status: 'True', reason: 'Maker' }] }
  const object = await resources.patchStatus(shareKind, { namespace, name: 'judged' }, status)
  judge.apply({ type: 'applied', object })
  judge.apply({ type: 'deleted', object: revoked })
  await clock.advance(2_000)
  await expect.poll(() => reasonOf(resources, 'orphan')).toBe('RbacGranted')
  expect(await reasonOf(resources, 'judged')).toBe('Maker')
  expect(await reasonOf(resources, 'revoked')).toBeUndefined()
})

test('one that makes owners and is narrowed as well is not accepted, and says why', async () => {
  using world = open()
  const { resources, judge } = world
  await workspace(resources, 'nb', 'ours')
  const made = [
    await share(resources, 'by-port', 'nb', { access: 'own', ports: ['app'] }),
    await share(resources, 'by-kind', 'nb', { access: 'own', connectionTypes: ['web-ui'] }),
    await share(resources, 'of-none', 'none', { access: 'own', ports: ['app'] }),
    await share(resources, 'whole', 'nb', { access: 'own' }),
  ]
  judge.apply({ type: 'synced', objects: made })
  await expect.poll(() => reasonOf(resources, 'whole')).toBe('RbacGranted')
  for (const name of ['by-port', 'by-kind', 'of-none']) {
    await expect.poll(() => reasonOf(resources, name)).toBe('OwnershipNarrowed')
    const { status } = (await resources.get(shareKind, { namespace, name })) ?? {}
    expect(status).toMatchObject({ workspaces: [], conditions: [{ status: 'False' }] })
  }
})

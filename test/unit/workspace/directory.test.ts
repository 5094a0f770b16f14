import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Reflected } from '#resources/reflect.ts'
import type { Instance, InstanceEvent, InstancePhase, InstanceUid } from '#runtime/contract.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { instance, share, workspace } from '#test/support/objects.ts'
import { hostLabel } from '#workspace/address.ts'
import { Directory } from '#workspace/directory.ts'
import type { Readiness } from '#workspace/state.ts'
import type { Workspace } from '#workspace/workspace.ts'

/** `early`: milliseconds by which timers fire before their time, as those of Node may. */
function world(readiness: Readiness = { kind: 'ready' }, early = 0) {
  const exact = fakeClock(Date.parse('2026-01-01T00:00:00Z'))
  const clock = {
    ...exact,
    after: (delay: number, run: () => void) => exact.after(delay > early ? delay - early : delay, run),
  }
  const directory = new Directory({
    clock,
    serves: (served) => served.spec.managerRef?.name !== 'other',
    readinessOf: () => readiness,
  })
  const changes: string[] = []
  directory.subscribe(({ ref, after }) => changes.push(`${ref.name}:${after?.state.phase ?? 'gone'}`))
  return { clock, directory, changes }
}

const nb = workspace({ owner: 'alice' })
const ref = { namespace: 'team', name: 'nb' }

describe('the directory', () => {
  test('is complete only after every source was heard', () => {
    const { directory } = world()
    directory.applyWorkspaces({ type: 'synced', objects: [nb] })
    directory.applyShares({ type: 'synced', objects: [] })
    expect(directory.isComplete).toBe(false)
    directory.applyInstances({ type: 'synced', instances: [] })
    expect(directory.isComplete).toBe(true)
  })

  test('follows a workspace from stopped to running to gone, and every change grows the generation', () => {
    const { directory, changes } = world()
    const stopped = workspace({ spec: { desiredStatus: 'Stopped' } })
    directory.applyWorkspaces({ type: 'synced', objects: [stopped] })
    const first = directory.generation
    directory.applyWorkspaces({ type: 'applied', object: nb })
    directory.applyInstances({ type: 'applied', instance: instance(nb) })
    directory.applyWorkspaces({ type: 'deleted', object: nb })
    expect(changes).toEqual(['nb:Stopped', 'nb:Starting', 'nb:Running', 'nb:gone'])
    expect(directory.generation).toBe(first + 3)
    expect(directory.get(ref)).toBeUndefined()
  })

  test('does not know workspaces of another manager, also when one is handed over', () => {
    const { directory } = world()
    directory.applyWorkspaces({ type: 'synced', objects: [nb] })
    directory.applyWorkspaces({ type: 'applied', object: workspace({ spec: { managerRef: { name: 'other' } } }) })
    expect(directory.get(ref)).toBeUndefined()
  })

  test('forgets what is missing from a new listing', () => {
    const { directory } = world()
    directory.applyWorkspaces({ type: 'synced', objects: [nb] })
    directory.applyWorkspaces({ type: 'synced', objects: [] })
    expect([...directory.all()]).toEqual([])
    expect(directory.findByUid(nb.metadata.uid)).toBeUndefined()
  })

  test('finds a hashed label, and only while its workspace exists', () => {
    const { directory } = world()
    const dotted = workspace({ name: 'a.b' })
    const label = hostLabel({ namespace: 'team', name: 'a.b' })
    directory.applyWorkspaces({ type: 'synced', objects: [dotted] })
    expect(directory.find({ by: 'label', label })?.ref.name).toBe('a.b')
    directory.applyWorkspaces({ type: 'deleted', object: dotted })
    expect(directory.find({ by: 'label', label })).toBeUndefined()
  })

  test('gives an instance of a deleted namesake to nobody', () => {
    const { directory } = world()
    directory.applyWorkspaces({ type: 'synced', objects: [workspace({ uid: 'new' })] })
    directory.applyInstances({ type: 'synced', instances: [instance(nb)] })
    expect(directory.get(ref)).toMatchObject({ instance: undefined, state: { phase: 'Starting' } })
  })

  test("the end of a deleted namesake's instance takes nothing from the new one's", () => {
    const { directory } = world()
    const renewed = workspace({ uid: 'new' })
    directory.applyWorkspaces({ type: 'synced', objects: [renewed] })
    const old = instance(nb)
    const present = instance(renewed)
    directory.applyInstances({ type: 'synced', instances: [old] })
    directory.applyInstances({ type: 'applied', instance: present })
    directory.applyInstances({ type: 'applied', instance: { ...old, phase: 'stopping' } })
    expect(directory.get(ref)?.instance).toBe(present)
    directory.applyInstances({ type: 'gone', ref, instanceUid: old.instanceUid })
    expect(directory.get(ref)?.instance).toBe(present)
  })

  test('a late "gone" of an earlier run does not take away the present one', () => {
    const { directory } = world()
    directory.applyWorkspaces({ type: 'synced', objects: [nb] })
    const present = instance(nb)
    directory.applyInstances({ type: 'applied', instance: present })
    const earlier = { ...present, instanceUid: instance(workspace({ uid: 'old' })).instanceUid }
    directory.applyInstances({ type: 'gone', ref, instanceUid: earlier.instanceUid })
    expect(directory.get(ref)?.instance).toBe(present)
  })
})

describe('instances in the directory', () => {
  const phases: readonly InstancePhase[] = ['starting', 'running', 'stopping', 'failed']
  const names = ['a', 'b', 'c']
  /** A brand that only a runtime makes. */
  const uids = ['run-1', 'run-2', 'run-3', 'run-4'] as InstanceUid[]
  const objects = names.flatMap((name) => ['one', 'two'].map((uid) => workspace({ name, uid: `${name}-${uid}` })))
  const object = fc.constantFrom(...objects)
  const run = fc
    .record({ of: object, instanceUid: fc.constantFrom(...uids), phase: fc.constantFrom(...phases) })
    .map(({ of, ...fields }) => instance(of, fields))
  const workspaceStep = fc.oneof(
    fc.record({ type: fc.constant('applied' as const), object }),
    fc.record({ type: fc.constant('deleted' as const), object }),
    fc.record({ type: fc.constant('synced' as const), objects: fc.array(object) }),
  )
  /** As a runtime tells them: one that changes hands is gone before it is somebody else's. */
  const runsStep = fc.oneof(
    fc.record({ type: fc.constant('applied' as const), instance: run }),
    fc.record({ type: fc.constant('gone' as const), ref: object.map(nameIn), instanceUid: fc.constantFrom(...uids) }),
    fc.record({
      type: fc.constant('synced' as const),
      instances: fc.uniqueArray(run, { selector: ({ instanceUid }) => instanceUid }),
    }),
  )

  test('one that runs is found at once as by looking through all, whatever came before', () => {
    const steps = fc.array(fc.oneof(fc.record({ workspace: workspaceStep }), fc.record({ runs: runsStep })), {
      maxLength: 40,
    })
    const agree = (directory: Directory) => {
      for (const uid of uids) expect(directory.findByInstance('team', uid)).toBe(scanned(directory, uid))
      for (const uid of uids) expect(directory.findByInstance('other', uid)).toBeUndefined()
    }
    fc.assert(fc.property(steps, (all) => follow(all, agree)))
  })

  test('one that two claim is the last one’s, and what the first one loses takes nothing from it', () => {
    const { directory } = world()
    const [a, b] = [workspace({ name: 'a' }), workspace({ name: 'b' })]
    directory.applyWorkspaces({ type: 'synced', objects: [a, b] })
    const instanceUid = instance(a).instanceUid
    for (const of of [a, b]) directory.applyInstances({ type: 'applied', instance: instance(of, { instanceUid }) })
    directory.applyInstances({ type: 'gone', ref: nameIn(a), instanceUid })
    expect(directory.findByInstance('team', instanceUid)?.ref.name).toBe('b')
  })
})

type Step = { readonly workspace: Reflected<Workspace> } | { readonly runs: InstanceEvent }

/** One after the other; `look` after each. */
function follow(steps: readonly Step[], look: (directory: Directory) => void): void {
  const { directory } = world()
  const holders = new Map<string, string>()
  for (const step of steps) {
    if ('workspace' in step) directory.applyWorkspaces(step.workspace)
    else for (const event of inHands(step.runs, holders)) directory.applyInstances(event)
    look(directory)
  }
}

function nameIn({ metadata: { namespace, name } }: typeof nb) {
  return { namespace, name }
}

/** Looked for in all of them. */
function scanned(directory: Directory, uid: string) {
  const isRun = (phase: string | undefined) => phase === 'starting' || phase === 'running'
  return [...directory.all()].find(({ instance: one }) => one?.instanceUid === uid && isRun(one.phase))
}

/** What a runtime says before, where this instance was another workspace's. */
function inHands(event: InstanceEvent, holders: Map<string, string>): readonly InstanceEvent[] {
  if (event.type === 'synced') {
    holders.clear()
    for (const one of event.instances) holders.set(one.instanceUid, one.ref.name)
    return [event]
  }
  return event.type === 'gone' ? [event] : [...leaving(event.instance, holders), event]
}

function leaving({ ref: of, instanceUid }: Instance, holders: Map<string, string>): readonly InstanceEvent[] {
  const before = holders.get(instanceUid)
  holders.set(instanceUid, of.name)
  if (before === undefined || before === of.name) return []
  return [{ type: 'gone', ref: { namespace: of.namespace, name: before }, instanceUid }]
}

describe('shares in the directory', () => {
  const heard = (directory: Directory, ...shares: ReturnType<typeof share>[]) => {
    directory.applyWorkspaces({ type: 'synced', objects: [nb] })
    directory.applyShares({ type: 'synced', objects: shares })
    return directory.get(ref)?.shares.length
  }
  const accepted = share([nb], {}).status

  test('one that is accepted for this very workspace is in force', () => {
    expect(heard(world().directory, share([nb], {}))).toBe(1)
  })

  test.each([
    [
      'refused',
      {
        ...accepted,
        conditions: [{ type: 'Accepted', status: 'False' as const, reason: 'AuthorUnverified', message: '' }],
      },
    ],
    ['not yet judged', { ...accepted, conditions: [] }],
    ['accepted for an earlier spec', { ...accepted, observedGeneration: 0 }],
    ['accepted for a deleted namesake', { ...accepted, workspaces: [{ name: 'nb', uid: 'another' }] }],
  ])('one that is %s is not', (_, status) => {
    expect(heard(world().directory, share([nb], {}, status))).toBe(0)
  })

  test('one of another namespace is not, whatever it says', () => {
    const foreign = share([nb], {})
    expect(heard(world().directory, { ...foreign, metadata: { ...foreign.metadata, namespace: 'other' } })).toBe(0)
  })

  test('deleting one is a change of every workspace that it names', () => {
    const { directory, changes } = world()
    const given = share([nb], {})
    heard(directory, given)
    changes.length = 0
    directory.applyShares({ type: 'deleted', object: given })
    expect(changes).toEqual(['nb:Starting'])
    expect(directory.get(ref)?.shares).toEqual([])
  })

  test('its expiry is a change at that very instant', async () => {
    const { directory, changes, clock } = world()
    heard(directory, share([nb], { expiresAt: '2026-01-01T00:01:00Z' }))
    changes.length = 0
    await clock.advance(59_999)
    expect(changes).toEqual([])
    await clock.advance(1)
    expect(changes).toEqual(['nb:Starting'])
  })

  test.each([
    ['earlier', '2026-01-01T00:00:30Z'],
    ['later', '2026-01-01T00:02:00Z'],
  ])('one that is edited to end %s ends then, and at no other time', async (_when, expiresAt) => {
    const { directory, changes, clock } = world()
    heard(directory, share([nb], { expiresAt: '2026-01-01T00:01:00Z' }))
    directory.applyShares({ type: 'applied', object: share([nb], { expiresAt }) })
    changes.length = 0
    const until = Date.parse(expiresAt) - clock.now()
    await clock.advance(until - 1)
    expect(changes).toEqual([])
    await clock.advance(1)
    expect(changes).toEqual(['nb:Starting'])
    await clock.advance(600_000)
    expect(changes).toEqual(['nb:Starting'])
  })

  test('its expiry is no change before the time of day says so, however early the timer is', async () => {
    const { directory, changes, clock } = world({ kind: 'ready' }, 1)
    heard(directory, share([nb], { expiresAt: '2026-01-01T00:01:00Z' }))
    changes.length = 0
    await clock.advance(59_999)
    expect(changes).toEqual([])
    await clock.advance(1)
    expect(changes).toEqual(['nb:Starting'])
  })
})

/** Random sequences of operations: the store and a simple model of it never disagree. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import type { ObjectName, Preconditions, Resources, ResourceVersion, Uid } from '#resources/contract.ts'
import { ownerReference } from '#test/behaviour/resources/samples.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { storeWorld } from './store-world.ts'

const names = ['a', 'b', 'c', 'd'].map((name) => ({ namespace: 'team-a', name }))

/** What to do to one name. `asOf` says which earlier state of it the caller believes in: the last, or so many before. */
const operation = fc.record({
  type: fc.constantFrom('create', 'patchSpec', 'patchStatus', 'replace', 'delete'),
  name: fc.constantFrom(...names),
  value: fc.constantFrom('x', 'y', 'z'),
  asOf: fc.option(fc.nat({ max: 2 }), { nil: undefined }),
  owner: fc.option(fc.constantFrom(...names), { nil: undefined, freq: 3 }),
})
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

interface ModelObject {
  readonly uid: Uid
  readonly version: number
  readonly generation: number
  readonly image: string
  readonly phase: string
  readonly owner: Uid | undefined
}

/** The rules, as plainly as they can be said. */
class Model {
  readonly objects = new Map<string, ModelObject>()
  version = 0

  /** The code of the error that the operation should end with, or what it should leave. */
  apply(op: Operation, believed: Preconditions, made: Uid | undefined, owner: Uid | undefined): string {
    const current = this.objects.get(op.name.name)
    if (op.type === 'create') return current ? 'already_exists' : this.#create(op, made, owner)
    if (!current) return op.type === 'delete' ? 'nothing' : 'not_found'
    if (!holds(believed, current)) return 'conflict'
    if (op.type === 'delete') {
      this.#delete(op.name.name)
      return 'deleted'
    }
    const next = op.type === 'patchStatus' ? { ...current, phase: op.value } : { ...current, image: op.value }
    const isSame = next.image === current.image && next.phase === current.phase
    const generation = current.generation + (next.image === current.image ? 0 : 1)
    if (!isSame) this.objects.set(op.name.name, { ...next, generation, version: this.#next() })
    return 'written'
  }

  #create({ name: { name }, value }: Operation, uid: Uid | undefined, owner: Uid | undefined): string {
    if (uid === undefined) return 'no uid'
    this.objects.set(name, { uid, version: this.#next(), generation: 1, image: value, phase: '', owner })
    const isOwned = owner === undefined || [...this.objects.values()].some((object) => object.uid === owner)
    if (!isOwned) this.#delete(name)
    return 'written'
  }

  #delete(name: string): void {
    const gone = this.objects.get(name)?.uid
    this.objects.delete(name)
    this.#next()
    for (const [dependent, { owner }] of this.objects) {
      if (owner === gone) this.#delete(dependent)
    }
  }

  #next(): number {
    this.version += 1
    return this.version
  }
}

function holds({ uid, resourceVersion }: Preconditions, current: ModelObject): boolean {
  return (
    (uid ?? current.uid) === current.uid && (resourceVersion ?? String(current.version)) === String(current.version)
  )
}

test('uids, versions, generations, conflicts, no-ops and garbage are as the model says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
      await using world = await storeWorld()
      const { resources } = world.open({ file: ':memory:' })
      const model = new Model()
      const history = new History()
      for (const op of operations) {
        const believed = history.believed(op)
        const owner = op.owner && history.last(op.owner)
        const { outcome, uid } = await carryOut(resources, op, history, owner)
        expect(outcome).toBe(model.apply(op, believed, uid, owner?.metadata.uid))
        history.add(await resources.list(workspaceKind))
        expect(history.state()).toEqual(modelState(model))
      }
    }),
    { numRuns: 150 },
  )
})

test('the events after any version lead from the list at that version to the last one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 30 }), async (operations) => {
      await using world = await storeWorld()
      const { resources } = world.open({ file: ':memory:' })
      const history = new History()
      history.add(await resources.list(workspaceKind))
      for (const op of operations) {
        await carryOut(resources, op, history, op.owner && history.last(op.owner))
        history.add(await resources.list(workspaceKind))
      }
      for (const { items, resourceVersion } of history.lists) {
        expect(await replayed(resources, items, resourceVersion)).toEqual(history.lists.at(-1)?.items)
      }
    }),
    { numRuns: 60 },
  )
})

/** What lists have said, one after each operation. */
class History {
  readonly lists: { items: readonly Workspace[]; resourceVersion: ResourceVersion }[] = []

  add(listing: { items: readonly Workspace[]; resourceVersion: ResourceVersion }): void {
    this.lists.push(listing)
  }

  /** The object of that name as it was the last time but `back` that there was one. */
  last({ name }: ObjectName, back = 0): Workspace | undefined {
    const seen = this.lists.flatMap(({ items }) => items.filter((item) => item.metadata.name === name))
    const versions = seen.filter(
      ({ metadata }, index) => metadata.resourceVersion !== seen[index - 1]?.metadata.resourceVersion,
    )
    return versions.at(-1 - back)
  }

  /** For a replacement that is always a version, for the rest only where one is believed in. */
  believed({ type, name, asOf }: Operation): Preconditions {
    const seen =
      type === 'replace' ? this.last(name, asOf ?? 0) : asOf === undefined ? undefined : this.last(name, asOf)
    return seen ? { uid: seen.metadata.uid, resourceVersion: seen.metadata.resourceVersion } : {}
  }

  state() {
    const { items = [], resourceVersion } = this.lists.at(-1) ?? {}
    const objects = items.map(({ metadata, spec, status }) => [
      ...[metadata.name, metadata.uid, metadata.resourceVersion, metadata.generation, spec.image],
      status.phase ?? '',
    ])
    return { objects, resourceVersion }
  }
}

function modelState(model: Model): ReturnType<History['state']> {
  const objects = [...model.objects].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return {
    objects: objects.map(([name, { uid, version, generation, image, phase }]) => [
      ...[name, uid, String(version), generation, image],
      phase,
    ]),
    resourceVersion: String(model.version) as ResourceVersion,
  }
}

async function carryOut(resources: Resources, op: Operation, history: History, owner: Workspace | undefined) {
  try {
    const done = await perform(resources, op, history, owner)
    if (typeof done === 'boolean') return { outcome: done ? 'deleted' : 'nothing', uid: undefined }
    return { outcome: 'written', uid: done.metadata.uid }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return { outcome: error.code, uid: undefined }
  }
}

function perform(
  resources: Resources,
  op: Operation,
  history: History,
  owner: Workspace | undefined,
): Promise<Workspace | boolean> {
  const { name, value } = op
  const believed = history.believed(op)
  if (op.type === 'delete') return resources.delete(workspaceKind, name, believed)
  if (op.type === 'patchSpec') return resources.patchSpec(workspaceKind, name, { image: value }, believed)
  if (op.type === 'patchStatus') return resources.patchStatus(workspaceKind, name, { phase: value }, believed)
  const seen = op.type === 'replace' ? history.last(name, op.asOf ?? 0) : undefined
  if (seen) return resources.replace(workspaceKind, { ...seen, spec: { ...seen.spec, image: value } })
  if (op.type === 'replace') return resources.patchSpec(workspaceKind, name, { image: value })
  const ownerReferences = owner ? [ownerReference(owner)] : []
  return resources.create(workspaceKind, {
    metadata: { ...name, ownerReferences },
    spec: { displayName: '', desiredStatus: 'Stopped', image: value },
  })
}

async function replayed(resources: Resources, items: readonly Workspace[], from: ResourceVersion) {
  const { resourceVersion: latest } = await resources.list(workspaceKind)
  const state = new Map(items.map((item) => [item.metadata.name, item]))
  if (from === latest) return items
  const { signal } = new AbortController()
  for await (const event of resources.watch(workspaceKind, { resourceVersion: from, signal })) {
    if (!('object' in event)) continue
    const { metadata } = event.object
    if (event.type === 'deleted') state.delete(metadata.name)
    else state.set(metadata.name, event.object)
    if (metadata.resourceVersion === latest) break
  }
  return [...state.values()].toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
}

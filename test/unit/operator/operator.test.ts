import { describe, expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { createAudit } from '#observe/audit.ts'
import { createLog } from '#observe/log.ts'
import { runOperator } from '#operator/operator.ts'
import type { Resources } from '#resources/contract.ts'
import type { Endpoint, Instance, InstanceUid, Plan, Runtime } from '#runtime/contract.ts'
import { InstanceFeed } from '#runtime/instance-feed.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { storeWorld } from '#test/unit/resources/store-world.ts'
import { conditionsIn } from '#workspace/conditions.ts'
import type { ProbeNews } from '#workspace/prober.ts'
import type { Readiness } from '#workspace/state.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'

const ref: WorkspaceRef = { namespace: 'team', name: 'nb' }

/** A runtime that keeps books instead of processes. */
class PaperRuntime implements Runtime {
  readonly calls: string[] = []
  readonly feed = new InstanceFeed()
  readonly running = new Map<string, Instance>()
  failures = 0
  #count = 0

  instances(signal: AbortSignal) {
    return this.feed.follow(signal)
  }

  async apply(plan: Plan): Promise<void> {
    const key = refKey(plan.ref)
    if (this.failures-- > 0) throw new Error('no memory left')
    const current = this.running.get(key)
    if (current?.message === plan.fingerprint && current.workspaceUid === plan.workspaceUid) return
    await this.remove(plan.ref)
    this.calls.push(`apply ${key}`)
    this.#count += 1
    const instance: Instance = {
      ref: plan.ref,
      workspaceUid: plan.workspaceUid,
      instanceUid: `run-${this.#count}` as InstanceUid, // made up by this runtime alone
      phase: 'running',
      reason: '',
      message: plan.fingerprint,
      endpoints: new Map<number, Endpoint>([[8888, { kind: 'unix', path: '/nowhere' }]]),
      steps: [],
    }
    this.running.set(key, instance)
    this.feed.apply(instance)
  }

  async remove(of: WorkspaceRef): Promise<void> {
    const found = this.running.get(refKey(of))
    if (!found) return
    this.calls.push(`remove ${refKey(of)}`)
    this.running.delete(refKey(of))
    this.feed.remove(of, found.instanceUid)
  }

  async logs(): Promise<readonly string[]> {
    return []
  }
}

interface OperatorWorld extends AsyncDisposable {
  readonly resources: Resources
  readonly runtime: PaperRuntime
  readonly logged: () => string
  readonly statusWrites: () => number
  become(readiness: Readiness): void
  tell(news: ProbeNews): void
  create(desiredStatus?: 'Running' | 'Stopped', name?: string): Promise<Workspace>
  wish(desiredStatus: 'Running' | 'Stopped'): Promise<void>
  /** Waits until the condition has this status, and gives it. */
  condition(type: string, status: string): Promise<{ reason: string; message: string }>
}

async function createOperatorWorld(
  before?: (resources: Resources) => Promise<unknown>,
  listed?: Promise<void>,
): Promise<OperatorWorld> {
  const store = await storeWorld()
  const { resources } = store.open({ file: ':memory:' })
  await before?.(resources)
  const runtime = new PaperRuntime()
  const lines = memoryLines()
  const ending = new AbortController()
  const listeners = new Set<(news: ProbeNews) => void>()
  let statusWrites = 0
  let readiness: Readiness = { kind: 'waiting', message: 'Port 8888 does not answer yet' }
  const work = runOperator({
    resources: seen(resources, listed, () => {
      statusWrites += 1
    }),
    runtime,
    planOf: (workspace, of) => ({
      ref: of,
      workspaceUid: workspace.metadata.uid,
      fingerprint: workspace.spec.displayName,
      program: { kind: 'command', argv: ['true'] },
      ports: [8888],
      env: {},
    }),
    prober: {
      readinessOf: () => readiness,
      subscribe(listener) {
        listeners.add(listener)
        return { [Symbol.dispose]: () => void listeners.delete(listener) }
      },
    },
    clock: systemClock,
    log: createLog({ level: 'debug', clock: systemClock, sink: lines }),
    audit: createAudit({ sink: lines, clock: systemClock }),
    signal: ending.signal,
  })
  const tell = (news: ProbeNews) => {
    for (const listener of listeners) listener(news)
  }
  return {
    resources,
    runtime,
    logged: () => lines.text,
    statusWrites: () => statusWrites,
    tell,
    become(next) {
      readiness = next
      tell({ kind: 'readiness', ref })
    },
    create: (desiredStatus = 'Running', name = ref.name) => create(resources, desiredStatus, name),
    async wish(desiredStatus) {
      await resources.patchSpec(workspaceKind, ref, { desiredStatus })
    },
    condition: (type, status) =>
      expect
        .poll(async () => {
          const found = await resources.get(workspaceKind, ref)
          return found && conditionsIn(found).find((it) => it.type === type && it.status === status)
        })
        .toBeDefined()
        .then(async () => {
          const found = await resources.get(workspaceKind, ref)
          const condition = found && conditionsIn(found).find((it) => it.type === type)
          return { reason: condition?.reason ?? '', message: condition?.message ?? '' }
        }),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await work
      await store[Symbol.asyncDispose]()
    },
  }
}

/** The same resources, whose lists take until the promise, and whose writes of a status are told. */
function seen(resources: Resources, until: Promise<void> | undefined, onStatus: () => void): Resources {
  return {
    list: async (kind, options) => {
      await until
      return resources.list(kind, options)
    },
    watch: (kind, options) => resources.watch(kind, options),
    get: (kind, name) => resources.get(kind, name),
    create: (kind, object) => resources.create(kind, object),
    replace: (kind, object) => resources.replace(kind, object),
    patchSpec: (kind, name, patch, preconditions) => resources.patchSpec(kind, name, patch, preconditions),
    patchStatus: (kind, name, patch, preconditions) => {
      onStatus()
      return resources.patchStatus(kind, name, patch, preconditions)
    },
    delete: (kind, name, preconditions) => resources.delete(kind, name, preconditions),
  }
}

function create(resources: Resources, desiredStatus: 'Running' | 'Stopped', name: string): Promise<Workspace> {
  return resources.create(workspaceKind, {
    metadata: { namespace: ref.namespace, name },
    spec: workspaceKind.parseSpec({ displayName: 'one', desiredStatus }),
  })
}

const calls = (world: OperatorWorld) => expect.poll(() => world.runtime.calls)

describe('what is wanted is brought about', () => {
  test('running starts it, stopped ends it, and once each', async () => {
    await using world = await createOperatorWorld()
    await world.create('Stopped')
    await world.condition('Stopped', 'True')
    expect(world.runtime.calls).toEqual([])
    await world.wish('Running')
    await calls(world).toEqual(['apply team/nb'])
    await world.wish('Stopped')
    await calls(world).toEqual(['apply team/nb', 'remove team/nb'])
    await world.condition('Stopped', 'True')
    expect(world.runtime.calls).toHaveLength(2)
  })

  test('a deleted workspace is ended', async () => {
    await using world = await createOperatorWorld()
    await world.create()
    await calls(world).toEqual(['apply team/nb'])
    await world.resources.delete(workspaceKind, ref)
    await calls(world).toEqual(['apply team/nb', 'remove team/nb'])
  })

  test('what was wanted before the operator began is brought about', async () => {
    await using world = await createOperatorWorld((resources) => create(resources, 'Running', 'nb'))
    await calls(world).toEqual(['apply team/nb'])
  })

  test('an instance of no workspace is ended, but not before all workspaces are known', async () => {
    const listed = Promise.withResolvers<void>()
    await using world = await createOperatorWorld(undefined, listed.promise)
    const { metadata } = await world.create('Stopped', 'other')
    const program = { kind: 'command', argv: ['true'] } as const
    const plan = { ref, workspaceUid: metadata.uid, fingerprint: 'x', program, ports: [], env: {} }
    await world.runtime.apply(plan)
    world.become({ kind: 'ready' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(world.runtime.calls).toEqual(['apply team/nb'])
    listed.resolve()
    await calls(world).toEqual(['apply team/nb', 'remove team/nb'])
  })

  test('a runtime that fails is tried again', async () => {
    await using world = await createOperatorWorld()
    world.runtime.failures = 2
    await world.create()
    await calls(world).toEqual(['apply team/nb'])
    expect(world.logged()).toContain('no memory left')
  })
})

describe('what is told in the status', () => {
  test('starting, running and stopped, as upstream says them', async () => {
    await using world = await createOperatorWorld()
    await world.create()
    expect(await world.condition('Progressing', 'True')).toMatchObject({ reason: 'AccessNotReady' })
    world.become({ kind: 'ready' })
    expect(await world.condition('Available', 'True')).toMatchObject({ reason: 'ResourcesReady' })
    await world.wish('Stopped')
    expect(await world.condition('Stopped', 'True')).toMatchObject({ reason: 'AllResourcesStopped' })
    const found = await world.resources.get(workspaceKind, ref)
    expect(found && conditionsIn(found).map(({ type, status }) => `${type}=${status}`)).toEqual([
      'Available=False',
      'Progressing=False',
      'Degraded=False',
      'Stopped=True',
    ])
  })

  test('degraded with the reason of the prober', async () => {
    await using world = await createOperatorWorld()
    await world.create()
    await world.condition('Progressing', 'True')
    world.become({ kind: 'degraded', reason: 'AccessProbeThresholdExceeded', message: 'Port 8888 does not answer' })
    expect(await world.condition('Degraded', 'True')).toMatchObject({
      reason: 'AccessProbeThresholdExceeded',
      message: 'Port 8888 does not answer',
    })
  })

  test('is written when it changes, and not again', async () => {
    await using world = await createOperatorWorld()
    await world.create()
    world.become({ kind: 'ready' })
    await world.condition('Available', 'True')
    const before = world.statusWrites()
    for (let time = 0; time < 5; time++) {
      world.tell({ kind: 'readiness', ref })
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(world.statusWrites()).toBe(before)
  })

  test('a start that is given up is stopped, and why stays readable until the next start', async () => {
    await using world = await createOperatorWorld()
    const { metadata } = await world.create()
    await world.condition('Progressing', 'True')
    world.tell({ kind: 'start-timed-out', ref, workspaceUid: metadata.uid, message: 'It was not ready within 300 s.' })
    await calls(world).toEqual(['apply team/nb', 'remove team/nb'])
    await world.condition('Stopped', 'True')
    expect(await world.condition('Degraded', 'True')).toEqual({
      reason: 'StartTimedOut',
      message: 'It was not ready within 300 s.',
    })
    expect((await world.resources.get(workspaceKind, ref))?.spec.desiredStatus).toBe('Stopped')
    await world.wish('Running')
    await world.condition('Degraded', 'False')
  })

  test('giving up a namesake of before does not stop the one of today', async () => {
    await using world = await createOperatorWorld()
    const { metadata } = await world.create()
    await calls(world).toEqual(['apply team/nb'])
    await world.resources.delete(workspaceKind, ref)
    await calls(world).toEqual(['apply team/nb', 'remove team/nb'])
    await world.create()
    await world.condition('Progressing', 'True')
    await calls(world).toEqual(['apply team/nb', 'remove team/nb', 'apply team/nb'])
    world.tell({ kind: 'start-timed-out', ref, workspaceUid: metadata.uid, message: 'late' })
    world.become({ kind: 'ready' })
    await world.condition('Available', 'True')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await world.resources.get(workspaceKind, ref))?.spec.desiredStatus).toBe('Running')
  })
})

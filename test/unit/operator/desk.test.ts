import { expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { createLog, type Log } from '#observe/log.ts'
import { Desk } from '#operator/desk.ts'
import { runOperator } from '#operator/operator.ts'
import type { Resources } from '#resources/contract.ts'
import type { Endpoint, Instance, InstanceUid, Plan, Runtime } from '#runtime/contract.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { staticRuntime } from '#test/support/static-runtime.ts'
import { storeWorld } from '#test/unit/resources/store-world.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'

const ref = { namespace: 'team', name: 'nb' }
const readinessOf = () => ({ kind: 'waiting', message: 'not yet' }) as const

function create(resources: Resources): Promise<Workspace> {
  return resources.create(workspaceKind, { metadata: ref, spec: workspaceKind.parseSpec({ desiredStatus: 'Running' }) })
}

function planOf(workspace: Workspace): Plan {
  const program = { kind: 'command', argv: [] } as const
  return { ref, workspaceUid: workspace.metadata.uid, fingerprint: '', program, ports: [], env: {} }
}

function runningFor(workspace: Workspace, name: string): Instance {
  return {
    ref,
    workspaceUid: workspace.metadata.uid,
    instanceUid: name as InstanceUid, // made up by this test alone
    phase: 'running',
    reason: '',
    message: '',
    endpoints: new Map<number, Endpoint>(),
    steps: [],
  }
}

/** One desk at work, over a runtime that does nothing until it is let. */
async function deskAtWork() {
  const store = await storeWorld()
  const { resources } = store.open({ file: ':memory:' })
  const lines = memoryLines()
  const log = createLog({ level: 'debug', clock: systemClock, sink: lines })
  const ending = new AbortController()
  const calls: string[] = []
  let removing: Promise<void> = Promise.resolve()
  let isOver = false
  const { signal } = ending
  const runtime = {
    ...staticRuntime(),
    async apply() {
      calls.push('apply')
    },
    async remove() {
      calls.push('remove')
      await removing
    },
  }
  const audit = { record: () => undefined }
  const parts = { resources, runtime, planOf, prober: { readinessOf }, clock: systemClock, log, audit }
  const desk = new Desk(ref, parts, signal)
  const work = desk.work(signal, () => {
    isOver = true
  })
  return {
    ...{ resources, desk, calls, work },
    isOver: () => isOver,
    holdRemoval(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>()
      removing = promise
      return resolve
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await work
      await store[Symbol.asyncDispose]()
    },
  }
}

test('a desk whose workspace is gone goes on until nothing runs for it, and is over then', async () => {
  await using at = await deskAtWork()
  const workspace = await create(at.resources)
  at.desk.workspaceIs(workspace)
  at.desk.instanceIs(runningFor(workspace, 'run-1'))
  await expect.poll(() => at.calls).toEqual(['apply'])
  at.desk.workspaceIs(undefined)
  await expect.poll(() => at.calls).toEqual(['apply', 'remove'])
  expect(at.isOver()).toBe(false)
  at.desk.instanceGone('run-1')
  await at.work
  expect(at.isOver()).toBe(true)
})

test('a workspace that comes back during what would have been the last turn keeps its desk', async () => {
  await using at = await deskAtWork()
  const workspace = await create(at.resources)
  const go = at.holdRemoval()
  at.desk.workspaceIs(undefined)
  await expect.poll(() => at.calls).toEqual(['remove'])
  at.desk.workspaceIs(workspace)
  at.desk.workspaceIs(undefined)
  at.desk.workspaceIs(workspace)
  go()
  await expect.poll(() => at.calls).toEqual(['remove', 'apply'])
  expect(at.isOver()).toBe(false)
})

test('one whose workspace was not heard of yet is not over', async () => {
  await using at = await deskAtWork()
  at.desk.readinessChanged()
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect([at.isOver(), at.calls]).toEqual([false, []])
})

test('the operator keeps nothing of workspaces that are gone', async () => {
  await using store = await storeWorld()
  const { resources } = store.open({ file: ':memory:' })
  const ending = new AbortController()
  let made = 0
  const log: Log = createLog({ level: 'error', clock: systemClock, sink: memoryLines() })
  const inner = staticRuntime()
  let removals = 0
  const runtime: Runtime = {
    ...inner,
    remove(of) {
      removals += 1
      return inner.remove(of)
    },
  }
  const work = runOperator({
    ...{ resources, runtime, planOf, clock: systemClock },
    prober: { readinessOf, subscribe: () => ({ [Symbol.dispose]: () => undefined }) },
    // Every desk takes a log of its own when it is made.
    log: {
      ...log,
      child(fields) {
        made += 1
        return log.child(fields)
      },
    },
    audit: { record: () => undefined },
    signal: ending.signal,
  })
  for (const round of [1, 2, 3]) {
    await create(resources)
    await expect.poll(() => inner.started).toHaveLength(round)
    await resources.delete(workspaceKind, ref)
    // Once to end what runs, and once more when that has ended.
    await expect.poll(() => removals).toBe(2 * round)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(made).toBe(3)
  ending.abort()
  await work
})

/** A folder of manifests with a store beside it, and a watch that can be stopped and started again. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as realDelay } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Clock } from '#lib/clock.ts'
import type { MergePatch } from '#resources/contract.ts'
import type { ManifestProblem } from '#resources/embedded/manifest-file.ts'
import { type ManifestWatch, watchManifests } from '#resources/embedded/manifests.ts'
import type { EmbeddedStore } from '#resources/embedded/store.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { shareKind } from '#workspace/share.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { type StoreWorld, storeWorld } from './store-world.ts'

export function workspace(name: string, ...spec: readonly string[]): string {
  const head = ['apiVersion: workspace.jupyter.org/v1alpha1', 'kind: Workspace', `metadata: {name: ${name}}`, 'spec:']
  return [...head, '  displayName: Notebook', ...spec.map((line) => `  ${line}`)].join('\n')
}

/** A clock that moves when told to, and can say what is being waited for. */
export interface ObservedClock extends Clock {
  advance(span: number): Promise<void>
  isWaitingFor(delay: number): boolean
}

export function observedClock(): ObservedClock {
  const inner = fakeClock()
  const waits = new Set<{ readonly delay: number }>()
  return {
    now: inner.now,
    advance: inner.advance,
    isWaitingFor: (delay) => [...waits].some((wait) => wait.delay === delay),
    after(delay, run) {
      const wait = { delay }
      waits.add(wait)
      const timer = inner.after(delay, () => {
        waits.delete(wait)
        run()
      })
      return {
        [Symbol.dispose]() {
          waits.delete(wait)
          timer[Symbol.dispose]()
        },
      }
    },
  }
}

export interface ManifestWorld extends AsyncDisposable {
  /** Of the manifests. */
  readonly folder: string
  readonly store: EmbeddedStore
  readonly watch: ManifestWatch
  readonly lines: StoreWorld['lines']
  /** What `onProblems` was called with. */
  readonly said: readonly (readonly ManifestProblem[])[]
  write(file: string, ...documents: readonly (string | Buffer)[]): Promise<void>
  /** Opens the store where it is not, and resolves when the folder is in force. */
  start(): Promise<void>
  stopWatching(): void
  stop(): Promise<void>
  /** Moves the clock a little, and gives the disk a moment. */
  step(): Promise<void>
  pump(isDone: () => boolean | Promise<boolean>): Promise<void>
  all(): Promise<readonly Workspace[]>
  find(name: string): Promise<Workspace | undefined>
  get(name: string): Promise<Workspace>
  patch(name: string, patch: MergePatch): Promise<Workspace>
  until(name: string, isDone: (found: Workspace | undefined) => boolean): Promise<Workspace | undefined>
  untilProblems(isDone: (problems: readonly ManifestProblem[]) => boolean): Promise<void>
}

export async function manifestWorld(clock: ObservedClock = observedClock()): Promise<ManifestWorld> {
  const home = await mkdtemp(join(tmpdir(), 'gatehouse-manifests-'))
  const folder = join(home, 'manifests')
  await mkdir(folder)
  const parts = await storeWorld(clock)
  const said: (readonly ManifestProblem[])[] = []
  let store: EmbeddedStore | undefined
  let watching: { readonly watch: ManifestWatch; readonly stopping: AbortController } | undefined
  const nameOf = (name: string) => ({ namespace: 'default', name })
  const world: ManifestWorld = {
    ...{ folder, lines: parts.lines, said },
    get store() {
      return present(store)
    },
    get watch() {
      return present(watching).watch
    },
    async write(file, ...documents) {
      await mkdir(dirname(join(folder, file)), { recursive: true })
      await writeFile(join(folder, file), documents.length === 1 ? (documents[0] ?? '') : documents.join('\n---\n'))
    },
    async start() {
      store ??= parts.open()
      const stopping = new AbortController()
      const { log } = parts
      const watch = watchManifests({
        ...{ folder, store, kinds: [workspaceKind, shareKind], clock, log, signal: stopping.signal },
        onProblems: (problems) => void said.push(problems),
      })
      watching = { watch, stopping }
      let isReady = false
      const ready = watch.ready.then(() => {
        isReady = true
      })
      await world.pump(() => isReady)
      await ready
    },
    stopWatching: () => watching?.stopping.abort(),
    async stop() {
      world.stopWatching()
      await store?.[Symbol.asyncDispose]()
      store = undefined
    },
    async step() {
      await clock.advance(50)
      await realDelay(2)
    },
    async pump(isDone) {
      const giveUp = performance.now() + 10_000
      while (!(await isDone())) {
        if (performance.now() > giveUp) throw new Error('what was waited for did not happen')
        await world.step()
      }
    },
    all: async () => (await world.store.resources.list(workspaceKind, { namespace: 'default' })).items,
    find: (name) => world.store.resources.get(workspaceKind, nameOf(name)),
    get: async (name) => present(await world.find(name)),
    patch: (name, patch) => world.store.resources.patchSpec(workspaceKind, nameOf(name), patch),
    async until(name, isDone) {
      await world.pump(async () => isDone(await world.find(name)))
      return world.find(name)
    },
    untilProblems: (isDone) => world.pump(() => isDone(world.watch.problems())),
    async [Symbol.asyncDispose]() {
      await world.stop()
      await parts[Symbol.asyncDispose]()
      await rm(home, { recursive: true })
    },
  }
  return world
}

function present<T>(value: T | undefined): T {
  expect(value).toBeDefined()
  if (value === undefined) throw new Error('it is not there')
  return value
}

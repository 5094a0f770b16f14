/** Who decides about idle workspaces, over a real store and on a clock of the test: replicas that see traffic, an app that is asked. */
import { activityKind, activityName } from '#activity/activity-record.ts'
import { ActivityWriter } from '#activity/activity-writer.ts'
import type { AppAnswer, IdleDecision } from '#activity/idle-decision.ts'
import { IdleRules } from '#activity/idle-rules.ts'
import { ActivityRecorder } from '#activity/recorder.ts'
import { sight } from '#activity/sight.ts'
import type { Clock } from '#lib/clock.ts'
import type { AuditEvent } from '#observe/audit.ts'
import { createLog } from '#observe/log.ts'
import { IdleStops, type IdleStopsParts } from '#operator/idle-stops.ts'
import { LoadWatch } from '#operator/load-watch.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { reflect } from '#resources/reflect.ts'
import type { InstanceUid, ReadLoad } from '#runtime/contract.ts'
import { Directory } from '#workspace/directory.ts'
import { templateKind } from '#workspace/template.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { datedResources } from './dated-resources.ts'
import { type FakeClock, fakeClock } from './fake-clock.ts'
import { faultyResources } from './faulty-resources.ts'
import { instance } from './objects.ts'

export const ref = { namespace: 'team', name: 'nb' }
const minute = 60_000

/** Thirty minutes, and no endpoint. */
export const halfAnHour = { idleShutdown: { enabled: true, idleTimeoutInMinutes: 30, detection: {} } }

export type Ask = IdleStopsParts['ask']

export interface Replica extends AsyncDisposable {
  readonly clock: Clock
  readonly recorder: ActivityRecorder
  readonly writer: ActivityWriter
  /** Somebody does something in the workspace, here. */
  type(source?: string): void
  /** A tab of that person is open, here. */
  openTab(): Disposable
}

export type IdleWorld = Awaited<ReturnType<typeof openIdleWorld>>

export interface IdleWorldOptions {
  /** The store dates what is written, as the API server does. */
  readonly isDated?: boolean
  /** There is an operator of somebody else's. */
  readonly tellsOperator?: boolean
}

export async function openIdleWorld(
  spec: Record<string, unknown> = halfAnHour,
  { isDated = false, tellsOperator = false }: IdleWorldOptions = {},
) {
  const clock = fakeClock()
  const ending = new AbortController()
  const { signal } = ending
  const lines: string[] = []
  const log = createLog({ level: 'debug', clock, sink: { write: (line) => void lines.push(line) } })
  const kinds = [activityKind, templateKind, workspaceKind]
  await using opened = new AsyncDisposableStack()
  const store = opened.use(
    openEmbeddedStore({ file: ':memory:', kinds, clock, log, signal: new AbortController().signal }),
  )
  const resources = faultyResources(isDated ? datedResources(store.resources, clock) : store.resources)
  const directory = new Directory({ clock, serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  const rules = new IdleRules({ tellsOperator })
  const workspace = await store.resources.create(workspaceKind, { metadata: ref, spec: workspaceKind.parseSpec(spec) })
  const { uid } = workspace.metadata
  const { works, until } = worksOf(opened, ending)
  works.push(
    until(async () => {
      for await (const event of reflect(store.resources, workspaceKind, { clock, signal }))
        directory.applyWorkspaces(event)
    }),
    until(async () => {
      for await (const event of reflect(store.resources, templateKind, { clock, signal })) rules.apply(event)
    }),
  )
  directory.applyShares({ type: 'synced', objects: [] })
  const run = (of: Workspace, name: string) =>
    directory.applyInstances({ type: 'synced', instances: [instance(of, { instanceUid: name as InstanceUid })] })
  run(workspace, 'run-1')

  const answers = {
    app: { kind: 'said', evidence: [] } as AppAnswer,
    asked: 0,
    mayStop: true,
    /** Whether a leader knows how far its clock is from the store's, where that dates what is written. */
    knowsTime: true,
    readLoad: undefined as ReadLoad | undefined,
  }
  const events: string[] = []
  const audited: AuditEvent[] = []
  const openReplica = (replica: string, its: Clock = clock): Replica => {
    const stopping = new AbortController()
    const recorder = new ActivityRecorder({ clock: its })
    const policyOf = (of: string) => {
      const entry = directory.findByUid(of)
      const rule = entry && rules.of(entry.workspace)
      return rule?.kind === 'on' ? rule.policy : undefined
    }
    const accessUrlOf = () => 'https://nb-orswc3i.example.test/'
    const namespace = 'gatehouse'
    const writer = new ActivityWriter({
      recorder,
      resources,
      namespace,
      replica,
      policyOf,
      accessUrlOf,
      clock: its,
      log,
    })
    const work = writer.run(AbortSignal.any([signal, stopping.signal]))
    works.push(work)
    return {
      clock: its,
      recorder,
      writer,
      type: (source = 'kernel:execute_request') =>
        recorder.record({ ...ref, uid }, sight('interactive', source), 'alice'),
      openTab() {
        const onlooker = recorder.onlookerOf({ ...ref, uid }, 'alice')
        onlooker.enter()
        return { [Symbol.dispose]: () => onlooker.leave() }
      },
      async [Symbol.asyncDispose]() {
        stopping.abort()
        await work
      },
    }
  }
  /** Has the lease until it is disposed. */
  const lead = ({ recorder, writer, clock: leading }: Replica, ask?: Ask) => {
    const term = new AbortController()
    const loads = new LoadWatch({
      readLoad: answers.readLoad,
      rule: { busy: 0.2, quiet: 0.1 },
      isBusy: () => recorder.record({ ...ref, uid }, sight('busy', 'load:cpu')),
      clock: leading,
    })
    const stops = new IdleStops({
      loads,
      ...{ directory, rules, recorder, writer, resources, namespace: 'gatehouse', clock: leading, log },
      ask:
        ask ??
        (async () => {
          answers.asked += 1
          return answers.app
        }),
      mayStop: () => answers.mayStop,
      ...(isDated ? { aheadOfStore: () => (answers.knowsTime ? leading.now() - clock.now() : undefined) } : {}),
      announce: async (_, message) => void events.push(message),
      audit: { record: (event) => void audited.push(event) },
    })
    const work = stops.run(AbortSignal.any([signal, term.signal]))
    works.push(work.catch(() => undefined))
    return {
      stops,
      why: (): IdleDecision | undefined => stops.whyNotIdle(ref),
      async [Symbol.asyncDispose]() {
        term.abort()
        await work.catch(() => undefined)
      },
    }
  }
  const kept = opened.move()
  await clock.advance(100)
  return {
    ...{ clock, store: store.resources, resources, directory, rules, workspace, uid, lines, log, answers, events },
    audited,
    ...{ openReplica, lead, run },
    pass: (minutes: number) => pass(clock, minutes * minute),
    desired: async () => (await store.resources.get(workspaceKind, ref))?.spec.desiredStatus,
    records: async () => (await store.resources.list(activityKind)).items,
    recordOf: (replica: string) =>
      store.resources.get(activityKind, { namespace: 'gatehouse', name: activityName(uid, replica) }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

function worksOf(opened: AsyncDisposableStack, ending: AbortController) {
  const works: Promise<unknown>[] = []
  opened.defer(async () => {
    ending.abort()
    await Promise.all(works)
  })
  return { works, until: (work: () => Promise<void>) => work() }
}

/** In steps, so that what is done in one is done before the next. */
async function pass(clock: FakeClock, span: number): Promise<void> {
  await clock.advance(span)
  for (let turn = 0; turn < 20; turn += 1) await clock.advance(0)
}

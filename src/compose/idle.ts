/** Wires what is known of activity: what this replica saw is written down, and whoever keeps house stops what nobody uses. */
import { ActivityWriter } from '#activity/activity-writer.ts'
import type { IdlePolicy } from '#activity/idle-policy.ts'
import { IdleRules } from '#activity/idle-rules.ts'
import type { ActivityRecorder } from '#activity/recorder.ts'
import { sight } from '#activity/sight.ts'
import type { Ending } from '#activity/standing.ts'
import { messageOf } from '#errors.ts'
import type { ActivityDeskParts } from '#gateway/activity-desk.ts'
import type { LastActiveDeskParts } from '#gateway/last-active-desk.ts'
import { ActivityBoard } from '#operator/activity-board.ts'
import { askApp } from '#operator/app-inquiry.ts'
import { IdleStops } from '#operator/idle-stops.ts'
import { lastActivityOf } from '#operator/last-activity.ts'
import { LoadWatch } from '#operator/load-watch.ts'
import { reflect } from '#resources/reflect.ts'
import { placeOf, type Site, urlOf } from '#workspace/address.ts'
import type { Directory } from '#workspace/directory.ts'
import { templateKind } from '#workspace/template.ts'
import type { Ground } from './ground.ts'
import type { Tasks } from './tasks.ts'

export interface IdleParts {
  readonly ground: Ground
  /** Of the settings in force; throws while there are none. */
  readonly site: () => Site
  readonly directory: Directory
  readonly recorder: ActivityRecorder
  readonly tasks: Tasks
  readonly replica: string
}

export interface Idle {
  /** In the turn of this process alone: {@link IdleStops.run}. */
  readonly stops: IdleStops
  /** What people are told of it, and what they wish. */
  readonly activity: ActivityDeskParts['activity'] & LastActiveDeskParts['activity'] & Pick<ActivityBoard, 'subscribe'>
  /** When the workspace of that UID will be stopped, as far as is known now. */
  readonly endingOf: (uid: string) => Ending | undefined
}

export function openIdle({ ground, site, directory, recorder, tasks, replica }: IdleParts): Idle {
  const { resources, settings, dial, trust, clock, log, audit, announceStop } = ground
  const namespace = settings.sessions.stateNamespace
  // Where pods have tokens, operators of somebody else's run them.
  const rules = new IdleRules({ tellsOperator: ground.podTokens !== undefined })
  const policyOf = (uid: string): IdlePolicy | undefined => {
    const entry = directory.findByUid(uid)
    const rule = entry && rules.of(entry.workspace)
    return rule?.kind === 'on' ? rule.policy : undefined
  }
  const accessUrlOf = (uid: string) => {
    const entry = directory.findByUid(uid)
    return entry && urlOf(site(), entry.ref, undefined)
  }
  const writer = new ActivityWriter({ recorder, resources, namespace, replica, policyOf, accessUrlOf, clock, log })
  const gone = directory.subscribe(({ before, after }) => {
    if (before && before.uid !== after?.uid) writer.forget(before.uid)
  })
  ground.signal.addEventListener('abort', () => gone[Symbol.dispose](), { once: true })
  tasks.run('activity', (signal) => writer.run(signal))
  tasks.run('templates', (signal) => followTemplates(ground, rules, signal))
  const publicPath: Parameters<typeof askApp>[0]['publicPath'] = (ref, port) => placeOf(site(), ref, port).prefix
  const busy = settings.load.busyMillicores / 1000
  const loads = new LoadWatch({
    readLoad: ground.readLoad,
    rule: { busy, quiet: busy / 2 },
    isBusy: ({ ref, uid }) => recorder.record({ ...ref, uid }, sight('busy', 'load:cpu')),
    clock,
  })
  const mayStop = () => trust?.starts !== false
  const stops = new IdleStops({
    loads,
    ...{ directory, rules, recorder, writer, resources, namespace, clock, log, audit, mayStop },
    aheadOfStore: ground.aheadOfStore,
    ask: (entry, policy, signal) => askApp({ dial, publicPath, clock, signal }, entry, policy.endpoint),
    announce: async (entry, message) => announceStop?.(entry.workspace, message),
  })
  const board = new ActivityBoard({ directory, rules, recorder, resources, namespace, stops, mayStop, clock, log })
  tasks.run('activity-board', (signal) => board.run(signal))
  const { aheadOfStore } = ground
  const knowing = { board, directory, rules, recorder, mayStop, replica, aheadOfStore, clock }
  return {
    stops,
    endingOf(uid) {
      const entry = directory.findByUid(uid)
      return entry && board.endingOf(entry)
    },
    activity: {
      reading: (entry) => board.reading(entry),
      ask: (entry) => board.ask(entry),
      subscribe: (ref, listener) => board.subscribe(ref, listener),
      lastActiveOf: (entry) => lastActivityOf(knowing, entry),
      keep: (entry, until, user) => writer.keep({ ...entry.ref, uid: entry.uid }, until, user),
    },
  }
}

async function followTemplates({ resources, metrics, clock, log }: Ground, rules: IdleRules, signal: AbortSignal) {
  const onInterruption = (kind: string) => metrics.watchInterruptions(kind).add()
  for await (const event of reflect(resources, templateKind, { clock, signal, onInterruption })) {
    if (event.type === 'stale')
      log.warn({ kind: 'WorkspaceTemplate', reason: messageOf(event.error) }, 'a watch was interrupted')
    rules.apply(event)
  }
}

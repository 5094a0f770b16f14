/** `WorkspaceActivity`: what one replica last saw one workspace doing. It lives beside the gateway, not beside the workspace: nobody else needs it. */
import { createHash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { GatewayError } from '#errors.ts'
import { isInstant, rfc3339, rfc3339Of } from '#identity/rfc3339.ts'
import { encodeBase32 } from '#lib/base32.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { parserOf } from '#resources/parsing.ts'
import { type Clocks, type Evidence, merge } from './clocks.ts'
import { mergeHistories, readHistory, sayHistory } from './history.ts'
import type { WatchedWorkspace } from './workspace-record.ts'

const text = Type.String({ minLength: 1, maxLength: 253 })
const Workspace = Type.Object({
  namespace: Type.String({ minLength: 1, maxLength: 63 }),
  name: text,
  uid: Type.String({ minLength: 1, maxLength: 128 }),
})
const Source = Type.Object({
  source: Type.String({ maxLength: 128 }),
  user: Type.Optional(Type.String({ maxLength: 512 })),
})

/** Open: a newer Gatehouse may add fields, and an older one must carry them along. */
const ActivitySpec = Type.Object({
  workspace: Workspace,
  replica: text,
  /** By the replica's own clock, as all times here: how far it is from others' is seen by this one. */
  writtenAt: Type.Optional(rfc3339),
  accessURL: Type.Optional(Type.String({ maxLength: 2048 })),
  connected: Type.Optional(rfc3339),
  interactive: Type.Optional(rfc3339),
  busyUntil: Type.Optional(rfc3339),
  unknown: Type.Optional(rfc3339),
  terminal: Type.Optional(rfc3339),
  keptUntil: Type.Optional(rfc3339),
  /** Of each of these times. */
  evidence: Type.Optional(
    Type.Object({
      connected: Type.Optional(Source),
      interactive: Type.Optional(Source),
      busyUntil: Type.Optional(Source),
      unknown: Type.Optional(Source),
      terminal: Type.Optional(Source),
      keptUntil: Type.Optional(Source),
    }),
  ),
  /** The run of it that is going on, and since when. */
  run: Type.Optional(Type.Object({ instance: text, since: rfc3339 })),
  /** {@link sayHistory}. One that can't be read says nothing, and makes nothing else unreadable. */
  history: Type.Optional(Type.Unknown()),
  /** What was decided of it last, by the replica that decides. */
  verdict: Type.Optional(
    Type.Object({
      idle: Type.Boolean(),
      reason: text,
      message: Type.String({ maxLength: 1024 }),
      idleAt: Type.Optional(rfc3339),
      /** Of what is idle, what counted last. */
      lastAt: Type.Optional(rfc3339),
    }),
  ),
})

/** Of whom it is, where nothing else of it is to be understood: that there is something counts. */
const Owned = Type.Object({ workspace: Workspace, replica: text, unreadable: Type.Optional(Type.Boolean()) })

export type ActivitySpec = Static<typeof ActivitySpec> & Static<typeof Owned>
export type WorkspaceActivity = Resource<ActivitySpec, undefined>

const parse = parserOf(ActivitySpec)
const parseOwned = parserOf(Owned)

export const activityKind: ResourceKind<WorkspaceActivity> = {
  group: 'gatehouse.dev',
  version: 'v1alpha1',
  kind: 'WorkspaceActivity',
  plural: 'workspaceactivities',
  isDated: true,
  parseSpec(value) {
    try {
      return readSpec(value)
    } catch {
      const { workspace, replica } = parseOwned(value)
      return { workspace, replica, unreadable: true }
    }
  },
  parseStatus: () => undefined,
}

function readSpec(value: unknown): ActivitySpec {
  const spec = parse(value)
  const { run, writtenAt, verdict } = spec
  const times = [...timeFields.map(({ field }) => spec[field]), run?.since, writtenAt, verdict?.idleAt, verdict?.lastAt]
  if (!times.every((time) => time === undefined || isInstant(time))) {
    throw new GatewayError('invalid_resource', 'a time is no date')
  }
  return spec
}

const timeFields = [
  { clock: 'connected', field: 'connected' },
  { clock: 'interactive', field: 'interactive' },
  { clock: 'busy', field: 'busyUntil' },
  { clock: 'unknown', field: 'unknown' },
  { clock: 'terminal', field: 'terminal' },
  { clock: 'kept', field: 'keptUntil' },
] as const

/** One for each workspace and replica; a legal name, whatever a replica is called. */
export function activityName(uid: string, replica: string): string {
  return encodeBase32(
    createHash('sha256')
      .update(JSON.stringify([uid, replica]))
      .digest(),
  )
}

/** What one replica knows of a workspace. */
export interface Activity {
  readonly clocks: Clocks
  readonly run?: Run | undefined
  readonly verdict?: ActivitySpec['verdict']
  readonly accessURL?: string | undefined
  /** Texts of {@link sayHistory} that are yet to be merged. */
  readonly history?: readonly string[]
  /** There is more of it that nobody understands. */
  readonly isUnreadable?: boolean | undefined
}

/** An instance, and when it began, or was first seen. */
export interface Run {
  readonly instance: string
  readonly since: Timestamp
}

export function activityOf({ spec }: WorkspaceActivity): Activity {
  const clocks: { -readonly [name in keyof Clocks]?: Evidence } = {}
  for (const { clock, field } of timeFields) {
    const time = spec[field]
    if (time === undefined) continue
    const { source = 'unknown', user } = spec.evidence?.[field] ?? {}
    clocks[clock] = { at: Date.parse(time), source, ...(user === undefined ? {} : { user }) }
  }
  const { run, verdict, accessURL, unreadable: isUnreadable } = spec
  const since = run && { instance: run.instance, since: Date.parse(run.since) }
  const history = typeof spec.history === 'string' ? { history: [spec.history] } : {}
  return { clocks, run: since, verdict, accessURL, isUnreadable, ...history }
}

export function activitySpec(
  { namespace, name, uid }: WatchedWorkspace,
  replica: string,
  activity: Activity,
  writtenAt?: Timestamp,
): ActivitySpec {
  const { clocks, run, verdict, accessURL, history = [] } = activity
  const past = writtenAt === undefined ? '' : sayHistory(mergeHistories(history.map(readHistory)), writtenAt)
  const times: Partial<Record<(typeof timeFields)[number]['field'], string>> = {}
  const evidence: Partial<Record<(typeof timeFields)[number]['field'], Static<typeof Source>>> = {}
  for (const { clock, field } of timeFields) {
    const seen = clocks[clock]
    if (!seen) continue
    times[field] = rfc3339Of(seen.at)
    evidence[field] = {
      source: seen.source.slice(0, 128),
      ...(seen.user === undefined ? {} : { user: seen.user.slice(0, 512) }),
    }
  }
  return {
    workspace: { namespace, name, uid },
    ...{ replica, ...times, evidence },
    ...(writtenAt === undefined ? {} : { writtenAt: rfc3339Of(writtenAt) }),
    ...(run ? { run: { instance: run.instance, since: rfc3339Of(run.since) } } : {}),
    ...(verdict ? { verdict: { ...verdict, message: verdict.message.slice(0, 1024) } } : {}),
    ...(accessURL === undefined ? {} : { accessURL }),
    ...(past === '' ? {} : { history: past }),
  }
}

/** Of two replicas, or of one at two moments: the later of each clock, and the earliest that anybody knows of a run. What is said counts once. */
export function mergeActivity(one: Activity, other: Activity): Activity {
  return {
    clocks: merge(one.clocks, other.clocks),
    run: laterRun(one.run, other.run),
    verdict: one.verdict ?? other.verdict,
    accessURL: one.accessURL ?? other.accessURL,
    ...(one.history || other.history ? { history: [...(one.history ?? []), ...(other.history ?? [])] } : {}),
    isUnreadable: one.isUnreadable || other.isUnreadable,
  }
}

/** The sum of what was taken over so far and what is taken over now; as long as one of them, however often it is tried. */
export function adopt(before: Activity | undefined, activity: Activity, now: Timestamp): Activity {
  const sum = before ? mergeActivity(before, activity) : activity
  return sum.history ? { ...sum, history: [sayHistory(mergeHistories(sum.history.map(readHistory)), now)] } : sum
}

/** Of several, as far as it concerns this run; the times of its start that are of other runs say nothing. */
export function sumOfRun(activities: readonly Activity[], instance: string): Activity | undefined {
  const [first, ...others] = activities.map((one) =>
    one.run?.instance === instance ? one : { ...one, run: undefined },
  )
  return first && others.reduce(mergeActivity, first)
}

function laterRun(one: Run | undefined, other: Run | undefined): Run | undefined {
  if (!one || !other) return one ?? other
  if (one.instance === other.instance) return one.since <= other.since ? one : other
  if (one.since !== other.since) return one.since > other.since ? one : other
  // Of two of one moment, any rule does that knows no first and second.
  return one.instance > other.instance ? one : other
}

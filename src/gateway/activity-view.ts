/** What one reader may know of who works in a workspace. What somebody else did is told by what it was; by whom, to those alone who start and stop it. */
import type { Clocks, Evidence } from '#activity/clocks.ts'
import type { IdleRule } from '#activity/idle-policy.ts'
import { trafficAt } from '#activity/port-traffic.ts'
import type { Reading } from '#activity/standing.ts'
import type { Identity } from '#identity/identity.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { ActivityView } from '#surface/activity-message.ts'
import type { WorkspaceView } from '#surface/messages.ts'
import { type AccessPolicy, mayModify, mayShare } from '#workspace/access.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'

interface Reader {
  readonly username: string
  readonly seesPeople: boolean
  readonly mayKeep: boolean
}

/** The present right to see it is somebody else's business. */
export function activityView(
  entry: WorkspaceEntry,
  reading: Reading,
  identity: Identity,
  policy: AccessPolicy,
): ActivityView {
  const { at, rule, startedAt, clocks, standing, stopsAt, end } = reading
  const mayKeep = mayModify(entry, identity, policy, at)
  const seesPeople = mayKeep || mayShare(entry, identity, policy, at)
  const reader = { username: identity.username, seesPeople, mayKeep }
  const { phase, reason, message } = entry.state
  const kept = clocks.kept && clocks.kept.at > at ? clocks.kept.at : undefined
  return {
    ...entry.ref,
    ...{ state: phase, reason, message, reader: identity.username, at: sayTime(at) },
    policy: policyView(rule, entry),
    ...time('startedAt', startedAt),
    clocks: clockViews(clocks, reader),
    verdict: {
      ...{ kind: standing.kind, reason: standing.reason, message: standing.message },
      ...(standing.last ? { last: evidenceView(standing.last, reader) } : {}),
    },
    ...time('idleAt', standing.idleAt),
    ...time('stopsAt', stopsAt),
    ...time('keptUntil', kept),
    ...(end ? { ends: { ...end, at: sayTime(end.at) } } : {}),
    can: { keep: mayKeep && isKeepable(entry, reading) },
  }
}

/** In short, where many are listed. */
export function endsOf(
  entry: WorkspaceEntry,
  reading: Reading,
  identity: Identity,
  policy: AccessPolicy,
): Pick<WorkspaceView, 'ends'> {
  const { end, at } = reading
  if (!end) return {}
  const canKeep = isKeepable(entry, reading) && mayModify(entry, identity, policy, at)
  return { ends: { ...end, at: sayTime(end.at), canKeep } }
}

/** It would stop some time, and there is something left of its longest lifetime. */
export function isKeepable({ state }: WorkspaceEntry, { rule, stopsAt, at }: Reading): boolean {
  return rule.kind === 'on' && state.phase === 'Running' && (stopsAt === undefined || stopsAt > at)
}

const minute = 60_000

function policyView(rule: IdleRule, entry: WorkspaceEntry): ActivityView['policy'] {
  if (rule.kind === 'unknown') return { kind: 'unknown', problem: rule.problem }
  const refused = rule.refused === undefined ? {} : { problem: rule.refused }
  if (rule.kind === 'off') return { kind: 'off', ...refused }
  const { timeout, connectedCounts, endpoint, maxLifetime, maxBusy, pausedUntil } = rule.policy
  return {
    ...{ kind: 'on', timeoutMinutes: timeout / minute, connectedCounts, hasEndpoint: endpoint !== undefined },
    // By no name: the reader may know of fewer.
    ignoresPorts: entry.ports.some((port) => !trafficAt(entry, port).isActivity),
    ...(maxLifetime === undefined ? {} : { maxLifetimeMinutes: maxLifetime / minute }),
    ...(maxBusy === undefined ? {} : { maxBusyMinutes: maxBusy / minute }),
    ...time('pausedUntil', pausedUntil),
    ...refused,
  }
}

const clockNames = [
  'interactive',
  'busy',
  'connected',
  'unknown',
  'terminal',
  'kept',
] as const satisfies readonly (keyof Clocks)[]

function clockViews(clocks: Clocks, reader: Reader): ActivityView['clocks'] {
  return clockNames.flatMap((clock) => {
    const evidence = clocks[clock]
    return evidence ? [{ clock, ...evidenceView(evidence, reader) }] : []
  })
}

function evidenceView({ at, source, user }: Evidence, reader: Reader) {
  const isTold = user !== undefined && (reader.seesPeople || user === reader.username)
  return { at: sayTime(at), source, ...(isTold ? { user } : {}) }
}

function time<Name extends string>(name: Name, at: Timestamp | undefined): { readonly [key in Name]?: string } {
  // The one field that there is, or none.
  return (at === undefined ? {} : { [name]: sayTime(at) }) as { readonly [key in Name]?: string }
}

function sayTime(at: Timestamp): string {
  return new Date(at).toISOString()
}

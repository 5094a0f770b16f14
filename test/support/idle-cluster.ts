/**
 * A served cluster in which time passes by leaps, here and at the API server: what becomes of workspaces that nobody uses is seen within seconds. Nobody
 * takes one of ten seconds for a date that was moved: the clock says nothing of what is steady.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, type Milliseconds, systemClock, type Timestamp } from '#lib/clock.ts'
import type { ActivityView } from '#surface/activity-message.ts'
import { api } from '#surface/urls.ts'
import type { ScriptedBrowser } from './browser-session.ts'
import { installPolicies } from './cluster-install.ts'
import type { JupyterClient } from './jupyter-client.ts'
import { askApi } from './laptop-site.ts'
import { openServed, type ServedCluster, type ServedOptions } from './served-cluster.ts'
import type { WorkspaceSocket } from './workspace-socket.ts'

export interface IdleCluster extends AsyncDisposable {
  readonly world: ServedCluster
  readonly alice: ScriptedBrowser
  /** Every line of the log and the audit trail. */
  readonly lines: readonly string[]
  now(): Timestamp
  /** Timers fire when they would have, and find that it is later. */
  leap(span: Milliseconds): Promise<void>
  /** Leaps of ten seconds, the last one as far as need be, each with so long a pause behind it, in which apps and the API server answer. */
  pass(span: Milliseconds, pause?: Milliseconds): Promise<void>
  desired(name: string): Promise<string>
  activityOf(name: string): Promise<ActivityView>
  /** The workspaces that were told to stop, in the order of it. */
  stops(): readonly string[]
}

export interface IdleClusterOptions extends Pick<ServedOptions, 'settings'> {
  /** Before Gatehouse starts. */
  readonly prepare?: (world: ServedCluster, now: Timestamp) => Promise<void>
}

const seconds = 1_000
/** Less than what is taken for a gap. */
const longestLeap = 10 * seconds

/** A wish for no more than that: traffic tells. */
export function idleAfter(minutes: number) {
  return { enabled: true, idleTimeoutInMinutes: minutes, detection: {} }
}

/** What the page of a JupyterLab does by itself every ten seconds. */
export async function pollAsPage(lab: JupyterClient, { ws, isOpen }: WorkspaceSocket): Promise<void> {
  for (const path of ['kernels', 'sessions', 'terminals', 'status']) await lab.ask('GET', `api/${path}`)
  if (isOpen()) ws.ping()
}

export async function openIdleCluster({ settings, prepare }: IdleClusterOptions = {}): Promise<IdleCluster> {
  await using opened = new AsyncDisposableStack()
  let passed = 0
  const clock: Clock = {
    now: () => systemClock.now() + passed,
    after: (span, run) => systemClock.after(span, run),
  }
  const world = opened.use(await openServed({ clock, ...(settings ? { settings } : {}) }))
  const { account, namespace, team } = world
  opened.use(await installPolicies({ account: account.username, namespaces: [namespace, team] }))
  await prepare?.(world, clock.now())
  const { lines } = await world.start()
  const alice = await world.as('alice')
  const leap = async (span: Milliseconds) => {
    await world.proxy.time.leap(span)
    passed += span
  }
  const kept = opened.move()
  return {
    ...{ world, alice, lines, leap },
    now: () => clock.now(),
    async pass(span, pause = seconds) {
      for (const until = clock.now() + span; clock.now() < until; await sleep(pause))
        await leap(Math.min(longestLeap, until - clock.now()))
    },
    desired: (name) => world.do(['get', 'workspace', name, '-o', 'jsonpath={.spec.desiredStatus}']),
    async activityOf(name) {
      const { body } = await askApi(world, alice, 'GET', api.activity({ namespace: team, name }))
      return JSON.parse(body)
    },
    stops: () =>
      world.proxy.seen
        .filter(
          ({ method, path, query }) => method === 'PATCH' && /\/workspaces\/[^/]+$/.test(path) && !query.has('dryRun'),
        )
        .flatMap(({ path }) => path.split('/').at(-1) ?? []),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** What lives as long as the process, whatever becomes of its settings: keys, sessions, what is known of workspaces, all that is live. */
import { ActivityRecorder } from '#activity/recorder.ts'
import { LeftTunnels } from '#gateway/left-tunnels.ts'
import { Turnstile } from '#gateway/turnstile.ts'
import { Witness } from '#gateway/witness.ts'
import { type MachineSessions, openMachineSessions } from '#identity/machine-sessions.ts'
import { sleep } from '#lib/clock.ts'
import { together } from '#lib/together.ts'
import { goRound } from '#live/rounds.ts'
import { StreamIndex } from '#live/streams.ts'
import { createRequestIds } from '#observe/request-id.ts'
import { KeepAliveClient } from '#proxy/keep-alive-client.ts'
import { standsForMany } from '#server/crowd.ts'
import { dropOnChange } from '#workspace/reviewing.ts'
import { Reviews } from '#workspace/reviews.ts'
import { Slots } from '#workspace/slots.ts'
import { keepAccounts } from './accounts.ts'
import { endLinks } from './agents.ts'
import { forgetEndedRoutes } from './ended-routes.ts'
import type { Ground } from './ground.ts'
import { type Idle, openIdle } from './idle.ts'
import { type Keeping, openKeeping } from './keeping.ts'
import { PresentSettings } from './present-settings.ts'
import { openSsh, type Ssh } from './ssh.ts'
import { startTasks, type Tasks } from './tasks.ts'
import { openWorkspaces, type Workspaces } from './workspaces.ts'

export interface State {
  readonly ground: Ground
  /** What of the settings in force those need who outlive them. */
  readonly present: PresentSettings
  readonly tasks: Tasks
  readonly streams: StreamIndex
  readonly keeping: Keeping
  readonly ssh: Ssh
  readonly machines: MachineSessions
  readonly workspaces: Workspaces
  readonly idle: Idle
  /** What RBAC said lately; in a cluster alone. */
  readonly reviews?: Reviews
  readonly client: KeepAliveClient
  /** What this replica has seen of whoever works in them. */
  readonly recorder: ActivityRecorder
  readonly witness: Witness
  readonly turnstile: Turnstile
  /** Places for what is counted across replicas. */
  readonly slots: Slots
  /** Tunnels that agents hold: by whatever edition of the settings they go on, they are the same. */
  readonly left: LeftTunnels
  readonly nextRequestId: () => string
}

export function openState(ground: Ground): State {
  const { settings, clock, audit, metrics, signal } = ground
  const present = new PresentSettings()
  const tasks = startTasks(ground)
  const streams = new StreamIndex()
  const keeping = openKeeping({ ...ground, present, streams })
  const ssh = openSsh(ground)
  const { sessions } = keeping
  const isLocked = (username: string) => sessions.isLocked(username)
  const isLive = (name: string) => streams.isInUse(name)
  const machines = openMachineSessions({ ...ground, issuers: ground.machines ?? [], isLocked, isLive })
  const workspaces = openWorkspaces({ ...ground, site: () => present.site, tasks })
  const { directory } = workspaces
  const reviews = ground.reviewer && new Reviews({ ...ground, reviewer: ground.reviewer })
  // Before anything else hears of a change: whoever decides anew by it finds older answers dropped.
  if (reviews) dropOnChange(reviews, directory)
  const { connectTimeout: dialLimit, peerProbe } = settings.limits
  const client = new KeepAliveClient({ clock, signal, dialLimit, peerProbe })
  forgetEndedRoutes({ directory, client, streams })
  if (ground.agents) endLinks(ground.agents.links, directory)
  const recorder = new ActivityRecorder({ clock })
  directory.subscribe(({ before, after }) => {
    if (before && before.uid !== after?.uid) recorder.forget(before.uid)
  })
  const replica = ground.replica ?? keeping.replica
  const idle = openIdle({ ground, site: () => present.site, directory, recorder, tasks, replica })
  const address = ground.agents?.peers?.address
  const slots = new Slots({
    ...ground,
    ...{ namespace: settings.sessions.stateNamespace, holder: keeping.replica },
    ...(address === undefined ? {} : { address }),
  })
  tasks.run('slots', (signal) => slots.run(signal))
  keepHouse(tasks, keeping, slots, idle, ground)
  keepAccounts({ metrics, audit, sessions: keeping.sessions, streams, directory, signal })
  tasks.run('rounds', (signal) => goRound(streams, clock, signal))
  const witness = new Witness({ audit, metrics, clock })
  return {
    ...{ ground, present, tasks, streams, keeping, ssh, machines, workspaces, client, recorder },
    ...{ idle, witness, slots, left: new LeftTunnels(clock) },
    turnstile: new Turnstile({ limits: settings.limits, isExempt: standsForMany(settings), clock }),
    ...(reviews ? { reviews } : {}),
    nextRequestId: createRequestIds(),
  }
}

const housekeepingEvery = 5 * 60_000

/** What nobody else does: what has run out is deleted. */
function keepHouse(
  tasks: Tasks,
  { sessions, once }: Keeping,
  slots: Slots,
  { stops }: Idle,
  { clock, keepHouse: inTurn }: Ground,
): void {
  const collect = async (signal: AbortSignal) => {
    for (;;) {
      await sleep(clock, housekeepingEvery, signal).catch(() => undefined)
      // That it is over is no fault: whoever has the turn next finds nothing of this one under way.
      if (signal.aborted) return
      for (const collector of [() => sessions.collectExpired(), () => once.collectExpired(), () => slots.collect()]) {
        await collector()
        if (signal.aborted) return
      }
    }
  }
  const chores = (signal: AbortSignal) => together(signal, collect, (ending) => stops.run(ending))
  tasks.run('housekeeping', (signal) => (inTurn ? inTurn(chores, signal) : chores(signal)))
}

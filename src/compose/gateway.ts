/** Wires one gateway out of its parts: what lives as long as the process, and what its settings make. Listens nowhere. */
import type { ActivityRecorder } from '#activity/recorder.ts'
import { GatewayError } from '#errors.ts'
import type { KeyRing } from '#identity/key-ring.ts'
import type { SessionStore } from '#identity/session-store.ts'
import type { StreamIndex } from '#live/streams.ts'
import type { Condition } from '#server/operations.ts'
import type { Site } from '#workspace/address.ts'
import { Editions } from './editions.ts'
import type { Entrance } from './entrance.ts'
import type { Front } from './front.ts'
import type { Ground } from './ground.ts'
import type { Identities } from './identity.ts'
import { followManager } from './manager-follower.ts'
import { openState, type State } from './state.ts'
import type { Tasks } from './tasks.ts'
import type { Workspaces } from './workspaces.ts'

export interface OpenGateway {
  readonly gateway: Entrance
  /** Of the settings in force. Throws `invalid_settings` while there are none. */
  readonly site: Site
  /** As {@link site}. */
  readonly identities: Identities
  readonly keyRing: KeyRing
  readonly sessions: SessionStore
  readonly workspaces: Workspaces
  readonly streams: StreamIndex
  readonly tasks: Tasks
  /** What this replica has seen of whoever works. */
  readonly recorder: ActivityRecorder
  /** What else must hold before traffic is welcome. */
  readonly conditions: readonly Condition[]
  /** What access leans on has changed: everything decided is decided anew, and what is live ends where it is no longer permitted. */
  reconsider(): void
  /** Its own pages stop listening for news, and come again: nothing of its own keeps a connection open. */
  endNews(): void
  /** Its own surface, and the loop in the background, have ended. */
  readonly ended: Promise<void>
}

/** A gateway whose settings never change. Throws `invalid_settings`. */
export async function openGateway(ground: Ground): Promise<OpenGateway> {
  const state = openState(ground)
  const editions = new Editions(state)
  await editions.apply(ground)
  return gatewayOf(state, editions)
}

/**
 * A gateway whose settings are those of its `WorkspaceManager`, over those it was started with, for as long as it runs. Until there is one that can be
 * served, every request is told so.
 */
export function openManagedGateway(ground: Ground): OpenGateway {
  const state = openState(ground)
  const editions = new Editions(state)
  followManager({ ...state, editions })
  return gatewayOf(state, editions)
}

function gatewayOf(state: State, editions: Editions): OpenGateway {
  const { keeping, workspaces, streams, tasks, recorder, ground } = state
  const front = (): Front => {
    if (!editions.front) throw new GatewayError('invalid_settings', 'no settings are in force yet')
    return editions.front
  }
  return {
    gateway: editions.entrance,
    get site() {
      return front().site
    },
    get identities() {
      return front().identities
    },
    ...{ keyRing: keeping.keyRing, sessions: keeping.sessions, workspaces, streams, tasks, recorder },
    conditions: [{ name: 'manager-known', isMet: () => editions.front !== undefined }],
    reconsider() {
      workspaces.directory.reconsider()
      editions.front?.decideAllLive()
    },
    endNews: () => editions.front?.endNews(),
    ended: endWith(ground.signal, [() => editions.end(), () => tasks.ended]),
  }
}

/** Runs every step when the signal ends it, whatever the others do. */
function endWith(signal: AbortSignal, steps: readonly (() => unknown)[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = async () => {
    const outcomes = await Promise.allSettled(steps.map(async (step) => step()))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed) throw failed.reason
  }
  if (signal.aborted) resolve(end())
  else signal.addEventListener('abort', () => resolve(end()), { once: true })
  return promise
}

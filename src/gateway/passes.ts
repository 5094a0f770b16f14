/**
 * A pass is one decided thing: this session may use this port of this workspace, under this grant, over this upstream.
 * It is made once and reused by every request until anything it rests on changes; all that is live under it is in its stream group.
 */
import { type PortTraffic, trafficAt } from '#activity/port-traffic.ts'
import type { OwnFields } from '#http/own-fields.ts'
import type { ResponsePolicy } from '#http/response-fields.ts'
import type { Assertion } from '#identity/assertion.ts'
import type { Session } from '#identity/session.ts'
import type { Clock, Timestamp } from '#lib/clock.ts'
import { StreamGroup, type StreamIndex } from '#live/streams.ts'
import type { Upstream } from '#proxy/upstream.ts'
import type { Grant } from '#workspace/access.ts'
import { webUi } from '#workspace/connections.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import type { WorkspacePort } from '#workspace/workspace.ts'
import type { HeaderList } from './forwarding.ts'
import { partOf } from './part.ts'

export interface Pass extends PortTraffic {
  readonly session: Session
  readonly entry: WorkspaceEntry
  readonly port: WorkspacePort
  /** `web-ui`, or what its tunnels are. */
  readonly connectionType: string
  readonly grant: Grant
  /** What was decided beside the grant is looked at again from then on. */
  readonly validUntil: Timestamp
  readonly upstream: Upstream
  /** What the upstream is told about every request of this pass. */
  readonly fixedHeaders: HeaderList
  /** Within what the upstream's answers stay. */
  readonly policy: ResponsePolicy
  readonly group: StreamGroup
  /** Whether its first use was written down. */
  isWitnessed: boolean
  /** What its upstream was told last. */
  told: Told | undefined
}

/** What only the gateway says, as it was written out for these two. */
export interface Told {
  readonly assertion: Assertion
  readonly client: string
  readonly own: OwnFields
}

/** Everything of a pass that the decision knows. */
export type Decided = Omit<Pass, keyof PortTraffic | 'group' | 'isWitnessed' | 'told'>

interface Kept {
  readonly pass: Pass
  readonly generation: number
  readonly until: Timestamp
}

const mostPasses = 20_000

export class Passes {
  readonly #kept = new Map<string, Kept>()
  /** What each session used last, which it mostly uses again: found without a key to be put together. */
  readonly #latest = new WeakMap<Session, Kept>()
  readonly #streams: StreamIndex
  readonly #clock: Clock

  constructor(streams: StreamIndex, clock: Clock) {
    this.#streams = streams
    this.#clock = clock
  }

  /** A pass of the present generation for this very session snapshot, of the web; without one the decision has to be made. */
  find(session: Session, workspaceUid: string, port: number, generation: number): Pass | undefined {
    const latest = this.#latest.get(session)
    const isThis = latest?.pass.entry.uid === workspaceUid && latest.pass.port.port === port
    const kept = isThis ? latest : this.#kept.get(passKey(session.name, workspaceUid, String(port)))
    if (!kept || kept.generation !== generation || kept.pass.session !== session || this.#clock.now() >= kept.until)
      return undefined
    if (!isThis) this.#latest.set(session, kept)
    return kept.pass
  }

  keep(decided: Decided, generation: number): Pass {
    const part = partOf({ port: decided.port.port, connectionType: decided.connectionType })
    const key = passKey(decided.session.name, decided.entry.uid, part)
    const group = this.#groupOf(key, part, decided)
    const traffic = trafficAt(decided.entry, decided.port)
    const pass: Pass = { ...decided, ...traffic, group, isWitnessed: false, told: undefined }
    if (this.#kept.size >= mostPasses) this.#forgetOldest()
    this.#kept.delete(key)
    const kept = { pass, generation, until: endOf(pass) }
    this.#kept.set(key, kept)
    if (pass.connectionType === webUi) this.#latest.set(pass.session, kept)
    return pass
  }

  /** Streams outlive the pass they were opened under, and a pass its streams: who is kept or live has the group. */
  #groupOf(key: string, part: string, { session, entry }: Decided): StreamGroup {
    const kept = this.#kept.get(key)?.pass.group
    if (kept) return kept
    const isThis = (group: StreamGroup) => group.key.workspace === entry.uid && group.key.part === part
    const live = this.#streams.ofSession(session.name).find(isThis)
    return live ?? new StreamGroup({ session: session.name, workspace: entry.uid, part }, this.#streams)
  }

  #forgetOldest(): void {
    for (const [key, { pass }] of this.#kept) {
      this.#kept.delete(key)
      this.#latest.delete(pass.session)
      if (this.#kept.size < mostPasses * 0.9) return
    }
  }
}

function endOf(pass: Pass): Timestamp {
  const ofGrant = pass.grant.kind === 'share' ? pass.grant.until : undefined
  return Math.min(pass.session.expiresAt, pass.validUntil, ofGrant ?? Number.POSITIVE_INFINITY)
}

/** Session names and UIDs hold no space. */
function passKey(session: string, workspaceUid: string, part: string): string {
  return `${session} ${workspaceUid} ${part}`
}

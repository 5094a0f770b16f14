/**
 * The index of what is live: streaming responses, upgraded sockets, tunnels. Knows opaque keys and how to end a stream,
 * not why. A group is everything one session has open on one port of one workspace under one grant, so that a decision is made once a group.
 */

import type { Timestamp } from '#lib/clock.ts'
import { type StreamKind, streamKinds } from '#observe/audit.ts'

/** RFC 6455 section 7.4.1 and the registry it names. 1001 workspace stops, 1008 access ended, 1012 gateway restarts, 1011 upstream broke. */
export interface EndReason {
  readonly code: 1001 | 1008 | 1011 | 1012
  readonly reason: string
  /** What a tunnel is told instead, whose client acts on more codes than browsers do. */
  readonly ofTunnel?: { readonly code: 1011 | 4001; readonly reason: string }
}

export interface LiveStream {
  /** What it counts as, asked when it is counted; `http` when absent. */
  readonly kind?: StreamKind
  /** It goes on for as long as it is let, such as an upgraded socket; anything else is over by itself before long. */
  readonly isLasting?: boolean
  /** Told the time now and then, some times a minute. */
  look?(now: Timestamp): void
  /** Ends it now: a close frame where the stream has frames, a reset elsewhere. Called at most once. */
  end(reason: EndReason): void
}

export interface GroupKey {
  readonly session: string
  readonly workspace: string
  /** Tells apart groups of one session and workspace, such as its port. */
  readonly part: string
}

export class StreamGroup {
  readonly key: GroupKey
  readonly #streams = new Set<LiveStream>()
  readonly #index: StreamIndex
  #endedBy: EndReason | undefined

  constructor(key: GroupKey, index: StreamIndex) {
    this.key = key
    this.#index = index
  }

  /** Why the last of its streams were ended from here. */
  get endedBy(): EndReason | undefined {
    return this.#endedBy
  }

  get size(): number {
    return this.#streams.size
  }

  streams(): Iterable<LiveStream> {
    return this.#streams
  }

  add(stream: LiveStream): void {
    if (this.#streams.size === 0) this.#index.attach(this)
    this.#streams.add(stream)
  }

  delete(stream: LiveStream): void {
    if (this.#streams.delete(stream) && this.#streams.size === 0) this.#index.detach(this)
  }

  end(reason: EndReason): number {
    return this.#endAll(reason, [...this.#streams])
  }

  /** Ends one of them, unless it has ended by itself. */
  endOne(stream: LiveStream, reason: EndReason): void {
    if (this.#streams.has(stream)) this.#endAll(reason, [stream])
  }

  /** Ends what would go on for ever, and lets the rest come to its end. */
  endLasting(reason: EndReason): number {
    return this.#endAll(
      reason,
      [...this.#streams].filter((stream) => stream.isLasting),
    )
  }

  #endAll(reason: EndReason, ending: readonly LiveStream[]): number {
    this.#endedBy = reason
    for (const stream of ending) this.delete(stream)
    for (const stream of ending) stream.end(reason)
    return ending.length
  }
}

/** Groups with at least one live stream, found by session and by workspace. */
export class StreamIndex {
  readonly #bySession = new Map<string, Set<StreamGroup>>()
  readonly #byWorkspace = new Map<string, Set<StreamGroup>>()

  ofSession(session: string): readonly StreamGroup[] {
    return [...(this.#bySession.get(session) ?? [])]
  }

  ofWorkspace(workspace: string): readonly StreamGroup[] {
    return [...(this.#byWorkspace.get(workspace) ?? [])]
  }

  all(): readonly StreamGroup[] {
    return [...this.#byWorkspace.values()].flatMap((groups) => [...groups])
  }

  /** How many are open now, of every kind. */
  count(): ReadonlyMap<StreamKind, number> {
    const counts = new Map(streamKinds.map((kind) => [kind, 0]))
    for (const groups of this.#byWorkspace.values()) {
      for (const group of groups) {
        for (const { kind = 'http' } of group.streams()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
      }
    }
    return counts
  }

  /** For {@link StreamGroup} alone. */
  attach(group: StreamGroup): void {
    put(this.#bySession, group.key.session, group)
    put(this.#byWorkspace, group.key.workspace, group)
  }

  /** For {@link StreamGroup} alone. */
  detach(group: StreamGroup): void {
    drop(this.#bySession, group.key.session, group)
    drop(this.#byWorkspace, group.key.workspace, group)
  }
}

function put(map: Map<string, Set<StreamGroup>>, key: string, group: StreamGroup): void {
  const set = map.get(key)
  if (set) set.add(group)
  else map.set(key, new Set([group]))
}

function drop(map: Map<string, Set<StreamGroup>>, key: string, group: StreamGroup): void {
  const set = map.get(key)
  if (set?.delete(group) && set.size === 0) map.delete(key)
}

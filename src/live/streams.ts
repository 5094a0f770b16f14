/**
 * The index of what is live: streaming responses, upgraded sockets, tunnels. Knows opaque keys and how to end a stream,
 * not why. A group is everything one session has open on one port of one workspace under one grant, so that a decision is made once a group.
 */

import { Bag } from '#lib/bag.ts'
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
  /** Nobody is on it now, and it is here to be ended alone. */
  readonly isAway?: boolean
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
  /** Whether it is in the index; for {@link StreamIndex} alone. */
  isFound = false
  readonly #streams = new Bag<LiveStream>()
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

  /** Those of this moment. */
  streams(): readonly LiveStream[] {
    return this.#streams.all()
  }

  /** A stream is added once. */
  add(stream: LiveStream): void {
    if (!this.isFound) this.#index.attach(this)
    this.#streams.add(stream)
  }

  delete(stream: LiveStream): void {
    this.#streams.delete(stream)
  }

  end(reason: EndReason): number {
    return this.#endAll(reason, this.#streams.all())
  }

  /** Ends one of them, unless it has ended by itself. */
  endOne(stream: LiveStream, reason: EndReason): void {
    if (this.#streams.has(stream)) this.#endAll(reason, [stream])
  }

  /** Ends what would go on for ever, and lets the rest come to its end. */
  endLasting(reason: EndReason): number {
    return this.#endAll(
      reason,
      this.#streams.all().filter((stream) => stream.isLasting),
    )
  }

  #endAll(reason: EndReason, ending: readonly LiveStream[]): number {
    this.#endedBy = reason
    for (const stream of ending) this.delete(stream)
    for (const stream of ending) stream.end(reason)
    return ending.length
  }
}

/** Groups without a stream are forgotten in bulk: most have none between two requests. As many stay as passes are kept, which hold them anyway. */
const leastBeforeSweep = 20_000

/** Groups with at least one live stream, found by session and by workspace. */
export class StreamIndex {
  readonly #bySession = new Map<string, Set<StreamGroup>>()
  readonly #byWorkspace = new Map<string, Set<StreamGroup>>()
  #size = 0
  #sweepAt = leastBeforeSweep

  ofSession(session: string): readonly StreamGroup[] {
    return live(this.#bySession.get(session))
  }

  ofWorkspace(workspace: string): readonly StreamGroup[] {
    return live(this.#byWorkspace.get(workspace))
  }

  /** Whether somebody is on something of that session now; that it has left something to be ended with it is no use of it. */
  isInUse(session: string): boolean {
    return this.ofSession(session).some((group) => group.streams().some(({ isAway }) => !isAway))
  }

  all(): readonly StreamGroup[] {
    return [...this.#byWorkspace.values()].flatMap(live)
  }

  /** How many somebody is on now, of every kind. */
  count(): ReadonlyMap<StreamKind, number> {
    const counts = new Map(streamKinds.map((kind) => [kind, 0]))
    for (const group of this.all()) {
      for (const { kind = 'http', isAway } of group.streams())
        if (!isAway) counts.set(kind, (counts.get(kind) ?? 0) + 1)
    }
    return counts
  }

  /** How many groups are remembered: at most twice as many as had a stream at one moment, or 20,000. */
  get size(): number {
    return this.#size
  }

  /** For {@link StreamGroup} alone. */
  attach(group: StreamGroup): void {
    if (this.#size >= this.#sweepAt) this.#sweep()
    group.isFound = true
    this.#size += 1
    put(this.#bySession, group.key.session, group)
    put(this.#byWorkspace, group.key.workspace, group)
  }

  #sweep(): void {
    for (const groups of this.#byWorkspace.values()) {
      for (const group of groups) if (group.size === 0) this.#detach(group)
    }
    this.#sweepAt = Math.max(leastBeforeSweep, 2 * this.#size)
  }

  #detach(group: StreamGroup): void {
    group.isFound = false
    this.#size -= 1
    drop(this.#bySession, group.key.session, group)
    drop(this.#byWorkspace, group.key.workspace, group)
  }
}

function live(groups: Iterable<StreamGroup> | undefined): readonly StreamGroup[] {
  return groups === undefined ? [] : [...groups].filter((group) => group.size > 0)
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

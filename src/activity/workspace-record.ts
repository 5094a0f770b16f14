/**
 * What this replica has seen of one workspace: its clocks, the streams that are open, the kernels that work. Open streams and working kernels
 * move their clocks as long as they last, so the clocks are read at a moment.
 */
import { type Clock, type Milliseconds, OnwardDate, type Timestamp } from '#lib/clock.ts'
import { type Clocks, type Evidence, merge, moved, outputLease, see } from './clocks.ts'
import type { KernelState } from './kernel-message.ts'
import { type Sight, sight } from './sight.ts'

/** One workspace for as long as it lives: a namesake made later has another UID. */
export interface WatchedWorkspace {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** Tells a kernel from the others of its workspace. */
export type KernelKey = number | string

/**
 * A kernel that was at work when its last socket went counts as at work for so long, since nobody hears its end any more (jupyterhub #1498). Who asks
 * the app itself ({@link WorkspaceRecord.kernelTold}) makes it longer or ends it.
 */
export const unheardLease: Milliseconds = 15 * 60_000
/** Kernels at work in one workspace; more than that are not told apart. */
const mostKernels = 256

/** What is seen again within this time is nothing new: thousands of messages may pass in it. */
const finest: Milliseconds = 1_000
const keeping = sight('interactive', 'person:keep')

interface KernelWork {
  /** A question to a person is open: no work, but not its end either. */
  isWaiting: boolean
  readonly user: string | undefined
  /** Sockets that will hear its end. */
  readonly hearers: Set<object>
  /** Set while nobody hears it, by a date that is never put back. */
  until: Timestamp | undefined
}

export class WorkspaceRecord {
  readonly workspace: WatchedWorkspace
  readonly #clock: Clock
  readonly #date: OnwardDate
  readonly #kernels = new Map<KernelKey, KernelWork>()
  #clocks: Clocks = {}
  #open = 0
  #lastUser: string | undefined
  #isChanged = false

  constructor(workspace: WatchedWorkspace, clock: Clock) {
    this.workspace = workspace
    this.#clock = clock
    this.#date = new OnwardDate(clock)
  }

  get now(): Timestamp {
    return this.#clock.now()
  }

  /** Streams that are open now. */
  get open(): number {
    return this.#open
  }

  /** Something is going on, so the clocks are other ones whenever they are read. */
  get isLive(): boolean {
    return this.#open > 0 || this.#kernels.size > 0
  }

  /** Of now. */
  get clocks(): Clocks {
    const now = this.#clock.now()
    this.#forgetUnheard()
    const connected = this.#open > 0 ? this.#connectedAt(now) : {}
    return merge(merge(this.#clocks, connected), this.#kernelClocks(now))
  }

  /** Has there been anything new since it was asked last? */
  takeChanged(): boolean {
    const isChanged = this.#isChanged || this.isLive
    this.#isChanged = false
    return isChanged
  }

  record(seen: Sight, user: string | undefined): void {
    if (seen.class === 'background') return
    const now = this.#clock.now()
    const last = this.#clocks[seen.class]
    const lease = seen.class === 'busy' ? outputLease : 0
    if (last && now + lease - last.at < finest && last.source === seen.source && last.user === user) return
    this.#clocks = see(this.#clocks, seen, now, user)
    this.#isChanged = true
  }

  /** Somebody asked that it is kept until then, which is a gesture as well, also to a Gatehouse that knows of no such wish. */
  keep(until: Timestamp, user: string): void {
    this.record(keeping, user)
    this.#keep({ kept: evidence(until, 'person', user) })
  }

  /** The date was moved: what was seen by the former one is later by this span, and brought within what is possible now. */
  dateMoved(span: Milliseconds, possible: (clocks: Clocks) => Clocks): void {
    this.#clocks = possible(moved(this.#clocks, span))
    this.#isChanged = true
  }

  /** A stream was opened; {@link leave} is called once for each. */
  enter(user: string | undefined): void {
    this.#open += 1
    this.#lastUser = user
  }

  leave(): void {
    this.#open -= 1
    this.#keep(this.#connectedAt(this.#clock.now()))
  }

  /** A socket of this kernel was opened: it will hear the end of what is under way. */
  hear(kernel: KernelKey, socket: object): void {
    const work = this.#kernels.get(kernel)
    if (!work) return
    work.hearers.add(socket)
    work.until = undefined
  }

  /** What this socket has heard of its kernel, which all sockets of the kernel hear. */
  kernelIs(kernel: KernelKey, state: KernelState, socket: object, user: string | undefined): void {
    if (state === 'idle') {
      this.#workEnds(kernel)
      return
    }
    const work = this.#kernels.get(kernel) ?? this.#workBegins(kernel, user)
    if (!work) return
    work.hearers.add(socket)
    work.until = undefined
    if (state === 'waiting' && !work.isWaiting) this.#keep(busyUntil(this.#clock.now(), work))
    work.isWaiting = state === 'waiting'
  }

  /** The socket is gone. */
  unhear(kernel: KernelKey, socket: object): void {
    const work = this.#kernels.get(kernel)
    if (!work?.hearers.delete(socket) || work.hearers.size > 0) return
    work.until = this.#date.now() + unheardLease
  }

  /** The app itself says that this kernel is at work, or is not. */
  kernelTold(kernel: KernelKey, isBusy: boolean): void {
    if (!isBusy) {
      this.#workEnds(kernel)
      return
    }
    const work = this.#kernels.get(kernel) ?? this.#workBegins(kernel, undefined)
    if (work?.hearers.size === 0) work.until = this.#date.now() + unheardLease
  }

  /** The kernels that are at work, as far as is known. */
  busyKernels(): readonly KernelKey[] {
    this.#forgetUnheard()
    return [...this.#kernels.keys()]
  }

  #workBegins(kernel: KernelKey, user: string | undefined): KernelWork | undefined {
    if (this.#kernels.size >= mostKernels) this.#forgetUnheard()
    if (this.#kernels.size >= mostKernels) return undefined
    const work: KernelWork = { isWaiting: false, user, hearers: new Set(), until: undefined }
    this.#kernels.set(kernel, work)
    this.#isChanged = true
    return work
  }

  #workEnds(kernel: KernelKey): void {
    const work = this.#kernels.get(kernel)
    if (!work) return
    this.#kernels.delete(kernel)
    if (!work.isWaiting) this.#keep(busyUntil(this.#clock.now() + Math.min(0, this.#restOf(work) ?? 0), work))
  }

  #keep(clocks: Clocks): void {
    this.#clocks = merge(this.#clocks, clocks)
    this.#isChanged = true
  }

  #connectedAt(at: Timestamp): Clocks {
    return { connected: evidence(at, 'stream', this.#lastUser) }
  }

  #kernelClocks(now: Timestamp): Clocks {
    let clocks: Clocks = {}
    for (const work of this.#kernels.values()) {
      if (!work.isWaiting) clocks = merge(clocks, busyUntil(now + (this.#restOf(work) ?? outputLease), work))
    }
    return clocks
  }

  /** What nobody hears, and nobody asked about, has come to its end at some time. */
  #forgetUnheard(): void {
    for (const [kernel, work] of this.#kernels) if ((this.#restOf(work) ?? 1) <= 0) this.#workEnds(kernel)
  }

  /** For so long it counts as at work; below zero where it has not for as long. `undefined`: its end will be heard. */
  #restOf({ until }: KernelWork): Milliseconds | undefined {
    return until === undefined ? undefined : until - this.#date.now()
  }
}

function busyUntil(at: Timestamp, { user }: KernelWork): Clocks {
  return { busy: evidence(at, 'kernel:busy', user) }
}

function evidence(at: Timestamp, source: string, user: string | undefined): Evidence {
  return { at, source, ...(user === undefined ? {} : { user }) }
}

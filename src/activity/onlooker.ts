/** Sees what one person does in one workspace, for the record of it. */
import { type AnsweredRequest, type AskedRequest, requestSight, waitingSight } from './http-activity.ts'
import type { InflaterPool } from './inflater.ts'
import { PageHabits } from './page-habits.ts'
import type { AppProfile } from './profile.ts'
import type { Sight } from './sight.ts'
import { SocketActivity, type SocketListener, type SocketSight, type WatchedSocket } from './socket-activity.ts'
import type { WorkspaceRecord } from './workspace-record.ts'

/** Apps whose pages do by themselves what people do by them. */
const habitual: ReadonlySet<AppProfile> = new Set(['jupyterlab', 'code-editor'])

export class Onlooker implements SocketListener {
  readonly inflaters: InflaterPool
  readonly #record: WorkspaceRecord
  readonly #user: string
  readonly #habits = new PageHabits()

  constructor(record: WorkspaceRecord, user: string, inflaters: InflaterPool) {
    this.#record = record
    this.#user = user
    this.inflaters = inflaters
  }

  saw(seen: Sight): void {
    this.#record.record(seen, this.#user)
  }

  answered(profile: AppProfile, request: AnsweredRequest): void {
    const seen = requestSight(profile, request)
    this.saw(habitual.has(profile) ? this.#habits.judge(seen, request, this.#record.now) : seen)
  }

  /** The app has had it for some time, and has not answered yet. */
  waiting(profile: AppProfile, request: AskedRequest): void {
    this.saw(waitingSight(profile, request))
  }

  /** A stream was opened; {@link leave} is called once for each. */
  enter(): void {
    this.#record.enter(this.#user)
  }

  leave(): void {
    this.#record.leave()
  }

  /** A WebSocket was opened. To be told what passes, and its end. */
  opened(socket: WatchedSocket): SocketActivity {
    const activity = new SocketActivity(socket, this)
    this.enter()
    if (activity.isOfKernel) this.#record.hear(activity.pathHash, activity)
    return activity
  }

  /** For its sockets alone. */
  closed(activity: SocketActivity): void {
    if (activity.isOfKernel) this.#record.unhear(activity.pathHash, activity)
    this.leave()
  }

  /** For its sockets alone. */
  seen(seen: SocketSight, socket: SocketActivity): void {
    if (seen.kernel !== undefined) this.#record.kernelIs(socket.pathHash, seen.kernel, socket, this.#user)
    // A kernel says itself when its work ends.
    if (seen.class === 'interactive') this.saw(this.#habits.judgeOpening(seen, this.#record.now))
    else if (seen.class !== 'busy' || seen.kernel === undefined) this.saw(seen)
  }
}

/** What is told of one workspace's instances: its present run with phase and reason, and the last steps over all of its runs. */
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Crash, Endpoint, Instance, InstanceStep, InstanceUid, Plan } from '#runtime/contract.ts'
import type { InstanceFeed } from '#runtime/instance-feed.ts'

const longestStory = 30

export class InstanceStory {
  readonly #plan: Plan
  readonly #clock: Clock
  readonly #feed: InstanceFeed
  #current: Instance | undefined
  #steps: readonly InstanceStep[] = []
  #crash: Crash | undefined

  constructor(plan: Plan, clock: Clock, feed: InstanceFeed) {
    this.#plan = plan
    this.#clock = clock
    this.#feed = feed
  }

  /** A further run begins; the one before is gone. */
  begin(instanceUid: InstanceUid): void {
    this.end()
    const { ref, workspaceUid } = this.#plan
    this.#tell({
      ref,
      workspaceUid,
      instanceUid,
      phase: 'starting',
      reason: '',
      message: '',
      crash: this.#crash,
      endpoints: new Map(),
      steps: this.#steps,
    })
  }

  runs(message: string, endpoints: ReadonlyMap<number, Endpoint>): void {
    this.#step('normal', 'Started', message)
    this.#change({ phase: 'running', endpoints })
  }

  stops(): void {
    this.#change({ phase: 'stopping' })
  }

  /** Its program ended; what else came from it is being ended. */
  exited(message: string): void {
    this.#step('warning', 'ProcessExited', message)
    this.#change({ phase: 'failed', reason: 'ProcessExited', message, endpoints: new Map() })
  }

  failed(reason: string, message: string): void {
    this.#step('warning', reason, message)
    this.#change({ phase: 'failed', reason, message, endpoints: new Map() })
  }

  /** `ranWell`: long enough to begin anew. */
  backsOff(message: string, delay: Milliseconds, ranWell: boolean): void {
    const ending = `${message.replace(/\.$/, '')}.`
    this.#crash = ranWell ? undefined : { reason: 'CrashLoopBackOff', message: `${ending} It was started again.` }
    const again = `It is started again in ${Math.round(delay / 1000)} s.`
    if (this.#current?.reason !== 'ProcessExited') this.#step('warning', 'StartFailed', message)
    this.#change({
      phase: 'failed',
      reason: 'CrashLoopBackOff',
      message: `${ending} ${again}`,
      endpoints: new Map(),
    })
  }

  end(): void {
    if (this.#current) this.#feed.remove(this.#current.ref, this.#current.instanceUid)
    this.#current = undefined
  }

  #step(kind: InstanceStep['kind'], reason: string, message: string): void {
    this.#steps = [...this.#steps, { at: this.#clock.now(), kind, reason, message }].slice(-longestStory)
  }

  #change(fields: Partial<Pick<Instance, 'phase' | 'reason' | 'message' | 'endpoints'>>): void {
    if (this.#current) this.#tell({ ...this.#current, ...fields, steps: this.#steps })
  }

  #tell(instance: Instance): void {
    this.#current = instance
    this.#feed.apply(instance)
  }
}

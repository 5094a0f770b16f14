/** What the processes of an instance use of the processors, from one look at them to the next. */
import { messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, steadyOf, type Timestamp } from '#lib/clock.ts'
import type { InstanceUid, LoadReading } from '#runtime/contract.ts'
import { type CpuTime, usedBetween } from './cpu-time.ts'
import { instanceMark } from './process-group.ts'
import { listTree } from './process-list.ts'
import { hasProcessTable, processTree } from './process-table.ts'

/** The instance and the leader of its process group. */
export interface RunningGroup {
  readonly instanceUid: InstanceUid
  readonly leader: number
}

interface Look {
  readonly at: Timestamp
  readonly steady: Milliseconds
  readonly times: readonly CpuTime[]
}

/** A look that is older is none to go by. */
const longestSpan: Milliseconds = 10 * 60_000
/** Two looks within that are too close for a figure: clocks of processes count in hundredths of a second. */
const shortestSpan: Milliseconds = 500

export class ProcessLoad {
  readonly #clock: Clock
  readonly #looks = new Map<InstanceUid, Look>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Rejects by the signal alone. */
  async read({ instanceUid, leader }: RunningGroup, signal: AbortSignal): Promise<LoadReading> {
    const isWhole = hasProcessTable()
    const times = isWhole ? processTree(leader, instanceMark, instanceUid) : await listed(leader, signal)
    if (typeof times === 'string') return { kind: 'missing', problem: times, isEverywhere: true, isPassing: true }
    const look = { at: this.#clock.now(), steady: this.#steady(), times }
    const before = this.#looks.get(instanceUid)
    if (before && look.steady - before.steady < shortestSpan) return { kind: 'first' }
    this.#keep(instanceUid, look)
    if (!before || look.steady - before.steady > longestSpan) return { kind: 'first' }
    const span = look.steady - before.steady
    return { kind: 'used', at: look.at, span, cores: usedBetween(before.times, times) / span, isPartial: !isWhole }
  }

  #keep(instanceUid: InstanceUid, look: Look): void {
    for (const [uid, { steady }] of this.#looks) if (look.steady - steady > longestSpan) this.#looks.delete(uid)
    this.#looks.set(instanceUid, look)
  }

  /** Processes go on while somebody moves the date. */
  #steady(): Milliseconds {
    return steadyOf(this.#clock)
  }
}

/** A text says why not. */
async function listed(leader: number, signal: AbortSignal): Promise<readonly CpuTime[] | string> {
  try {
    return await listTree(leader, signal)
  } catch (error) {
    signal.throwIfAborted()
    return `this system does not tell of its processes: ${messageOf(error)}`
  }
}

/** Ends a process with everything that came from it: its group, and what has left the group but carries the instance's mark. */
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { sleep } from '#lib/clock.ts'
import { stayAlive } from '#lib/stay-alive.ts'
import type { Log } from '#observe/log.ts'
import { type ProcessEntry, processes, processesWith } from './process-table.ts'

/** Every process of an instance inherits this variable with the instance's UID. */
export const instanceMark = 'GATEHOUSE_INSTANCE'

const pollEvery: Milliseconds = 40
/** A process that does not end by SIGKILL in this time hangs in the kernel. */
const longestKill: Milliseconds = 10_000

export interface GroupToEnd {
  /** Number of the group; `undefined`: only marked processes are ours for sure. */
  readonly group: number | undefined
  readonly mark: string
}

export interface EndOptions {
  /** From SIGTERM to SIGKILL. */
  readonly grace: Milliseconds
  readonly clock: Clock
  readonly log: Log
}

/** Resolves when nothing of it runs any more. */
export async function endGroup(target: GroupToEnd, options: EndOptions): Promise<void> {
  const { clock, grace, log } = options
  using _alive = stayAlive()
  const deadline = clock.now() + grace
  signalGroup(target.group, 'SIGTERM')
  // A server ends its own helpers in good order (Jupyter its kernels), so those that left the group are asked only after it has gone.
  await until(() => !isGroupAlive(target.group), deadline, clock)
  signalEach(processesWith(instanceMark, target.mark), 'SIGTERM')
  await until(() => !isAlive(target), deadline, clock)
  const isGone = () => {
    if (!isAlive(target)) return true
    signalGroup(target.group, 'SIGKILL')
    signalEach(processesWith(instanceMark, target.mark), 'SIGKILL')
    return false
  }
  const killed = await until(isGone, clock.now() + longestKill, clock)
  if (!killed) log.error({ reason: 'Unkillable', instance: target.mark }, 'processes did not end by SIGKILL')
}

function isAlive(target: GroupToEnd): boolean {
  return isGroupAlive(target.group) || processesWith(instanceMark, target.mark).length > 0
}

function isGroupAlive(group: number | undefined): boolean {
  if (group === undefined || !isGroupKnown(group)) return false
  const all = processes()
  // Ended ones that nobody has asked about do not count: in a container there may be no process that ever will.
  return all.length === 0 || all.some((entry) => entry.group === group && !entry.isEnded)
}

function isGroupKnown(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}

function signalGroup(group: number | undefined, signal: NodeJS.Signals): void {
  if (group !== undefined) send(-group, signal)
}

function signalEach(entries: readonly ProcessEntry[], signal: NodeJS.Signals): void {
  for (const entry of entries) send(entry.pid, signal)
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal)
  } catch {
    // It ended by itself meanwhile, which is what is wanted; whether all did is checked afterwards.
  }
}

async function until(isDone: () => boolean, deadline: number, clock: Clock): Promise<boolean> {
  const never = new AbortController().signal
  while (!isDone()) {
    if (clock.now() >= deadline) return false
    await sleep(clock, pollEvery, never)
  }
  return true
}

/**
 * What Linux says about processes in `/proc`: enough to know that a process is the one it was, and which others descend from it.
 * Where there is no `/proc` nothing is found, and so nothing is ended by number alone.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** A process number is used again; with its start time (in ticks since boot) it names one process for as long as the machine is up. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: string
}

export interface ProcessEntry extends ProcessIdentity {
  readonly group: number
  /** Ended, and only waits for its parent to ask how. */
  readonly isEnded: boolean
}

/** `undefined` for a process that is not there. */
export function readProcess(pid: number): ProcessEntry | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // Field 2 is the name in parentheses and may hold anything, so the fixed part begins behind the last of them (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, , group] = fields
  const startTime = fields[19]
  if (state === undefined || group === undefined || startTime === undefined) return undefined
  return { pid, startTime, group: Number(group), isEnded: state === 'Z' || state === 'X' }
}

export function isStill(identity: ProcessIdentity): boolean {
  const entry = readProcess(identity.pid)
  return entry !== undefined && !entry.isEnded && entry.startTime === identity.startTime
}

export function processes(): readonly ProcessEntry[] {
  return pids().flatMap((pid) => readProcess(pid) ?? [])
}

/** Processes that were started with this variable: what they descend from can't be hidden by leaving the process group. */
export function processesWith(variable: string, value: string): readonly ProcessEntry[] {
  const wanted = `\0${variable}=${value}\0`
  return pids()
    .filter((pid) => `\0${readText(`/proc/${pid}/environ`) ?? ''}`.includes(wanted))
    .flatMap((pid) => readProcess(pid) ?? [])
    .filter((entry) => !entry.isEnded)
}

/** Changes with every start of the machine; `undefined` where the system does not tell. */
export function bootId(): string | undefined {
  return readText('/proc/sys/kernel/random/boot_id')?.trim()
}

function pids(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^[1-9][0-9]*$/.test(name))
      .map(Number)
  } catch {
    return [] // no /proc here
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined // ended meanwhile, or somebody else's
  }
}

/**
 * What Linux says about processes in `/proc`: enough to know that a process is the one it was, and which others descend from it.
 * Where there is no `/proc` nothing is found, and so nothing is ended by number alone.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Milliseconds } from '#lib/clock.ts'
import type { CpuTime } from './cpu-time.ts'

/** A process number is used again; with its start time (in ticks since boot) it names one process for as long as the machine is up. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: string
}

export interface ProcessEntry extends ProcessIdentity {
  readonly parent: number
  readonly group: number
  /** Processor time by itself, and by children of it that have ended. */
  readonly used: { readonly own: Milliseconds; readonly ended: Milliseconds }
  /** Ended, and only waits for its parent to ask how. */
  readonly isEnded: boolean
}

/** `undefined` for a process that is not there. */
export function readProcess(pid: number): ProcessEntry | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // Field 2 is the name in parentheses and may hold anything, so the fixed part begins behind the last of them (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, parent, group] = fields
  const startTime = fields[19]
  if (state === undefined || group === undefined || startTime === undefined) return undefined
  const [own, ended] = [ticks(fields, 11), ticks(fields, 13)]
  const isEnded = state === 'Z' || state === 'X'
  return { pid, startTime, parent: Number(parent), group: Number(group), isEnded, used: { own, ended } }
}

/** Hundredths of a second on every Linux that Node runs on (USER_HZ). In user and in kernel mode. */
function ticks(fields: readonly string[], at: number): Milliseconds {
  return (Number(fields[at]) + Number(fields[at + 1])) * 10
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

/** Does this system have one? */
export function hasProcessTable(): boolean {
  return readText('/proc/self/stat') !== undefined
}

/**
 * What the instance whose processes were started with this variable has used: they, whoever descends from them, and the group. A program that has lost
 * all three of these is not found.
 */
export function processTree(leader: number, variable: string, value: string): readonly CpuTime[] {
  const all = processes()
  const found = new Set([leader, ...processesWith(variable, value).map(({ pid }) => pid)])
  for (let size = 0; size !== found.size; ) {
    size = found.size
    for (const { pid, parent, group } of all) if (found.has(parent) || group === leader) found.add(pid)
  }
  return all
    .filter(({ pid }) => found.has(pid))
    .map(({ pid, startTime, used }) => ({ key: `${pid} ${startTime}`, ...used }))
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

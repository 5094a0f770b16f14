/** What `ps` says of all processes, for systems without `/proc` such as macOS. It knows no environment, so what has left the tree is not found. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Milliseconds } from '#lib/clock.ts'
import type { CpuTime } from './cpu-time.ts'

const run = promisify(execFile)
const arguments_ = ['-A', '-o', 'pid=,ppid=,pgid=,time=,lstart=']

/** Of the tree below `leader`, its group included; empty when it is not there. Rejects where there is no `ps`. */
export async function listTree(leader: number, signal: AbortSignal): Promise<readonly CpuTime[]> {
  const { stdout } = await run('ps', arguments_, {
    signal,
    env: { PATH: '/bin:/usr/bin', LC_ALL: 'C' },
    maxBuffer: 16 << 20,
  })
  return treeIn(stdout, leader)
}

interface Line extends CpuTime {
  readonly pid: number
  readonly parent: number
  readonly group: number
}

export function treeIn(text: string, leader: number): readonly CpuTime[] {
  const lines = text.split('\n').flatMap((line) => readLine(line) ?? [])
  const tree = new Set([leader])
  for (let size = 0; size !== tree.size; ) {
    size = tree.size
    for (const { pid, parent, group } of lines) if (tree.has(parent) || group === leader) tree.add(pid)
  }
  return lines.filter(({ pid }) => tree.has(pid)).map(({ key, own, ended }) => ({ key, own, ended }))
}

function readLine(line: string): Line | undefined {
  const [pid, parent, group, time, ...start] = line.trim().split(/\s+/)
  const own = timeIn(time ?? '')
  if (own === undefined || start.length === 0) return undefined
  return {
    pid: Number(pid),
    parent: Number(parent),
    group: Number(group),
    key: `${pid} ${start.join(' ')}`,
    own,
    ended: 0,
  }
}

/** `[[dd-]hh:]mm:ss[.cc]`. */
function timeIn(text: string): Milliseconds | undefined {
  const [whole, days = 0, hours = 0, minutes = 0, seconds = 0] =
    /^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)$/.exec(text) ?? []
  if (whole === undefined) return undefined
  return (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000
}

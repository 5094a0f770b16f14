/** What a run of the benchmark is made of: pinned processes, their time on the processor and memory, and one run of wrk. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Pinned extends AsyncDisposable {
  readonly pid: number
  readonly stdout: string[]
  hasEnded(): boolean
}

/** What is measured goes before whatever else the machine does meanwhile, as far as whoever runs this may say so. */
const before = ['nice', '-n', '-15', 'taskset', '-c']

/** Starts a program on one core, or on any. It is ended, with its group, when the block is left. */
export async function pinned(
  core: number | undefined,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Pinned> {
  const [program = '', ...rest] = core === undefined ? [command, ...args] : [...before, String(core), command, ...args]
  const child = spawn(program, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
    detached: true,
  })
  const stdout: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.push(text))
  const stderr: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text))
  await once(child, 'spawn')
  const { pid } = child
  if (pid === undefined) throw new Error(`${command} did not start`)
  let isEnding = false
  // However this process ends, it leaves none behind.
  const endAtOnce = () => void process.kill(-pid, 'SIGKILL')
  process.once('exit', endAtOnce)
  child.once('exit', (code) => {
    process.off('exit', endAtOnce)
    if (!isEnding && code !== 0 && code !== null)
      process.stderr.write(`${command} ended with ${code}: ${stderr.join('').slice(-2000)}\n`)
  })
  return {
    pid,
    stdout,
    hasEnded: () => hasEnded(child),
    async [Symbol.asyncDispose]() {
      isEnding = true
      await endGroup(child, pid)
    },
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

async function endGroup(child: ChildProcess, pid: number): Promise<void> {
  if (hasEnded(child)) return
  const exited = once(child, 'exit')
  process.kill(-pid, 'SIGTERM')
  const timer = setTimeout(() => process.kill(-pid, 'SIGKILL'), 8_000)
  await exited
  clearTimeout(timer)
}

/** Waits until somebody listens there; 20 s at most. */
export async function listening(port: number, host = '127.0.0.1'): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    const socket = connect(port, host)
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen) return
    await wait(50)
  }
  throw new Error(`nobody listens on port ${port}`)
}

/** The processes of a group, which is everything that a contender started. */
async function groupOf(pid: number): Promise<readonly number[]> {
  const { stdout } = await run('ps', ['-eo', 'pid=,pgid='])
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, group]) => group === pid)
    .map(([member = 0]) => member)
}

/** Seconds on the processor so far, of all its processes. */
export async function cpuSeconds(pid: number): Promise<number> {
  let ticks = 0
  for (const member of await groupOf(pid)) {
    const fields = statOf(member)
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }
  return ticks / 100
}

/** Seconds that a core served interrupts, of the network above all: of packets that come in, which Linux puts on no process's account. */
export function interruptSeconds(core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? ''
  const fields = line.trim().split(/\s+/).map(Number)
  return ((fields[5] ?? 0) + (fields[6] ?? 0)) / 100
}

/** The fields behind the program's name, which may hold anything. */
function statOf(pid: number): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

/** Resident memory in KB, of all its processes. */
export async function residentKb(pid: number): Promise<number> {
  let total = 0
  for (const member of await groupOf(pid)) {
    try {
      const status = readFileSync(`/proc/${member}/status`, 'utf8')
      total += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0)
    } catch {
      // It ended between the two looks.
    }
  }
  return total
}

export interface Load {
  readonly requestsPerSecond: number
  readonly p50: number
  readonly p99: number
  readonly errors: number
}

/** One run of wrk. Latencies in milliseconds. */
export async function load(options: {
  core: number
  url: string
  connections: number
  seconds: number
  headers: readonly string[]
  /** Lua, which says what is asked for. */
  script?: string
  /** For the script. */
  args?: readonly string[]
}): Promise<Load> {
  const headers = options.headers.flatMap((header) => ['-H', header])
  const [program = '', ...rest] = before
  const args = [
    ...rest,
    String(options.core),
    'wrk',
    '-t1',
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    '--latency',
    ...headers,
    ...(options.script === undefined ? [] : ['-s', options.script]),
    options.url,
    ...(options.args === undefined ? [] : ['--', ...options.args]),
  ]
  const { stdout } = await run(program, args)
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1]
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? []
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0),
    p50: latency(/50%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    p99: latency(/99%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    errors: Number(bad ?? 0) + broken.reduce((sum, count) => sum + Number(count), 0),
  }
}

function latency(match: RegExpExecArray | null): number {
  const unit = match?.[2] === 's' ? 1000 : match?.[2] === 'us' ? 0.001 : 1
  return Number(match?.[1] ?? Number.NaN) * unit
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low, high] = sorted.length % 2 === 0 ? [sorted[middle - 1], sorted[middle]] : [sorted[middle], sorted[middle]]
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2
}

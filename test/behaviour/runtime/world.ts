/** A runtime with real processes in a folder of its own, gone after the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '#lib/clock.ts'
import { createLog, type Log } from '#observe/log.ts'
import type { Uid } from '#resources/contract.ts'
import type { Instance, InstanceEvent, Plan, Program } from '#runtime/contract.ts'
import { openProcessRuntime, type ProcessRuntime } from '#runtime/processes/process-runtime.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'

export interface RuntimeWorld extends AsyncDisposable {
  readonly home: string
  readonly runtime: ProcessRuntime
  readonly log: Log
  /** Everything logged, one JSON line each. */
  readonly logged: readonly string[]
  /** Every event so far. */
  readonly events: readonly InstanceEvent[]
  /** The first instance, told of already or later, that is as wanted. */
  instance(ref: WorkspaceRef, isWanted: (instance: Instance) => boolean): Promise<Instance>
  gone(instance: Instance): Promise<void>
  /** Ends the runtime and waits for it. */
  end(): Promise<void>
}

export const alice: WorkspaceRef = { namespace: 'alice', name: 'app' }

export function command(...argv: string[]): Program {
  return { kind: 'command', argv }
}

export function shell(script: string): Program {
  return command('/bin/sh', '-c', script)
}

export function planOf(program: Program, fields: Partial<Plan> = {}): Plan {
  // A test literal for what a store hands out.
  const workspaceUid = 'uid-of-app' as Uid
  return { ref: alice, workspaceUid, fingerprint: '1', program, ports: [], env: {}, ...fields }
}

export async function createRuntimeWorld(
  options: {
    home?: string
    clock?: Clock
    baseEnv?: Record<string, string>
    stopGrace?: number
    logLimit?: number
  } = {},
): Promise<RuntimeWorld> {
  const { clock = systemClock, stopGrace = 400 } = options
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'gh-')))
  const logged: string[] = []
  const log = createLog({ level: 'debug', clock: systemClock, sink: { write: (line) => void logged.push(line) } })
  const ending = new AbortController()
  const runtime = await openProcessRuntime({
    home,
    clock,
    log,
    stopGrace,
    baseEnv: options.baseEnv ?? { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' },
    signal: ending.signal,
    ...(options.logLimit === undefined ? {} : { logLimit: options.logLimit }),
  })
  const events: InstanceEvent[] = []
  const waiting = new Set<() => void>()
  const follow = async () => {
    for await (const event of runtime.instances(ending.signal)) {
      events.push(event)
      for (const look of waiting) look()
    }
  }
  const followed = follow()
  const until = <T>(find: () => T | undefined): Promise<T> =>
    new Promise((resolve) => {
      const look = () => {
        const found = find()
        if (found === undefined) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  const end = async () => {
    ending.abort()
    await runtime.ended
    await followed
  }
  return {
    home,
    runtime,
    log,
    logged,
    events,
    instance: (ref, isWanted) =>
      until(() =>
        events
          .flatMap((event) => (event.type === 'applied' ? [event.instance] : []))
          .find((instance) => refKey(instance.ref) === refKey(ref) && isWanted(instance)),
      ),
    async gone(instance) {
      await until(() => events.find((event) => event.type === 'gone' && event.instanceUid === instance.instanceUid))
    },
    end,
    async [Symbol.asyncDispose]() {
      await end()
      if (options.home === undefined) await rm(home, { recursive: true, force: true })
    },
  }
}

/** A small Node program that listens on its socket and answers everything with `text`. */
export function helloProgram(port: number, text = 'hello'): Program {
  const script = `require('node:http').createServer((_, answer) => answer.end(${JSON.stringify(text)})).listen(process.argv[1])`
  return command(process.execPath, '-e', script, `\${SOCKET_${port}}`)
}

/** Is there such a process, and does it still run? */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export async function eventually<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

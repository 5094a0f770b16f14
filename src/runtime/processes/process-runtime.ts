/** Workspaces as child processes of this one: for one person's machine, where all of them run as the same user. */
import { mkdir } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { GatewayError } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { InstanceEvent, Plan, ReadLoad, Runtime } from '#runtime/contract.ts'
import { InstanceFeed } from '#runtime/instance-feed.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { defaultLogLimit, OutputLog, readLastLines } from './output-log.ts'
import { ProcessLoad } from './process-load.ts'
import { InstanceRecords } from './records.ts'
import { makeSocketsFolder, removeSocketsFolder } from './socket-folder.ts'
import { Supervisor } from './supervisor.ts'

export interface ProcessRuntimeOptions {
  /** Folder of everything: `workspaces/<namespace>/<name>` are the programs' homes, `logs/` what they print. */
  readonly home: string
  readonly clock: Clock
  readonly log: Log
  /** Of it only `PATH`, the language and the time zone reach a workspace. */
  readonly baseEnv: Readonly<Record<string, string>>
  /** Aborted: every program is ended; {@link ProcessRuntime.ended} says when none runs any more. */
  readonly signal: AbortSignal
  /** From SIGTERM to SIGKILL; 5 s. */
  readonly stopGrace?: Milliseconds
  /** Bytes of a file of output; there are at most two of a workspace. 1 MiB. */
  readonly logLimit?: number
}

export interface ProcessRuntime extends Runtime {
  /** A home belongs to a name; so does what was printed there. */
  logs(ref: WorkspaceRef, options: { lines: number }): Promise<readonly string[]>
  /** As the processes of the instance use it. */
  readonly load: ReadLoad
  readonly ended: Promise<void>
}

/**
 * Ends first what an earlier Gatehouse left running in this folder.
 * Throws `runtime_failed` while another one is alive there.
 */
export async function openProcessRuntime(options: ProcessRuntimeOptions): Promise<ProcessRuntime> {
  const { clock, log, stopGrace = 5000 } = options
  const home = resolve(options.home)
  await mkdir(home, { recursive: true, mode: 0o700 })
  const records = await InstanceRecords.take(home, { grace: stopGrace, clock, log })
  try {
    const sockets = await makeSocketsFolder(home, tmpdir())
    await records.keepSocketsFolder(sockets)
    const logLimit = options.logLimit ?? defaultLogLimit
    return new LocalProcesses({ ...options, home, stopGrace, logLimit }, records, sockets)
  } catch (error) {
    await records.release()
    throw error
  }
}

class LocalProcesses implements ProcessRuntime {
  readonly ended: Promise<void>
  readonly #options: Required<ProcessRuntimeOptions>
  readonly #records: InstanceRecords
  readonly #sockets: string
  readonly #feed = new InstanceFeed()
  readonly #load: ProcessLoad
  readonly #supervisors = new Map<string, { readonly supervisor: Supervisor; readonly output: OutputLog }>()
  /** The last thing asked for of each workspace: one after the other. */
  readonly #queues = new Map<string, Promise<void>>()

  constructor(options: Required<ProcessRuntimeOptions>, records: InstanceRecords, sockets: string) {
    this.#options = options
    this.#records = records
    this.#sockets = sockets
    this.#load = new ProcessLoad(options.clock)
    this.ended = this.#endWith(options.signal)
  }

  instances(signal: AbortSignal): AsyncIterable<InstanceEvent> {
    return this.#feed.follow(AbortSignal.any([signal, this.#options.signal]))
  }

  apply(plan: Plan): Promise<void> {
    return this.#inTurn(plan.ref, async () => {
      const current = this.#supervisors.get(refKey(plan.ref))?.supervisor.plan
      if (current && current.fingerprint === plan.fingerprint && current.workspaceUid === plan.workspaceUid) return
      await this.#remove(plan.ref)
      if (this.#options.signal.aborted) throw new GatewayError('runtime_failed', 'Gatehouse is stopping')
      await this.#start(plan)
    })
  }

  remove(ref: WorkspaceRef): Promise<void> {
    return this.#inTurn(ref, () => this.#remove(ref))
  }

  readonly load: ReadLoad = async ({ ref, instanceUid }, signal) => {
    const group = this.#supervisors.get(refKey(ref))?.supervisor.group
    if (group?.instanceUid !== instanceUid) {
      return { kind: 'missing', problem: 'it does not run any more', isPassing: true }
    }
    return this.#load.read(group, signal)
  }

  logs(ref: WorkspaceRef, options: { lines: number }): Promise<readonly string[]> {
    return readLastLines(this.#logFolder(ref), options.lines)
  }

  async #start(plan: Plan): Promise<void> {
    const { baseEnv, clock, logLimit, stopGrace } = this.#options
    const home = join(this.#options.home, 'workspaces', plan.ref.namespace, plan.ref.name)
    await mkdir(home, { recursive: true, mode: 0o700 })
    const output = new OutputLog(this.#logFolder(plan.ref), logLimit)
    const supervisor = new Supervisor(plan, {
      baseEnv,
      clock,
      log: this.#options.log.child({ workspace: refKey(plan.ref) }),
      feed: this.#feed,
      records: this.#records,
      output,
      home,
      sockets: this.#sockets,
      node: hostname(),
      stopGrace,
    })
    this.#supervisors.set(refKey(plan.ref), { supervisor, output })
  }

  async #remove(ref: WorkspaceRef): Promise<void> {
    const found = this.#supervisors.get(refKey(ref))
    if (!found) return
    await found.supervisor.stop()
    await found.output[Symbol.asyncDispose]()
    this.#supervisors.delete(refKey(ref))
  }

  #logFolder(ref: WorkspaceRef): string {
    return join(this.#options.home, 'logs', ref.namespace, ref.name)
  }

  #inTurn(ref: WorkspaceRef, run: () => Promise<void>): Promise<void> {
    const key = refKey(ref)
    const turn = (this.#queues.get(key) ?? Promise.resolve()).then(run)
    const settled = turn.then(
      () => undefined,
      () => undefined, // told to who asked; the next in turn is not concerned
    )
    this.#queues.set(key, settled)
    const forget = () => void (this.#queues.get(key) === settled && this.#queues.delete(key))
    return turn.finally(forget)
  }

  async #endWith(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await new Promise((done) => signal.addEventListener('abort', done, { once: true }))
    // What was asked for before the end may still be on its way, and starts nothing more.
    for (const entry of this.#supervisors.values()) void entry.supervisor.stop()
    await Promise.all(this.#queues.values())
    await Promise.all([...this.#supervisors.values()].map((entry) => this.#remove(entry.supervisor.plan.ref)))
    try {
      await removeSocketsFolder(this.#sockets, this.#options.home)
      await this.#records.release()
    } catch (error) {
      this.#options.log.warn({ error }, 'the folder of the workspaces was not tidied up')
    }
  }
}

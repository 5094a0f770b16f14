/** Keeps one workspace at its plan: starts its program, starts it again with growing delays when it ends, and ends all of it. */
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode, messageOf } from '#errors.ts'
import { backoff } from '#lib/backoff.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { InstanceUid, Plan } from '#runtime/contract.ts'
import type { InstanceFeed } from '#runtime/instance-feed.ts'
import { endpointsOf, invocationOf, type Place, tcpPortsOf, temporaryFolder } from './environment.ts'
import { InstanceStory } from './instance-story.ts'
import { type Exit, freeLoopbackPort, launch } from './launch.ts'
import type { OutputLog } from './output-log.ts'
import { endGroup } from './process-group.ts'
import type { RunningGroup } from './process-load.ts'
import type { InstanceRecords } from './records.ts'
import { closeSocketsToOthers, makeInstanceFolder } from './socket-folder.ts'

const firstDelay: Milliseconds = 1000
const longestDelay: Milliseconds = 60_000
/** After this long in good order an end is the first one again. */
const goodRun: Milliseconds = 60_000
/** How long an ended program's last words may take to arrive. */
const longestDrain: Milliseconds = 250

export interface SupervisorParts {
  readonly clock: Clock
  readonly log: Log
  readonly feed: InstanceFeed
  readonly records: InstanceRecords
  readonly output: OutputLog
  /** The workspace's folder. */
  readonly home: string
  /** Folder of all sockets. */
  readonly sockets: string
  readonly node: string
  readonly baseEnv: Readonly<Record<string, string>>
  readonly stopGrace: Milliseconds
}

type Outcome =
  /** Trying again can't help. */
  | { readonly kind: 'hopeless'; readonly reason: string; readonly message: string }
  | { readonly kind: 'not-started'; readonly message: string }
  | { readonly kind: 'exited'; readonly exit: Exit }
  | { readonly kind: 'told-to-stop' }

export class Supervisor {
  readonly plan: Plan
  /** Ends when {@link stop} was called and nothing runs any more. */
  readonly done: Promise<void>
  readonly #parts: SupervisorParts
  readonly #story: InstanceStory
  readonly #stop = new AbortController()
  #group: RunningGroup | undefined

  constructor(plan: Plan, parts: SupervisorParts) {
    this.plan = plan
    this.#parts = parts
    this.#story = new InstanceStory(plan, parts.clock, parts.feed)
    this.done = this.#run().finally(() => this.#story.end())
  }

  /** What runs now. */
  get group(): RunningGroup | undefined {
    return this.#group
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.done
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts
    const delays = backoff({ first: firstDelay, longest: longestDelay, random: () => 1 })
    const { signal } = this.#stop
    while (!signal.aborted) {
      const startedAt = clock.now()
      const outcome = await this.#runOnce(signal)
      if (outcome.kind === 'told-to-stop') return
      if (outcome.kind === 'hopeless') {
        this.#story.failed(outcome.reason, outcome.message)
        return aborted(signal)
      }
      const ranWell = clock.now() - startedAt >= goodRun
      if (ranWell) delays.reset()
      const delay = delays.next()
      this.#story.backsOff(sayOutcome(outcome, this.#parts.output.lastLine), delay, ranWell)
      await sleep(clock, delay, signal).catch(() => undefined)
    }
  }

  async #runOnce(signal: AbortSignal): Promise<Outcome> {
    const { program } = this.plan
    // The only way to make one: 122 random bits, never used before.
    const instanceUid = randomUUID() as string as InstanceUid
    this.#story.begin(instanceUid)
    switch (program.kind) {
      case 'missing':
        return { kind: 'hopeless', reason: 'NotInstalled', message: program.install }
      case 'impossible':
        return { kind: 'hopeless', reason: program.reason, message: program.message }
      case 'command':
        return this.#runCommand(instanceUid, program.argv, signal)
    }
  }

  async #runCommand(instanceUid: InstanceUid, argv: readonly string[], signal: AbortSignal): Promise<Outcome> {
    const ended = new AbortController()
    try {
      return await this.#follow(instanceUid, argv, signal, ended.signal)
    } catch (error) {
      const message = messageOf(error)
      this.#parts.log.warn({ error, instance: instanceUid }, 'a workspace could not be started')
      const isHopeless = hasCode(error, 'invalid_resource')
      return isHopeless ? { kind: 'hopeless', reason: 'InvalidPlan', message } : { kind: 'not-started', message }
    } finally {
      ended.abort()
      await this.#clean(instanceUid)
    }
  }

  async #follow(
    instanceUid: InstanceUid,
    argv: readonly string[],
    signal: AbortSignal,
    ended: AbortSignal,
  ): Promise<Outcome> {
    const { clock, home, log, output, records, stopGrace } = this.#parts
    await mkdir(temporaryFolder(home), { recursive: true, mode: 0o700 })
    const place = await this.#makePlace(instanceUid, argv)
    const invocation = invocationOf(this.plan, argv, place, this.#parts.baseEnv)
    const endpoints = endpointsOf(this.plan, place)
    const paths = [...endpoints.values()].flatMap((endpoint) => (endpoint.kind === 'unix' ? [endpoint.path] : []))
    closeSocketsToOthers(place.sockets, paths, log, ended)
    if (signal.aborted) return { kind: 'told-to-stop' }
    output.forgetLastLine()
    // Before the start, so that a Gatehouse killed in between still finds the processes by their mark.
    await records.keep(instanceUid, undefined)
    const launched = await launch(invocation, home, output, log)
    try {
      await records.keep(instanceUid, launched.pid)
      this.#group = { instanceUid, leader: launched.pid }
      log.info({ instance: instanceUid, pid: launched.pid }, 'a workspace was started')
      this.#story.runs(sayStart(argv, place), endpoints)
      const exit = await firstOf(launched.exited, signal)
      if (exit === undefined) {
        this.#story.stops()
        return { kind: 'told-to-stop' }
      }
      await Promise.race([launched.drained, sleep(clock, longestDrain, signal).catch(() => undefined)])
      log.warn({ instance: instanceUid, exitCode: exit.code, signal: exit.signal }, 'the program of a workspace ended')
      this.#story.exited(sayExit(exit, output.lastLine))
      return { kind: 'exited', exit }
    } finally {
      this.#group = undefined
      await endGroup({ group: launched.pid, mark: instanceUid }, { grace: stopGrace, clock, log })
    }
  }

  async #makePlace(instanceUid: InstanceUid, argv: readonly string[]): Promise<Place> {
    const { home, log, node } = this.#parts
    const sockets = await makeInstanceFolder(this.#parts.sockets, instanceUid)
    const tcpPorts = new Map<number, number>()
    for (const port of tcpPortsOf(this.plan, argv)) {
      tcpPorts.set(port, await freeLoopbackPort())
      log.warn(
        { port, setting: 'insecureLoopback' },
        'a port listens on loopback, where every user of this machine reaches it',
      )
    }
    return { instanceUid, home, sockets, node, tcpPorts }
  }

  async #clean(instanceUid: InstanceUid): Promise<void> {
    const { log, records, sockets } = this.#parts
    try {
      await records.forget(instanceUid)
      await rm(join(sockets, instanceUid.slice(0, 8)), { recursive: true, force: true })
    } catch (error) {
      log.warn({ error, instance: instanceUid }, 'something of an ended instance is left in the folder')
    }
  }
}

function sayStart(argv: readonly string[], place: Place): string {
  const ports = [...place.tcpPorts.keys()]
  const loopback = ports.length > 0 ? ` Port ${ports.join(', ')} listens on loopback, not on a socket.` : ''
  return `Started ${argv[0] ?? ''}.${loopback}`
}

function sayExit(exit: Exit, lastLine: string): string {
  const how = exit.signal === undefined ? `ended with exit code ${exit.code ?? 0}` : `was ended by ${exit.signal}`
  return lastLine === '' ? `The program ${how}.` : `The program ${how}: ${lastLine}`
}

function sayOutcome(outcome: Outcome & { kind: 'not-started' | 'exited' }, lastLine: string): string {
  return outcome.kind === 'exited' ? sayExit(outcome.exit, lastLine) : outcome.message
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** `undefined` when the signal came first. */
async function firstOf<T>(result: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const over = new AbortController()
  try {
    return await Promise.race([result, aborted(AbortSignal.any([signal, over.signal])).then(() => undefined)])
  } finally {
    over.abort()
  }
}

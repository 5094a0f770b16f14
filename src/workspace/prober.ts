/**
 * Gatehouse's own readiness probe of all workspaces: whether an app answers decides whether it can be opened, not what the runtime says.
 * The first port gates the workspace, and every further one that declares a probe; the others are tried when somebody finds them shut.
 * A start that never gets ready is told as a decision: who may stop workspaces carries it out.
 */
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { TurnShare } from '#lib/turn-share.ts'
import type { Log } from '#observe/log.ts'
import type { Uid } from '#resources/contract.ts'
import type { Endpoints, Instance, InstanceUid } from '#runtime/contract.ts'
import { isSameEndpoint } from '#runtime/endpoint.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { startTimedOut } from './conditions.ts'
import { PortProbing, type PortStatus, type ProbeSettings } from './port-probing.ts'
import { type Dial, questionOf } from './probe.ts'
import type { Readiness } from './state.ts'
import type { WorkspacePort } from './workspace.ts'

export interface ProberOptions {
  readonly dial: Dial
  readonly settings: ProbeSettings & {
    /** How long a start may take, over all of its restarts, until it is given up. */
    readonly startTimeout: Milliseconds
  }
  /** Prefix of a port's public paths, with a slash at its end; `/` in host mode. `port` undefined: the main one. */
  readonly publicPath: (ref: WorkspaceRef, port: number | undefined) => string
  readonly clock: Clock
  readonly log: Log
  /** Ends every probe. */
  readonly signal: AbortSignal
}

/** A workspace that is wanted to run. */
export interface ProbeSubject {
  readonly ref: WorkspaceRef
  readonly workspaceUid: Uid
  /** The main one first. */
  readonly ports: readonly [WorkspacePort, ...WorkspacePort[]]
  readonly instance: Instance | undefined
}

export type ProbeNews =
  | { readonly kind: 'readiness'; readonly ref: WorkspaceRef }
  /** It should be stopped now. `message` says what was waited for. */
  | {
      readonly kind: 'start-timed-out'
      readonly ref: WorkspaceRef
      readonly workspaceUid: Uid
      readonly message: string
    }

interface Start {
  readonly workspaceUid: Uid
  readonly timer: Disposable
  outcome: 'pending' | 'timed-out' | { readonly readyInstance: InstanceUid }
}

interface Probed {
  readonly instanceUid: InstanceUid
  readonly ports: ProbeSubject['ports']
  readonly endpoints: Endpoints
  readonly ending: AbortController
  readonly probings: ReadonlyMap<number, PortProbing>
}

/** Of one turn of the event loop: a gateway that has just started hears of all that runs at once. None of them is ever turned away. */
const firstTries = { share: 5, mostWaiting: Number.POSITIVE_INFINITY }

export class Prober {
  readonly #options: ProberOptions
  readonly #starts = new Map<string, Start>()
  readonly #probed = new Map<string, Probed>()
  readonly #listeners = new Set<(news: ProbeNews) => void>()
  readonly #firstTries = new TurnShare(firstTries)

  constructor(options: ProberOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.#endAll(), { once: true })
  }

  /** Begins or goes on with a workspace that is wanted to run; a further run of it is probed anew. */
  watch(subject: ProbeSubject): void {
    if (this.#options.signal.aborted) return
    const key = refKey(subject.ref)
    const { instance } = subject
    this.#keepStart(key, subject)
    const isUp = instance?.phase === 'running' && instance.workspaceUid === subject.workspaceUid
    const current = this.#probed.get(key)
    if (isUp && current !== undefined && isSame(current, subject, instance)) return
    this.#endProbing(key)
    if (isUp) this.#probe(key, subject, instance)
  }

  /** It is not wanted to run any more, or there is none. The next {@link watch} is a new start. */
  forget(ref: WorkspaceRef): void {
    const key = refKey(ref)
    this.#endProbing(key)
    this.#starts.get(key)?.timer[Symbol.dispose]()
    this.#starts.delete(key)
  }

  status(ref: WorkspaceRef, instanceUid: InstanceUid, port: number): PortStatus {
    const probed = this.#probed.get(refKey(ref))
    const probing = probed?.instanceUid === instanceUid ? probed.probings.get(port) : undefined
    return probing?.status ?? { kind: 'unknown' }
  }

  /** A connection to this port failed: it is tried again, and shut only if that fails too, or at once where it is known why (`shutBy`). */
  suspect(ref: WorkspaceRef, instanceUid: InstanceUid, port: number, shutBy?: string): void {
    const probed = this.#probed.get(refKey(ref))
    if (probed?.instanceUid === instanceUid) probed.probings.get(port)?.begin(shutBy)
  }

  /** Whether the ports that gate readiness answer. */
  readinessOf(instance: Instance, ports: readonly WorkspacePort[]): Readiness {
    if (this.#starts.get(refKey(instance.ref))?.outcome === 'timed-out') {
      return { kind: 'degraded', reason: startTimedOut, message: this.#sayTimedOut(instance.ref) }
    }
    const gating = ports.filter(isGating)
    const statuses = gating.map((port) => ({
      port,
      status: this.status(instance.ref, instance.instanceUid, port.port),
    }))
    const worst =
      statuses.find(({ status }) => status.kind === 'degraded') ??
      statuses.find(({ status }) => status.kind !== 'ready')
    if (!worst) return { kind: 'ready' }
    const message = sayPort(worst.port, worst.status)
    return worst.status.kind === 'degraded'
      ? { kind: 'degraded', reason: worst.status.reason, message }
      : { kind: 'waiting', message }
  }

  /** Is this port known not to answer now? Always false for one that nobody has found shut. */
  isAwaited(instance: Instance, port: WorkspacePort): boolean {
    const { kind } = this.status(instance.ref, instance.instanceUid, port.port)
    return kind === 'waiting' || kind === 'degraded'
  }

  subscribe(listener: (news: ProbeNews) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  #keepStart(key: string, subject: ProbeSubject): void {
    const known = this.#starts.get(key)
    if (known && known.workspaceUid === subject.workspaceUid && !isOver(known, subject.instance)) return
    known?.timer[Symbol.dispose]()
    const { clock, settings } = this.#options
    const timer = clock.after(settings.startTimeout, () => this.#giveUp(key, subject.ref))
    this.#starts.set(key, { workspaceUid: subject.workspaceUid, timer, outcome: 'pending' })
  }

  #giveUp(key: string, ref: WorkspaceRef): void {
    const start = this.#starts.get(key)
    if (start?.outcome !== 'pending') return
    start.outcome = 'timed-out'
    const message = this.#sayTimedOut(ref)
    this.#options.log.warn({ workspace: key, reason: startTimedOut }, message)
    this.#tell({ kind: 'readiness', ref })
    this.#tell({ kind: 'start-timed-out', ref, workspaceUid: start.workspaceUid, message })
  }

  #sayTimedOut(ref: WorkspaceRef): string {
    const limit = `It was not ready within ${Math.round(this.#options.settings.startTimeout / 1000)} s.`
    const probed = this.#probed.get(refKey(ref))
    const port = probed?.ports.find((it) => isGating(it, probed.ports.indexOf(it)) && !isReady(probed, it))
    const status = port && probed?.probings.get(port.port)?.status
    return port && status ? `${limit} ${sayPort(port, status)}` : limit
  }

  #probe(key: string, subject: ProbeSubject, instance: Instance): void {
    const { clock, dial, publicPath, settings } = this.#options
    const ending = new AbortController()
    const probings = new Map<number, PortProbing>()
    for (const [index, port] of subject.ports.entries()) {
      const endpoint = instance.endpoints.get(port.port)
      if (!endpoint) continue
      const question = questionOf(port, publicPath(subject.ref, index === 0 ? undefined : port.port))
      const onChange = () => this.#changed(key, subject.ref)
      probings.set(
        port.port,
        new PortProbing({ question, endpoint, dial, settings, clock, signal: ending.signal, onChange }),
      )
    }
    const { instanceUid, endpoints } = instance
    this.#probed.set(key, { instanceUid, endpoints, ports: subject.ports, ending, probings })
    for (const port of subject.ports.filter(isGating)) this.#firstTries.add(() => probings.get(port.port)?.begin())
  }

  #changed(key: string, ref: WorkspaceRef): void {
    const probed = this.#probed.get(key)
    const start = this.#starts.get(key)
    if (probed && start && probed.ports.filter(isGating).every((port) => isReady(probed, port))) {
      start.timer[Symbol.dispose]()
      start.outcome = { readyInstance: probed.instanceUid }
    }
    this.#tell({ kind: 'readiness', ref })
  }

  #tell(news: ProbeNews): void {
    for (const listener of this.#listeners) {
      try {
        listener(news)
      } catch (error) {
        this.#options.log.error({ error, workspace: refKey(news.ref) }, 'a listener of the prober failed')
      }
    }
  }

  #endProbing(key: string): void {
    this.#probed.get(key)?.ending.abort()
    this.#probed.delete(key)
  }

  #endAll(): void {
    for (const key of [...this.#probed.keys()]) this.#endProbing(key)
    for (const start of this.#starts.values()) start.timer[Symbol.dispose]()
    this.#starts.clear()
  }
}

/** A start that got ready is over when another run begins; one that was given up only when it is forgotten. */
function isOver(start: Start, instance: Instance | undefined): boolean {
  return (
    typeof start.outcome === 'object' && instance !== undefined && instance.instanceUid !== start.outcome.readyInstance
  )
}

/** The first port, and those that declare a probe. */
function isGating(port: WorkspacePort, index: number): boolean {
  return index === 0 || port.probe !== undefined
}

function isReady(probed: Probed, port: WorkspacePort): boolean {
  return probed.probings.get(port.port)?.status.kind === 'ready'
}

/** The same run, and what is asked of it and where is what it was. */
function isSame(probed: Probed, { ports }: ProbeSubject, { instanceUid, endpoints }: Instance): boolean {
  if (probed.instanceUid !== instanceUid) return false
  if (probed.ports !== ports && JSON.stringify(probed.ports) !== JSON.stringify(ports)) return false
  return ports.every(({ port }) => isSameEndpoint(probed.endpoints.get(port), endpoints.get(port)))
}

function sayPort(port: WorkspacePort, status: PortStatus): string {
  const name = port.label === undefined ? `Port ${port.port}` : `${port.label} (port ${port.port})`
  const why = 'lastError' in status && status.lastError !== '' ? `: ${status.lastError}` : ''
  return status.kind === 'degraded' ? `${name} does not answer${why}` : `${name} does not answer yet${why}`
}

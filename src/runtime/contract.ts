/**
 * What runs for a workspace now: a pod in a cluster, a process group on a laptop.
 * The gateway learns of instances here and nowhere else; pod types never leave `runtime/pods`.
 */
import type { Brand } from '#lib/brand.ts'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Uid } from '#resources/contract.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'

/** One run of a workspace; a restart has another one. */
export type InstanceUid = Brand<string, 'InstanceUid'>

/** Where a port of an instance listens. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** An address is no identity: it counts only while it is known to be this very instance's. */
  | { readonly kind: 'pod'; readonly instanceUid: InstanceUid; readonly host: string; readonly port: number }
  /** On loopback in the instance, where its agent alone leads. */
  | { readonly kind: 'agent'; readonly instanceUid: InstanceUid; readonly port: number }

/**
 * Where the ports of an instance listen, by declared port number. A process has a map of the sockets it was given; a pod has one address,
 * at which every port is that somebody declared. `undefined`: not to be reached.
 */
export interface Endpoints {
  get(port: number): Endpoint | undefined
}

/** How the run before this one ended: by itself, and too soon to have been any good. */
export interface Crash {
  /** CamelCase: `CrashLoopBackOff`. */
  readonly reason: string
  readonly message: string
}

/** `starting`: exists, its main program is not up yet. `running`: its program runs (which is not yet *ready*). */
export type InstancePhase = 'starting' | 'running' | 'stopping' | 'failed'

/** A thing that happened while starting, for the page that waits: `Pulling image`, `FailedScheduling`, `Process exited`. */
export interface InstanceStep {
  readonly at: Timestamp
  readonly kind: 'normal' | 'warning'
  readonly reason: string
  readonly message: string
}

export interface Instance {
  readonly ref: WorkspaceRef
  readonly workspaceUid: Uid
  readonly instanceUid: InstanceUid
  readonly phase: InstancePhase
  /** CamelCase, `''` where there is nothing to say: `CrashLoopBackOff`, `NotInstalled`. */
  readonly reason: string
  readonly message: string
  /** Of one that was started again: until it is ready it has come to no good yet. */
  readonly crash?: Crash | undefined
  readonly endpoints: Endpoints
  readonly steps: readonly InstanceStep[]
}

export type InstanceEvent =
  /** All there are; first, and again after the source had to start over. */
  | { readonly type: 'synced'; readonly instances: readonly Instance[] }
  | { readonly type: 'applied'; readonly instance: Instance }
  | { readonly type: 'gone'; readonly ref: WorkspaceRef; readonly instanceUid: InstanceUid }

/** How much of the processors an instance uses. */
export type LoadReading =
  | {
      readonly kind: 'used'
      /** The span that it is of, and its end by the clock of whoever reads. */
      readonly at: Timestamp
      readonly span: Milliseconds
      /** On average; 1 is one processor at full use. */
      readonly cores: number
      /** Cores that it can't go beyond. */
      readonly limit?: number | undefined
      /** Something may not have been counted: this proves work, but no rest. */
      readonly isPartial?: boolean | undefined
    }
  /** What is used is known from the second reading on. */
  | { readonly kind: 'first' }
  /**
   * For people. `isEverywhere`: not of this instance alone, so that it need not be asked for others for a while. `isPassing`: there are figures, which
   * could not be had just now; otherwise nobody has any, and will not soon.
   */
  | {
      readonly kind: 'missing'
      readonly problem: string
      readonly isEverywhere?: boolean
      readonly isPassing?: boolean
    }

/** Reads what one instance uses. Rejects where nobody could be asked. */
export type ReadLoad = (
  of: Pick<Instance, 'ref' | 'workspaceUid' | 'instanceUid'>,
  signal: AbortSignal,
) => Promise<LoadReading>

/** What should run. Made by the operator from a Workspace; names no template and no user. */
export interface Plan {
  readonly ref: WorkspaceRef
  readonly workspaceUid: Uid
  /** Changes when a running instance must be replaced. */
  readonly fingerprint: string
  readonly program: Program
  readonly ports: readonly number[]
  readonly env: Readonly<Record<string, string>>
}

/**
 * `argv` may hold `${SOCKET_<port>}` (path of a Unix socket) or `${TCP_PORT_<port>}` (a free loopback port: only where the app can't
 * listen on a socket, and said at start), `${HOME}`, and any name of `env`.
 */
export type Program =
  | { readonly kind: 'command'; readonly argv: readonly string[] }
  /** The program is not on this machine; `install` says how to get it. */
  | { readonly kind: 'missing'; readonly name: string; readonly install: string }
  /** What the workspace says can't be carried out; the instance fails at once with this reason (CamelCase) and message. */
  | { readonly kind: 'impossible'; readonly reason: string; readonly message: string }

/** What a gateway needs to know of what runs. */
export interface Instances {
  /** Follows all instances until the signal ends it. */
  instances(signal: AbortSignal): AsyncIterable<InstanceEvent>
  /** The last `lines` lines of its output. A deleted namesake's is nobody's, where a runtime can tell them apart. */
  logs(ref: WorkspaceRef, options: { lines: number; workspaceUid: Uid }): Promise<readonly string[]>
}

/** What an operator needs on top: to decide what runs. */
export interface Runtime extends Instances {
  /** Brings a workspace to its plan: starts it, or replaces it when the fingerprint differs. Does nothing when it already runs so. */
  apply(plan: Plan): Promise<void>
  /** Stops and forgets; done when nothing of it runs any more. */
  remove(ref: WorkspaceRef): Promise<void>
}

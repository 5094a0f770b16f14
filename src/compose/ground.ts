/** What a gateway stands on; a cluster and a laptop differ in these alone. */
import type { LookupFunction } from 'node:net'
import type { MachineIssuer } from '#identity/machine-sessions.ts'
import type { PodTokens } from '#identity/pod-token.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Resources } from '#resources/contract.ts'
import type { Reviewer } from '#resources/reviewer.ts'
import type { Instances, ReadLoad } from '#runtime/contract.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import type { MissingPolicy } from '#surface/messages.ts'
import type { Trust } from '#workspace/access.ts'
import type { Dial } from '#workspace/probe.ts'
import type { WorkspaceShare } from '#workspace/share.ts'
import type { Authorship } from '#workspace/share-acceptance.ts'
import type { Workspace } from '#workspace/workspace.ts'
import type { Agents } from './agents.ts'

export interface Ground {
  /** As the process was started with: all there is on a laptop; below what the manager says in a cluster. */
  readonly settings: Settings
  readonly secrets: Secrets
  readonly resources: Resources
  readonly runtime: Instances
  /** Connects to an endpoint of an instance, as far as this machine may. */
  readonly dial: Dial
  /** Whose word a share is that was not made through Gatehouse. */
  readonly authorshipOf: (share: WorkspaceShare) => Authorship | undefined
  /** Whom Kubernetes RBAC is asked of; absent where there is no cluster. */
  readonly reviewer?: Reviewer
  /** Whose tokens let machines in. */
  readonly machines?: readonly MachineIssuer[]
  /** How pods say who they are; absent where there are none. */
  readonly podTokens?: PodTokens
  /** Those that workspaces are reached through; absent where none is. */
  readonly agents?: Agents
  /** What admission to the store keeps true; absent where nobody but the administrator writes to it. */
  readonly trust?: Trust
  /** Does these chores until the signal, where several processes share a store: when it is this one's turn. */
  readonly keepHouse?: (chores: (signal: AbortSignal) => Promise<void>, signal: AbortSignal) => Promise<void>
  /** By how much the clock here is ahead of that of the store, which dates what is written; absent where they are one. `undefined` while it is not known. */
  readonly aheadOfStore?: () => Milliseconds | undefined
  /** Tells those who look at a workspace that it is stopped; the log does in any case. */
  readonly announceStop?: (workspace: Workspace, message: string) => Promise<void>
  /** How busy the processors of an instance are; absent where nobody can tell, or is to. */
  readonly readLoad?: ReadLoad
  /** Of this process among those that share a store, and the same after a restart; a new one each time if absent. */
  readonly replica?: string
  /** What the administrator of a cluster should know: policies that are missing, and what is off by it. */
  readonly missingPolicies?: () => readonly MissingPolicy[]
  /** Files that could not be read as manifests; there are none in a cluster. */
  readonly manifestProblems: () => readonly { readonly file: string; readonly line: number; readonly reason: string }[]
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  readonly metrics: Metrics
  /** Ends everything at once. */
  readonly signal: AbortSignal
}

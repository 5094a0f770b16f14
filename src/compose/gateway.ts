/** Wires one gateway out of its parts: identity, what is known of workspaces, the proxy, its own surface, and the listeners in front. */
import type { LookupFunction } from 'node:net'
import { Desk } from '#gateway/desk.ts'
import { fixedHeaders } from '#gateway/forwarding.ts'
import { Gateway, type GatewayParts } from '#gateway/gateway.ts'
import { TenantCookies } from '#gateway/handover.ts'
import { Passes } from '#gateway/passes.ts'
import { revokeOnChange } from '#gateway/revocation.ts'
import { ShareDesk } from '#gateway/share-desk.ts'
import { Witness } from '#gateway/witness.ts'
import { WorkspaceHost } from '#gateway/workspace-host.ts'
import type { Clock } from '#lib/clock.ts'
import { StreamIndex } from '#live/streams.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import { createRequestIds } from '#observe/request-id.ts'
import type { Resources } from '#resources/contract.ts'
import type { Runtime } from '#runtime/contract.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import type { AccessPolicy } from '#workspace/access.ts'
import { makeSite, type Site } from '#workspace/address.ts'
import type { Dial } from '#workspace/probe.ts'
import type { WorkspaceShare } from '#workspace/share.ts'
import type { Authorship } from '#workspace/share-acceptance.ts'
import { type Identities, openIdentities } from './identity.ts'
import { startTasks, type Tasks } from './tasks.ts'
import { openWorkspaces, type Workspaces } from './workspaces.ts'

/** What a gateway stands on; a cluster and a laptop differ in these alone. */
export interface Ground {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly resources: Resources
  readonly runtime: Runtime
  readonly dial: Dial
  readonly authorshipOf: (share: WorkspaceShare) => Authorship | undefined
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  readonly metrics: Metrics
  /** Ends everything at once. */
  readonly signal: AbortSignal
}

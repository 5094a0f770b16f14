/** What the request path goes by. */
import type { TrustedNetworks } from '#http/forwarded.ts'
import type { SessionAuthenticator } from '#identity/authenticate.ts'
import type { Renewals } from '#identity/renewals.ts'
import type { Log } from '#observe/log.ts'
import type { AdmissionParts } from './admission.ts'
import type { AgentDoor } from './agent-door.ts'
import type { Carriers } from './carriers.ts'
import type { HandoverParts, TenantCookies } from './handover.ts'
import type { ReceiveLimits } from './receive.ts'
import type { RenderPage } from './reply.ts'
import type { Tunnels } from './tunnels.ts'
import type { Turnstile } from './turnstile.ts'
import type { OwnSurface } from './visit.ts'
import type { Witness } from './witness.ts'
import type { WorkspaceHost } from './workspace-host.ts'

export interface GatewayParts extends AdmissionParts, HandoverParts {
  readonly authenticator: SessionAuthenticator
  readonly trustedProxies: TrustedNetworks
  readonly limits: ReceiveLimits
  readonly carriers: Carriers
  readonly tenants: TenantCookies
  readonly workspaceHost: WorkspaceHost
  readonly tunnelling: Tunnels
  /** Absent where no workspace is reached through an agent. */
  readonly agentDoor?: Pick<AgentDoor, 'enter'>
  readonly turnstile: Turnstile
  readonly witness: Witness
  readonly renewals: Pick<Renewals, 'touch'>
  readonly renderPage: RenderPage
  readonly nextRequestId: () => string
  readonly log: Log
  /** Gatehouse's own pages and API on `<domain>`. */
  readonly ownSurface: OwnSurface
}

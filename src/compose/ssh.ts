/** Wires SSH: its authority and how much of it one may ask for, which live as long as the process, and the desk of the settings in force. */
import { IdeDesk, type IdeDeskParts } from '#gateway/ide-desk.ts'
import { SshDesk, type SshDeskParts } from '#gateway/ssh-desk.ts'
import { SshHostDesk } from '#gateway/ssh-host-desk.ts'
import type { PodTokens } from '#identity/pod-token.ts'
import type { SessionStore } from '#identity/session-store.ts'
import { openSshAuthorities, type SshAuthorities } from '#identity/ssh-authority.ts'
import type { Clock } from '#lib/clock.ts'
import { RateLimiter } from '#lib/rate-limiter.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Resources } from '#resources/contract.ts'
import type { IdeRoutes } from '#routes/ide.ts'
import type { SshRoutes } from '#routes/ssh.ts'
import type { Settings } from '#settings/settings.ts'
import { notFound } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { consoleOrigin, type Site } from '#workspace/address.ts'
import { deploymentOf } from '#workspace/ssh-alias.ts'

export interface Ssh {
  readonly authorities: SshAuthorities
  /** Certificates by username. */
  readonly perIdentity: RateLimiter
  /** Certificates by UID of the pod. */
  readonly perPod: RateLimiter
}

export interface SshParts {
  readonly settings: Settings
  readonly resources: Resources
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'watchInterruptions'>
  readonly signal: AbortSignal
}

/** One lasts for ten minutes, so that nobody needs more than one in some minutes for each workspace. */
const certificates = { most: 60, window: 60_000 }

export function openSsh(parts: SshParts): Ssh {
  const { settings, metrics, clock } = parts
  return {
    authorities: openSshAuthorities({
      ...parts,
      namespace: settings.sessions.stateNamespace,
      onInterruption: (kind) => metrics.watchInterruptions(kind).add(),
    }),
    perIdentity: new RateLimiter({ ...certificates, clock }),
    perPod: new RateLimiter({ ...certificates, clock }),
  }
}

export interface SshSurfaceParts
  extends Pick<SshDeskParts, 'directory' | 'policy' | 'tunnels' | 'reviews' | 'resources' | 'audit' | 'clock'> {
  readonly settings: Settings
  readonly ssh: Ssh
  readonly site: Site
  /** Absent where there are no pods. */
  readonly podTokens?: PodTokens
  readonly identities: { readonly sessions: Pick<SessionStore, 'fetchRecord' | 'get'> }
}

export function sshSurface(parts: SshSurfaceParts): SshRoutes {
  const { podTokens, site } = parts
  const { sessions } = parts.identities
  const deployment = deploymentOf(parts.settings)
  const desk = new SshDesk({
    ...parts,
    ...parts.ssh,
    deployment,
    user: parts.settings.ssh.user,
    async readSession({ name }) {
      await sessions.fetchRecord(name)
      return sessions.get(name)
    },
  })
  const trust = () => desk.trust()
  const audience = consoleOrigin(site) + paths.sshHostCertificate
  const hosts = podTokens && new SshHostDesk({ ...parts, ...parts.ssh, podTokens, audience, deployment, trust })
  return {
    sshTrust: trust,
    certify: desk.certify.bind(desk),
    certifyHost: (...asked) => hosts?.certify(...asked) ?? { ok: false, problem: notFound },
  }
}

export interface IdeParts extends Omit<IdeDeskParts, 'deployment' | 'user'> {
  readonly settings: Settings
}

/** For the page that opens a workspace in a desktop IDE. */
export function ideDesk(parts: IdeParts): IdeRoutes['readIdes'] {
  const { settings } = parts
  const desk = new IdeDesk({ ...parts, deployment: deploymentOf(settings), user: settings.ssh.user })
  return desk.view.bind(desk)
}

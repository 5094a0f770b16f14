/**
 * Certificates for people who come by SSH. One says no more than that its holder could enter these workspaces a moment ago: it opens nothing by itself,
 * since the way to a workspace is a tunnel, which is admitted on its own.
 */
import type { Identity } from '#identity/identity.ts'
import type { Session } from '#identity/session.ts'
import type { SshAuthorities, SshAuthority } from '#identity/ssh-authority.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { RateLimiter } from '#lib/rate-limiter.ts'
import type { Audit } from '#observe/audit.ts'
import type { Resources } from '#resources/contract.ts'
import { type CertificateContent, type Extension, randomSerial, signCertificate } from '#ssh/certificate.ts'
import {
  fingerprintOf,
  type PublicKeyFault,
  parsePublicKey,
  publicKeyLine,
  type SshPublicKey,
} from '#ssh/public-key.ts'
import { notFound, type Outcome, type Problem, problem } from '#surface/problem.ts'
import type { SshCertificateRequest, SshCertificateView, SshTrust } from '#surface/ssh-messages.ts'
import { parseWorkspaceRef, refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { type AccessDecision, type AccessPolicy, decideAccess, type Grant } from '#workspace/access.ts'
import { portForward, readConnectionType, sshRemote } from '#workspace/connections.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { mayConnect } from '#workspace/reviewing.ts'
import type { Reviews } from '#workspace/reviews.ts'
import { shareKind } from '#workspace/share.ts'
import { aliasPattern, sshAlias, sshPrincipal } from '#workspace/ssh-alias.ts'
import { type Actor, auditActor } from './actor.ts'
import { attempt } from './desk.ts'
import { portOfTunnel, type TunnelPolicy } from './tunnel-policy.ts'

export interface SshDeskParts {
  readonly directory: Directory
  readonly policy: AccessPolicy
  readonly tunnels: TunnelPolicy
  readonly reviews?: Reviews
  readonly resources: Resources
  readonly authorities: SshAuthorities
  /** What this Gatehouse is called in aliases. */
  readonly deployment: string
  /** Who somebody is within a workspace. */
  readonly user: string
  /** His session as the store has it now; `undefined` once it has ended. Throws `store_unavailable`. */
  readonly readSession: (session: Session) => Promise<Session | undefined>
  /** How many certificates one identity may have. */
  readonly perIdentity: RateLimiter
  readonly audit: Audit
  readonly clock: Clock
}

/** A session, and what it was known by. */
export interface SshActor extends Actor {
  readonly via: 'cookie' | 'bearer'
}

const lifetime: Milliseconds = 10 * 60_000
/** How far the clock of a pod may be behind ours. One that is ahead shortens the lifetime by as much. */
const clockSkew: Milliseconds = 2 * 60_000

/** What IDEs need: terminals, and the ports that they reach their own server by. */
const usual: readonly Extension[] = ['permit-port-forwarding', 'permit-pty']

interface Permit {
  readonly ref: WorkspaceRef
  /** `undefined`: no end is known. */
  readonly until: Timestamp | undefined
}

/** The administrator has named kinds of connection, and this is none of them. */
type Unconfigured = { readonly allowed: false; readonly reason: 'connection-type-not-configured' }

type Judged = Permit | { readonly refused: string } | 'unavailable'

export class SshDesk {
  readonly #parts: SshDeskParts

  constructor(parts: SshDeskParts) {
    this.#parts = parts
  }

  /** Throws `store_unavailable` until there is a key. */
  trust(): SshTrust {
    const { authorities, deployment, user } = this.#parts
    // There are none before there is one in force.
    authorities.current()
    const hosts = aliasPattern(deployment)
    return {
      ...{ deployment, hosts, user },
      knownHosts: authorities.all().map((key) => `@cert-authority ${hosts} ${publicKeyLine(key.hosts.publicKey)}`),
      userAuthorities: authorities.all().map((key) => publicKeyLine(key.people.publicKey, `gatehouse-${key.kid}`)),
    }
  }

  /** For those of the workspaces that he may enter; where there is none, it is as if there were no such workspaces. */
  async certify(actor: SshActor, request: SshCertificateRequest): Promise<Outcome<SshCertificateView>> {
    const refusal = this.#unfit(actor, request)
    if (refusal) return refusal
    const parsed = parsePublicKey(request.publicKey)
    if (parsed.kind === 'refused') return this.#refuse(actor, parsed.reason, faultyKey(parsed.reason))
    return attempt(async () => {
      const session = await this.#parts.readSession(actor.session)
      if (!session) return this.#refuse(actor, 'session-ended', problem('unauthorized', 401))
      return this.#certify({ ...actor, session }, parsed.key, request)
    }).then((outcome) => (outcome.ok ? outcome.value : outcome))
  }

  #unfit({ session, via, ...actor }: SshActor, { connectionType }: SshCertificateRequest) {
    const asker = { ...actor, session }
    // Any page may send a cookie along; and what a browser has, a script in it could use up.
    if (via !== 'bearer' || session.kind !== 'cli') return this.#refuse(asker, 'no-cli-session', cliSessionNeeded)
    if (connectionType !== undefined && !isSsh(connectionType))
      return this.#refuse(asker, 'connection-type', faulty('connectionType', 'is no kind of connection by SSH'))
    const wait = this.#parts.perIdentity.take(session.identity.username)
    return wait > 0 ? this.#refuse(asker, 'too-many-certificates', tooMany(wait)) : undefined
  }

  async #certify(
    actor: Actor,
    key: SshPublicKey,
    request: SshCertificateRequest,
  ): Promise<Outcome<SshCertificateView>> {
    const { connectionType = sshRemote } = request
    const refs = new Map(request.workspaces.map((wanted) => [refKey(wanted), wanted]))
    const judged = await Promise.all([...refs.values()].map((ref) => this.#judge(actor.session, ref, connectionType)))
    if (judged.includes('unavailable')) return { ok: false, problem: problem('store_unavailable', 503) }
    const permits: Permit[] = []
    for (const [at, workspace] of [...refs.keys()].entries()) {
      const verdict = judged[at]
      if (verdict === undefined || verdict === 'unavailable') continue
      if ('ref' in verdict) permits.push(verdict)
      else this.#deny(actor, verdict.refused, workspace)
    }
    const [first, ...others] = permits
    return first
      ? { ok: true, value: this.#sign(actor, key, request, [first, ...others]) }
      : { ok: false, problem: notFound }
  }

  /** By what the watches say, with RBAC asked anew, and the share he comes by read again. */
  async #judge(
    { identity }: Session,
    wanted: { readonly namespace: string; readonly name: string },
    connectionType: string,
  ): Promise<Judged> {
    const { directory, reviews } = this.#parts
    const ref = parseWorkspaceRef(wanted.namespace, wanted.name)
    const entry = ref && directory.get(ref)
    if (!ref || !entry) return { refused: 'no-such-workspace' }
    const before = this.#decide(entry, identity, connectionType)
    if (!before.allowed) return { refused: before.reason }
    const [review, isThere] = await Promise.all([
      reviews?.decideAfresh(mayConnect(reviews, entry, identity, before.grant)) ?? 'allowed',
      this.#isStillThere(before.grant),
    ])
    if (review === 'unavailable') return review
    if (review === 'denied') return { refused: 'rbac' }
    // It may have been taken back while others were asked.
    const now = directory.get(ref)
    const after = now && this.#decide(now, identity, connectionType)
    if (now?.uid !== entry.uid || !after?.allowed || !isThere) return { refused: 'no-grant' }
    return { ref, until: after.grant.kind === 'share' ? after.grant.until : undefined }
  }

  /** As for a tunnel of that kind. */
  #decide(entry: WorkspaceEntry, identity: Identity, connectionType: string): AccessDecision | Unconfigured {
    const { tunnels, policy, clock } = this.#parts
    const port = portOfTunnel(tunnels, entry, connectionType, undefined)
    if (!port) return { allowed: false, reason: 'connection-type-not-configured' }
    return decideAccess(entry, identity, { port, connectionType }, policy, clock.now())
  }

  async #isStillThere(grant: Grant): Promise<boolean> {
    if (grant.kind !== 'share') return true
    const { namespace, name, uid } = grant.share.metadata
    return (await this.#parts.resources.get(shareKind, { namespace, name }))?.metadata.uid === uid
  }

  #sign(
    actor: Actor,
    key: SshPublicKey,
    { agentForwarding = false }: SshCertificateRequest,
    permits: readonly [Permit, ...Permit[]],
  ): SshCertificateView {
    const { authorities, deployment, clock, audit } = this.#parts
    const { session } = actor
    const now = clock.now()
    const [first, ...others] = permits.map(({ ref }) => sshPrincipal(ref))
    const ends = permits.map(({ until }) => until ?? Number.POSITIVE_INFINITY)
    const content: CertificateContent = {
      ...{ role: 'user', key, serial: randomSerial(), keyId: keyIdOf(session) },
      principals: [first ?? sshPrincipal(permits[0].ref), ...others],
      from: now - clockSkew,
      until: Math.min(now + lifetime, session.notAfter, ...ends),
      extensions: agentForwarding ? [...usual, 'permit-agent-forwarding'] : usual,
    }
    const authority: SshAuthority = authorities.current()
    audit.record({
      event: 'ssh-certificate',
      ...auditActor(actor),
      role: 'user',
      workspaces: permits.map(({ ref }) => refKey(ref)),
      serial: content.serial.toString(),
      fingerprint: fingerprintOf(key),
      expiresAt: content.until,
    })
    return {
      certificate: signCertificate(content, authority.people.privateKey),
      workspaces: permits.map(({ ref }) => ({ ...ref, alias: sshAlias(ref, deployment) })),
      serial: content.serial.toString(),
      validFrom: new Date(content.from).toISOString(),
      validUntil: new Date(content.until).toISOString(),
      trust: this.trust(),
    }
  }

  #refuse(actor: Actor, reason: string, refusal: Problem): { readonly ok: false; readonly problem: Problem } {
    this.#deny(actor, reason, undefined)
    return { ok: false, problem: refusal }
  }

  #deny(actor: Actor, reason: string, workspace: string | undefined): void {
    const said = { ...auditActor(actor), workspace, port: undefined }
    this.#parts.audit.record({ event: 'deny', ...said, reason: `ssh:${reason}` })
  }
}

function isSsh(connectionType: string): boolean {
  return connectionType !== portForward && readConnectionType(connectionType) !== undefined
}

/** For sshd's log: on one line, and without anything in it that could be taken for something else. */
function keyIdOf({ identity, name }: Session): string {
  const username = encodeURIComponent(identity.username.toWellFormed()).replaceAll('%3A', ':').replaceAll('%40', '@')
  return `user=${username} session=${name}`
}

const cliSessionNeeded: Problem = {
  code: 'cli_session_needed',
  status: 403,
  title: 'Only a command line that is logged in gets certificates.',
}

function tooMany(wait: Milliseconds): Problem {
  const detail = `Please try again in ${Math.ceil(wait / 1000)} s.`
  const title = 'You have asked for too many certificates.'
  return { code: 'too_many_certificates', status: 429, title, detail, retryAfter: wait }
}

function faulty(field: string, message: string): Problem {
  return { ...problem('unprocessable', 422), faults: [{ field, message }] }
}

const keyFaults = {
  key_malformed: 'is no public key as in id_ed25519.pub',
  key_type_refused: 'must be of the type ssh-ed25519; no other one is signed',
} as const satisfies Record<PublicKeyFault, string>

function faultyKey(fault: PublicKeyFault): Problem {
  return { ...faulty('publicKey', keyFaults[fault]), code: fault }
}

/**
 * Certificates for the pods that people enter by SSH: each for the alias of its own workspace alone, so that a client knows by one line whom it has reached. A
 * pod says by its token that it is that pod; whose pod it is, is known by the watch that routes go by.
 */
import type { SshAuthorities } from '#identity/ssh-authority.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { RateLimiter } from '#lib/rate-limiter.ts'
import type { Audit } from '#observe/audit.ts'
import { type CertificateContent, randomSerial, signCertificate } from '#ssh/certificate.ts'
import { fingerprintOf, parsePublicKey, type SshPublicKey } from '#ssh/public-key.ts'
import { type Outcome, type Problem, problem } from '#surface/problem.ts'
import type { SshHostCertificateRequest, SshHostCertificateView, SshTrust } from '#surface/ssh-messages.ts'
import { refKey } from '#surface/workspace-ref.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { sshAlias, sshPrincipal } from '#workspace/ssh-alias.ts'
import { attempt } from './desk.ts'
import { denyPod, type PodCallersParts, type PodRequest, recognisePod } from './pod-callers.ts'

export interface SshHostDeskParts extends PodCallersParts {
  readonly authorities: SshAuthorities
  readonly deployment: string
  readonly trust: () => SshTrust
  /** How many certificates one pod may have. */
  readonly perPod: RateLimiter
  readonly audit: Audit
  readonly clock: Clock
}

/** A pod asks again every ten minutes; what one that is gone has left behind vouches for no longer than this. */
const lifetime: Milliseconds = 3_600_000
/** As for people: how far the clock of whoever comes may be behind ours. */
const clockSkew: Milliseconds = 2 * 60_000

export class SshHostDesk {
  readonly #parts: SshHostDeskParts

  constructor(parts: SshHostDeskParts) {
    this.#parts = parts
  }

  async certify(
    token: string | undefined,
    request: SshHostCertificateRequest,
    by: PodRequest,
  ): Promise<Outcome<SshHostCertificateView>> {
    const { perPod } = this.#parts
    const outcome = await attempt(async () => {
      const caller = await recognisePod(token, this.#parts)
      if (caller.kind === 'refused') return this.#refuse(by, caller.reason, unauthorized)
      const { entry, pod } = caller
      const parsed = parsePublicKey(request.publicKey)
      if (parsed.kind === 'refused') return this.#refuse(by, parsed.reason, problem('unprocessable', 422))
      const wait = perPod.take(pod)
      if (wait > 0) return this.#refuse(by, 'too-many-certificates', { ...tooMany, retryAfter: wait })
      return { ok: true as const, value: this.#sign(entry, { key: parsed.key, pod }, by) }
    })
    return outcome.ok ? outcome.value : outcome
  }

  #sign(
    { ref }: WorkspaceEntry,
    { key, pod }: { readonly key: SshPublicKey; readonly pod: string },
    by: PodRequest,
  ): SshHostCertificateView {
    const { authorities, deployment, clock, audit, trust } = this.#parts
    const now = clock.now()
    const alias = sshAlias(ref, deployment)
    const serial = randomSerial()
    const until = now + lifetime
    const content: CertificateContent = {
      ...{ role: 'host', key, serial, keyId: `host=${alias} pod=${pod}`, principals: [alias] },
      ...{ from: now - clockSkew, until, extensions: [] },
    }
    const certificate = signCertificate(content, authorities.current().hosts.privateKey)
    audit.record({
      event: 'ssh-certificate',
      ...{ user: undefined, session: undefined, ...by },
      ...{ role: 'host', workspaces: [refKey(ref)], pod, serial: serial.toString() },
      ...{ fingerprint: fingerprintOf(key), expiresAt: until },
    })
    return {
      ...{ certificate, alias, principals: [sshPrincipal(ref)] },
      validUntil: new Date(until).toISOString(),
      trust: trust(),
    }
  }

  #refuse(by: PodRequest, reason: string, refusal: Problem) {
    denyPod(this.#parts.audit, by, `ssh-host:${reason}`)
    return { ok: false as const, problem: refusal }
  }
}

/** Whatever was wrong with it stands in the audit trail. */
const unauthorized: Problem = {
  code: 'unauthorized',
  status: 401,
  title: 'Only a pod of a workspace gets this, by a token for this address alone.',
}

const tooMany: Problem = {
  code: 'too_many_certificates',
  status: 429,
  title: 'This pod has asked for too many certificates.',
}

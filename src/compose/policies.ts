/** Which admission policies are in force, looked at now and then: what leans on a missing one is off, and the console and the log say so. */
import { messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { type PolicyName, policiesInForce, policyNames } from '#resources/kubernetes/policy-probe.ts'
import type { Settings } from '#settings/settings.ts'
import type { Trust } from '#workspace/access.ts'
import { sharedByAnnotation, type WorkspaceShare } from '#workspace/share.ts'
import type { Authorship } from '#workspace/share-acceptance.ts'

export interface PoliciesParts {
  readonly client: ApiClient
  readonly settings: Settings
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

const lookEvery: Milliseconds = 60_000
const retryAfter: Milliseconds = 2_000

const missing: Readonly<Record<PolicyName, string>> = {
  'workspace-owner':
    'nobody is let in as an owner: no admission policy says that owners are who they say (gatehouse-workspace-owner)',
  'workspace-share':
    'shares grant nothing: no admission policy says that who made them may share (gatehouse-workspace-share)',
  'gateway-account':
    'nothing is started or stopped: no admission policy keeps the account of the gateway from changing more than that (gatehouse-gateway-account)',
}

export class Policies {
  /** Always of now. */
  readonly trust: Trust
  /** Settled after the first look. */
  readonly known: Promise<void>
  readonly #parts: PoliciesParts
  readonly #becameKnown = Promise.withResolvers<void>()
  #inForce: ReadonlySet<PolicyName> = new Set()

  constructor(parts: PoliciesParts) {
    this.#parts = parts
    this.known = this.#becameKnown.promise
    // Whoever does not wait for it must not bring the process down.
    this.known.catch(() => undefined)
    const holds = (name: PolicyName) => this.#inForce.has(name)
    const { insecureOwnerAnnotation } = parts.settings.cluster
    this.trust = {
      get owners() {
        return insecureOwnerAnnotation || holds('workspace-owner')
      },
      get shares() {
        return holds('workspace-share')
      },
      get starts() {
        return holds('gateway-account')
      },
    }
  }

  /** A share that Gatehouse did not write is as good as the policy that let its author write it. */
  authorshipOf(share: WorkspaceShare): Authorship {
    if (!this.trust.shares) return 'unverified'
    return share.metadata.annotations[sharedByAnnotation] === undefined ? 'RbacGranted' : 'OwnerGranted'
  }

  /** For the console of administrators. */
  problems(): readonly { readonly file: string; readonly line: number; readonly reason: string }[] {
    return this.#missing().map((name) => ({ file: `gatehouse-${name}`, line: 0, reason: missing[name] }))
  }

  /** Until the signal. While nobody can be asked, what was found last stands. */
  async follow(signal: AbortSignal, onChange: () => void): Promise<void> {
    const { client, settings, clock, log } = this.#parts
    let isKnown = false
    while (!signal.aborted) {
      try {
        const found = await policiesInForce(client, settings.sessions.stateNamespace)
        const isSame = isKnown && policyNames.every((name) => found.has(name) === this.#inForce.has(name))
        this.#inForce = found
        isKnown = true
        if (!isSame) this.#say(onChange)
        this.#becameKnown.resolve()
      } catch (error) {
        if (signal.aborted) break
        log.warn(
          { component: 'policies', reason: messageOf(error) },
          'nobody could be asked which policies are in force',
        )
      }
      // It rejects when the signal is aborted, which ends the loop.
      await sleep(clock, isKnown ? lookEvery : retryAfter, signal).catch(() => undefined)
    }
    this.#becameKnown.reject(signal.reason)
  }

  #say(onChange: () => void): void {
    const { log } = this.#parts
    for (const name of this.#missing()) log.warn({ component: 'policies', name: `gatehouse-${name}` }, missing[name])
    if (this.#missing().length === 0) log.info({ component: 'policies' }, 'all admission policies are in force')
    onChange()
  }

  #missing(): readonly PolicyName[] {
    return policyNames.filter((name) => !this.#inForce.has(name))
  }
}

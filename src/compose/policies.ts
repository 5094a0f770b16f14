/** Which admission policies are in force, looked at all the time: what leans on a missing one is off, and the console and the log say so. */
import { messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { isInForce, type PolicyName, policiesInForce, policyNames } from '#resources/kubernetes/policy-probe.ts'
import type { Settings } from '#settings/settings.ts'
import type { MissingPolicy } from '#surface/messages.ts'
import type { Trust } from '#workspace/access.ts'
import type { PolicyVerdict } from '#workspace/manager.ts'
import { sharedByAnnotation, type WorkspaceShare } from '#workspace/share.ts'
import type { Authorship } from '#workspace/share-acceptance.ts'

export interface PoliciesParts {
  readonly client: ApiClient
  readonly settings: Settings
  readonly clock: Clock
  readonly log: Log
}

/** One question: one policy, in one namespace. They take turns, so that an API server at rest is not kept busy. */
const askEvery: Milliseconds = 6_000
const retryAfter: Milliseconds = 2_000

const consequences: Readonly<Record<PolicyName, string>> = {
  'workspace-owner': 'Nobody is let in as an owner: no admission policy says that owners are who they say.',
  'workspace-share': 'Shares grant nothing: no admission policy says that who made them may share.',
  'gateway-account':
    'Nothing is started or stopped: no admission policy keeps the account of the gateway from changing more than that.',
}

/** By namespace. */
type Found = ReadonlyMap<string, ReadonlySet<PolicyName>>

export class Policies {
  /** Always of now. */
  readonly trust: Trust
  /** Settled after the first look. */
  readonly known: Promise<void>
  readonly #parts: PoliciesParts
  readonly #becameKnown = Promise.withResolvers<void>()
  readonly #listeners = new Set<() => void>()
  /** Where workspaces are, as far as that is known beforehand. */
  readonly #namespaces: readonly string[]
  #found: Found | undefined
  #isAnswered = true

  constructor(parts: PoliciesParts) {
    this.#parts = parts
    const { cluster, sessions } = parts.settings
    this.#namespaces = cluster.namespaces.length > 0 ? cluster.namespaces : [sessions.stateNamespace]
    this.known = this.#becameKnown.promise
    // Whoever does not wait for it must not bring the process down.
    this.known.catch(() => undefined)
    const holds = (name: PolicyName) => this.#holds(name)
    this.trust = {
      get owners() {
        return cluster.insecureOwnerAnnotation || holds('workspace-owner')
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

  /** For administrators; a policy that settings make up for is not missed. */
  missing(): readonly MissingPolicy[] {
    return this.#missing().map((name) => ({ policy: `gatehouse-${name}`, consequence: consequences[name] }))
  }

  /** For the WorkspaceManager; `undefined` until it is known. */
  verdict(): PolicyVerdict | undefined {
    if (!this.#found) return undefined
    const missing = this.missing()
    if (missing.length === 0) return { status: 'True', reason: 'InForce', message: '' }
    const message = missing.map(({ policy, consequence }) => `${policy}: ${consequence}`).join(' ')
    return { status: 'False', reason: 'Missing', message }
  }

  /** For figures: 1 for each that is in force, 0 for each that is not. */
  figures(): ReadonlyMap<string, number> {
    return new Map(policyNames.map((name) => [`gatehouse-${name}`, this.#holds(name) ? 1 : 0]))
  }

  /** Hears of every change, the first look included. */
  subscribe(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Until the signal. While nobody can be asked, what was found last stands. */
  async follow(signal: AbortSignal): Promise<void> {
    for (let turn = 0; !signal.aborted; turn += 1) {
      try {
        if (this.#found === undefined || (await this.#isAnother(this.#found, turn))) this.#take(await this.#look())
        this.#answered()
      } catch (error) {
        if (!signal.aborted) this.#unanswered(error)
      }
      // It rejects when the signal is aborted, which ends the loop.
      await sleep(this.#parts.clock, this.#found ? askEvery : retryAfter, signal).catch(() => undefined)
    }
    this.#becameKnown.reject(signal.reason)
  }

  /** Asks the question whose turn it is. */
  async #isAnother(found: Found, turn: number): Promise<boolean> {
    const namespace = this.#namespaces[Math.floor(turn / policyNames.length) % this.#namespaces.length] ?? ''
    const name = policyNames[turn % policyNames.length] ?? policyNames[0]
    return (await isInForce(this.#parts.client, namespace, name)) !== (found.get(namespace)?.has(name) ?? false)
  }

  async #look(): Promise<Found> {
    const asked = this.#namespaces.map(
      async (namespace) => [namespace, await policiesInForce(this.#parts.client, namespace)] as const,
    )
    return new Map(await Promise.all(asked))
  }

  #take(found: Found): void {
    const before = this.#found && this.#missing().join(' ')
    this.#found = found
    this.#becameKnown.resolve()
    const missing = this.#missing()
    if (before === missing.join(' ')) return
    const { log } = this.#parts
    for (const name of missing) log.warn({ component: 'policies', name: `gatehouse-${name}` }, consequences[name])
    if (missing.length === 0) log.info({ component: 'policies' }, 'all admission policies are in force')
    for (const listener of this.#listeners) listener()
  }

  #answered(): void {
    if (!this.#isAnswered) this.#parts.log.info({ component: 'policies' }, 'policies can be asked for again')
    this.#isAnswered = true
  }

  #unanswered(error: unknown): void {
    const { log } = this.#parts
    if (this.#isAnswered)
      log.warn(
        { component: 'policies', reason: messageOf(error) },
        'nobody could be asked which policies are in force; what was found last stands',
      )
    this.#isAnswered = false
  }

  /** Everywhere: a workspace of any of these namespaces leans on it. */
  #holds(name: PolicyName): boolean {
    const found = this.#found
    return found !== undefined && this.#namespaces.every((namespace) => found.get(namespace)?.has(name) ?? false)
  }

  #missing(): readonly PolicyName[] {
    const { insecureOwnerAnnotation } = this.#parts.settings.cluster
    return policyNames.filter((name) => !this.#holds(name) && !(name === 'workspace-owner' && insecureOwnerAnnotation))
  }
}

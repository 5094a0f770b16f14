/** Writes down what was decided: counters always, an audit line where somebody may have to account for it, never one per forwarded request. */
import { LRUCache } from 'lru-cache'
import type { GatewayError } from '#errors.ts'
import type { Session } from '#identity/session.ts'
import type { Clock } from '#lib/clock.ts'
import { RateLimiter } from '#lib/rate-limiter.ts'
import type { Audit, AuditActor } from '#observe/audit.ts'
import type { Count, Metrics, Outcome } from '#observe/metrics.ts'
import { refKey } from '#surface/workspace-ref.ts'
import { sayGrant } from '#workspace/access.ts'
import type { WorkspaceAddress } from '#workspace/address.ts'
import type { Settled } from './admission.ts'
import type { Pass } from './passes.ts'
import type { Excess } from './turnstile.ts'

/** What the witness is told of a request. */
export interface Seen {
  readonly requestId: string | undefined
  readonly client: string | undefined
}

export interface SeenVisit extends Seen {
  readonly isUpgrade: boolean
  readonly place: { readonly address: WorkspaceAddress }
}

/** Enough to know every session that is at work from its first request. */
const mostRemembered = 50_000

export class Witness {
  readonly #audit: Audit
  readonly #counts: ReadonlyMap<Outcome, { readonly plain: Count; readonly upgrade: Count }>
  readonly #unknown: Count
  readonly #metrics: Metrics
  /** One line a minute about each. */
  readonly #excesses: RateLimiter
  readonly #allowed = new LRUCache<string, true>({ max: mostRemembered })

  constructor(parts: { readonly audit: Audit; readonly metrics: Metrics; readonly clock: Clock }) {
    this.#audit = parts.audit
    this.#metrics = parts.metrics
    this.#excesses = new RateLimiter({ most: 1, window: 60_000, clock: parts.clock, mostKeys: 1000 })
    const outcomes: readonly Outcome[] = ['forwarded', 'redirected', 'login', 'starting', 'denied', 'refused', 'failed']
    this.#counts = new Map(
      outcomes.map((outcome) => [
        outcome,
        { plain: parts.metrics.requests('workspace', outcome), upgrade: parts.metrics.requests('upgrade', outcome) },
      ]),
    )
    this.#unknown = parts.metrics.requests('unknown', 'refused')
  }

  /** It could not be read as a request for anything. */
  refused(seen: Seen, reason: string): void {
    this.#unknown.add()
    if (reason === 'too_many_connections') this.#metrics.limited('connections').add()
    this.#audit.record({ event: 'deny', ...actorOf(seen, undefined), workspace: undefined, port: undefined, reason })
  }

  /** It was more than somebody may ask for. Whoever goes beyond does so a thousand times. */
  limited(seen: Seen, { limit, of }: Excess, session: Session | undefined): void {
    this.#unknown.add()
    this.#metrics.limited(limit).add()
    if (this.#excesses.take(`${limit} ${of}`) > 0) return
    const nothing = { workspace: undefined, port: undefined }
    this.#audit.record({ event: 'deny', ...actorOf(seen, session), ...nothing, reason: `limit:${limit}` })
  }

  decided(visit: SeenVisit, admission: Settled): void {
    switch (admission.kind) {
      case 'forward':
        this.#count('forwarded', visit)
        this.#firstAllow(visit, admission.pass)
        return
      case 'moved':
        this.#count('redirected', visit)
        return
      case 'starting':
        this.#count('starting', visit)
        return
      case 'login':
        this.#count('login', visit)
        // A navigation is led to the login; what is refused is worth a line.
        if (!admission.navigation) this.#deny(visit, undefined, `login-needed:${admission.reason}`)
        return
      case 'deny':
        this.#count('denied', visit)
        this.#deny(
          visit,
          admission.session,
          admission.detail === '' ? admission.reason : `${admission.reason}:${admission.detail}`,
        )
    }
  }

  /** Permitted, but the browser comes back to it first: nothing reached the workspace yet. */
  redirected(visit: SeenVisit): void {
    this.#count('redirected', visit)
  }

  failed(visit: SeenVisit, _fault: GatewayError): void {
    this.#count('failed', visit)
  }

  #count(outcome: Outcome, visit: SeenVisit): void {
    const counts = this.#counts.get(outcome)
    if (visit.isUpgrade) counts?.upgrade.add()
    else counts?.plain.add()
  }

  #firstAllow(seen: Seen, pass: Pass): void {
    if (pass.isWitnessed) return
    pass.isWitnessed = true
    const key = `${pass.session.name} ${pass.entry.uid}`
    if (this.#allowed.has(key)) return
    this.#allowed.set(key, true)
    this.#audit.record({
      event: 'allow',
      ...actorOf(seen, pass.session),
      workspace: refKey(pass.entry.ref),
      port: pass.port.port,
      grant: sayGrant(pass.grant),
    })
  }

  #deny(visit: SeenVisit, session: Session | undefined, reason: string): void {
    const { name, port } = visit.place.address
    const workspace = name.by === 'ref' ? refKey(name.ref) : name.label
    this.#audit.record({ event: 'deny', ...actorOf(visit, session), workspace, port, reason })
  }
}

export function actorOf(seen: Seen, session: Session | undefined): AuditActor {
  return { user: session?.identity.username, session: session?.name, requestId: seen.requestId, client: seen.client }
}

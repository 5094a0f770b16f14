/**
 * Whether somebody may do something, asked of whoever holds the cluster's rules: the API server and its RBAC. A laptop has none, and no reviewer.
 * It answers for anybody it is asked about; whom to ask about, and how often, is decided above.
 */

/** The same strings that RBAC sees. An identity is one. */
export interface ReviewSubject {
  readonly username: string
  readonly uid: string
  readonly groups: readonly string[]
  /** What an authenticator adds about a machine. */
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/** Something that RBAC has rules about. */
export interface Action {
  readonly verb: string
  readonly group: string
  readonly resource: string
  /** One object; every object of the namespace when absent. */
  readonly name?: string
}

export interface ReviewQuestion {
  readonly subject: ReviewSubject
  readonly namespace: string
  readonly action: Action
}

export type Verdict = 'allowed' | 'denied'

export interface Reviewer {
  /** It looks at each workspace itself, beside the rules of its namespace, where it is told a name. */
  readonly isPerWorkspace?: boolean
  /**
   * Throws `store_unavailable` when nobody can be asked: no connection, no answer within the time, 429 or 5xx. Any other fault is a denial
   * that was logged, since it would not get better by waiting. Rejects with the signal's reason when that ends it first.
   */
  review(question: ReviewQuestion, signal: AbortSignal): Promise<Verdict>
}

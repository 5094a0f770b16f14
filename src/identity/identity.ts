/** Who a request speaks for, after the administrator's mapping: the same strings that Kubernetes RBAC sees. */

export interface Identity {
  readonly kind: 'person' | 'machine'
  readonly username: string
  /** The issuer's `sub`, or a ServiceAccount's UID. */
  readonly uid: string
  readonly groups: readonly string[]
}

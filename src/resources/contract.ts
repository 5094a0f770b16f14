/**
 * State as Kubernetes-shaped objects, wherever they are kept: the API server in a cluster, one SQLite file on a laptop.
 * Implementations know kinds only through {@link ResourceKind}; defaulting and validation are the kind's `parse`.
 */
import type { Brand } from '#lib/brand.ts'
import type { Timestamp } from '#lib/clock.ts'

/** Opaque: compared for equality only, never parsed (Kubernetes API conventions). */
export type ResourceVersion = Brand<string, 'ResourceVersion'>
export type Uid = Brand<string, 'Uid'>

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: Uid
  /** One owner at most is the controller, which made the object and keeps it as it should be. Stores that have no controllers drop both. */
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  readonly name: string
  readonly namespace: string
  readonly uid: Uid
  readonly resourceVersion: ResourceVersion
  /** Counts changes of `spec`. */
  readonly generation: number
  /** RFC 3339. */
  readonly creationTimestamp: string
  /** When anything in it was changed last, by the store's own clock; up to a second later than that. Absent where the store does not say, or the kind is none that is dated. */
  readonly updatedAt?: Timestamp
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly ownerReferences: readonly OwnerReference[]
}

/** What a caller gives when it creates an object; the store fills in the rest of the metadata. */
export interface NewObjectMeta {
  readonly name: string
  readonly namespace: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
}

export interface Resource<Spec = unknown, Status = unknown> {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly spec: Spec
  readonly status: Status
}

export type NewResource<T extends Resource> = {
  readonly metadata: NewObjectMeta
  readonly spec: T['spec']
  readonly status?: T['status']
}

/**
 * A kind of object. `parseSpec` and `parseStatus` check and default what a store holds;
 * both throw `GatewayError('invalid_resource')`, and `parseStatus` gets `undefined` where there is none yet.
 * `annotations` are those of an object that is read: a kind whose schema belongs to others may have fields of its own among them.
 */
export interface ResourceKind<T extends Resource> {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  /** Its objects are to have {@link ObjectMeta.updatedAt}, where the store knows it. */
  readonly isDated?: true
  parseSpec(value: unknown, annotations?: Readonly<Record<string, string>>): T['spec']
  parseStatus(value: unknown): T['status']
}

export interface ObjectName {
  readonly namespace: string
  readonly name: string
}

export interface Listing<T> {
  readonly items: readonly T[]
  readonly resourceVersion: ResourceVersion
}

/**
 * `bookmark`: nothing up to this version concerns you, so that a resume needs no new list. `unreadable`: the kind's parsers refuse what the
 * object has become, or its deletion waits for a finalizer, so it is nowhere to be seen. `heartbeat`: the watch still brings what is written.
 */
export type WatchEvent<T> =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: T }
  | { readonly type: 'unreadable'; readonly name: ObjectName; readonly resourceVersion: ResourceVersion }
  | { readonly type: 'bookmark' | 'heartbeat'; readonly resourceVersion: ResourceVersion }

export interface Preconditions {
  readonly uid?: Uid
  readonly resourceVersion?: ResourceVersion
}

/** RFC 7396: `null` deletes a key. */
export type MergePatch = { readonly [key: string]: unknown }

/**
 * Every method throws `store_unavailable` when the store cannot be reached. An object that its kind's parsers refuse is nowhere to be seen
 * until a write mends it: an implementation says so in its log. `replace`, `patchSpec` and `delete` throw `managed_by_file` for what a
 * manifest file owns, which only the embedded store has.
 */
export interface Resources {
  /** Objects of one namespace, or of all. */
  list<T extends Resource>(
    kind: ResourceKind<T>,
    options?: { namespace?: string; signal?: AbortSignal },
  ): Promise<Listing<T>>
  /**
   * Changes after `resourceVersion`, until the signal ends it. Throws `expired_version` when the version is too old to resume from
   * (list again), `store_unavailable` when the connection is lost (resume).
   */
  watch<T extends Resource>(
    kind: ResourceKind<T>,
    options: { namespace?: string; resourceVersion: ResourceVersion; signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>>
  /** `undefined` when there is none. Consistent: sees every write that finished before. */
  get<T extends Resource>(kind: ResourceKind<T>, name: ObjectName): Promise<T | undefined>
  /** Throws `already_exists`, `invalid_resource`. */
  create<T extends Resource>(kind: ResourceKind<T>, object: NewResource<T>): Promise<T>
  /** Replaces `spec`, labels, annotations and owners of the version it was read at. Throws `conflict`, `not_found`. */
  replace<T extends Resource>(kind: ResourceKind<T>, object: T): Promise<T>
  /** Changes fields of `spec`. Throws `conflict` when a precondition no longer holds, `not_found`. */
  patchSpec<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    patch: MergePatch,
    preconditions?: Preconditions,
  ): Promise<T>
  /** Changes fields of `status` alone. Throws as {@link patchSpec}. */
  patchStatus<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    patch: MergePatch,
    preconditions?: Preconditions,
  ): Promise<T>
  /** `false` when there was nothing to delete. Throws `conflict` when a precondition no longer holds. */
  delete<T extends Resource>(kind: ResourceKind<T>, name: ObjectName, preconditions?: Preconditions): Promise<boolean>
}

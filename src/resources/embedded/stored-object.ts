/** An object as a row holds it, and the way from there to a typed resource. Parts are JSON text, so that no two readers share one. */
import { GatewayError, messageOf } from '#errors.ts'
import type { Resource, ResourceKind, ResourceVersion, Uid } from '#resources/contract.ts'
import { parseAnnotations, parseLabels, parseOwners } from './metadata.ts'

export interface ObjectKey {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

export interface StoredObject extends ObjectKey {
  readonly uid: string
  readonly version: number
  readonly generation: number
  /** RFC 3339. */
  readonly created: string
  readonly labels: string
  readonly annotations: string
  readonly owners: string
  readonly spec: string
  /** `null`: nobody has written one. */
  readonly status: string | null
  /** The manifest file that declares it, `null` for an object made through the API. */
  readonly source: string | null
  /** The `spec` as that file gives it. */
  readonly declared: string | null
  /** The fields of `spec` that people have changed since, as a merge patch. */
  readonly overlay: string | null
}

/** Throws `invalid_resource` when what is stored does not pass the kind's parsers. */
export function resourceFrom<T extends Resource>(kind: ResourceKind<T>, stored: StoredObject): T {
  const annotations = checked(() => parseAnnotations(JSON.parse(stored.annotations)))
  const resource: Resource<T['spec'], T['status']> = {
    apiVersion: `${kind.group}/${kind.version}`,
    kind: kind.kind,
    metadata: {
      name: stored.name,
      namespace: stored.namespace,
      // Both were made by this store.
      uid: stored.uid as Uid,
      resourceVersion: versionText(stored.version),
      generation: stored.generation,
      creationTimestamp: stored.created,
      labels: checked(() => parseLabels(JSON.parse(stored.labels))),
      annotations,
      ownerReferences: checked(() => parseOwners(JSON.parse(stored.owners))),
    },
    spec: checked(() => kind.parseSpec(JSON.parse(stored.spec), annotations)),
    status: checked(() => kind.parseStatus(stored.status === null ? undefined : JSON.parse(stored.status))),
  }
  // A kind's T is a Resource with the spec and status that its parsers return, which these are.
  return resource as T
}

/** The stored form of a `spec`: parsed and defaulted by the kind. Throws `invalid_resource`. */
export function specText(kind: ResourceKind<Resource>, value: unknown): string {
  return JSON.stringify(checked(() => kind.parseSpec(asJson(value)))) ?? 'null'
}

/** The stored form of a `status`. Throws `invalid_resource`. */
export function statusText(kind: ResourceKind<Resource>, value: unknown): string | null {
  return value === undefined ? null : (JSON.stringify(checked(() => kind.parseStatus(asJson(value)))) ?? null)
}

/** What is left of a value on its way through JSON: an API server would see no more of it. */
export function asJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

export function versionText(version: number): ResourceVersion {
  // The opaque form of a version is this store's to choose.
  return String(version) as ResourceVersion
}

/** `undefined` for a version that this store never gave. */
export function versionNumber(version: ResourceVersion): number | undefined {
  return /^\d{1,15}$/.test(version) ? Number(version) : undefined
}

export function describeKey(key: ObjectKey): string {
  return `${key.kind} ${key.namespace}/${key.name}`
}

function checked<R>(parse: () => R): R {
  try {
    return parse()
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('invalid_resource', messageOf(error), { cause: error })
  }
}

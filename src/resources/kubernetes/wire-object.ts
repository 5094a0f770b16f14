/** Objects as the API server sends them: metadata that is checked, and the rest as it came. */
import { GatewayError } from '#errors.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { ObjectMeta, OwnerReference, ResourceVersion, Uid } from '#resources/contract.ts'

export interface WireObject {
  readonly metadata: ObjectMeta
  /** RFC 3339; set while finalizers hold up its deletion. */
  readonly deletionTimestamp: string | undefined
  /** The whole object: `spec`, `status`, `data`, … */
  readonly body: Readonly<Record<string, unknown>>
}

/** Throws `invalid_resource`. */
export function parseWireObject(value: unknown): WireObject {
  const body = isJsonObject(value) ? value : {}
  const metadata = isJsonObject(body.metadata) ? body.metadata : {}
  const deletion = metadata.deletionTimestamp
  return {
    metadata: {
      name: textOf(metadata, 'name'),
      // Kinds that have no namespace are in none.
      namespace: metadata.namespace === undefined ? '' : textOf(metadata, 'namespace'),
      // Only the API server makes these two, and this is where it says them.
      uid: textOf(metadata, 'uid') as Uid,
      resourceVersion: versionOf(metadata),
      // Kinds of the core group have none.
      generation: typeof metadata.generation === 'number' ? metadata.generation : 1,
      creationTimestamp: textOf(metadata, 'creationTimestamp'),
      labels: strings(metadata.labels),
      annotations: strings(metadata.annotations),
      ownerReferences: owners(metadata.ownerReferences),
    },
    deletionTimestamp: typeof deletion === 'string' ? deletion : undefined,
    body,
  }
}

/** Of an object, a list, or a bookmark. Throws `invalid_resource`. */
export function versionOf(metadata: unknown): ResourceVersion {
  // A version is whatever the API server says it is.
  return textOf(isJsonObject(metadata) ? metadata : {}, 'resourceVersion') as ResourceVersion
}

function textOf(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string' || value === '')
    throw new GatewayError('invalid_resource', `metadata.${name} is missing`)
  return value
}

function strings(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(isJsonObject(value) ? value : {})
  return Object.fromEntries(entries.flatMap(([key, text]) => (typeof text === 'string' ? [[key, text]] : [])))
}

/**
 * The server notes beside the fields of each writer when they were changed last, in whole seconds, of which the rest is cut off. Several servers are
 * taken for one. Apart from the rest of the metadata, since of thousands of objects nobody asks for it.
 */
export function updatedAt({ body: { metadata } }: WireObject): Pick<ObjectMeta, 'updatedAt'> {
  const { managedFields: managers } = isJsonObject(metadata) ? metadata : {}
  const times = (Array.isArray(managers) ? managers : []).map((one: unknown) =>
    isJsonObject(one) && typeof one.time === 'string' ? Date.parse(one.time) : Number.NaN,
  )
  const latest = Math.max(...times.filter((time) => !Number.isNaN(time)))
  return Number.isFinite(latest) ? { updatedAt: latest + 1_000 } : {}
}

function owners(value: unknown): readonly OwnerReference[] {
  return (Array.isArray(value) ? value : []).map((owner: unknown) => {
    const { apiVersion, kind, name, uid, controller, blockOwnerDeletion } = isJsonObject(owner) ? owner : {}
    const isWhole = [apiVersion, kind, name, uid].every((field) => typeof field === 'string' && field !== '')
    if (!isWhole) throw new GatewayError('invalid_resource', 'metadata.ownerReferences are not whole')
    return {
      ...{ apiVersion: String(apiVersion), kind: String(kind), name: String(name) },
      // What an owner reference holds is a uid by definition; whether an object has it, is the garbage collector's question.
      uid: String(uid) as Uid,
      ...(typeof controller === 'boolean' ? { controller } : {}),
      ...(typeof blockOwnerDeletion === 'boolean' ? { blockOwnerDeletion } : {}),
    }
  })
}

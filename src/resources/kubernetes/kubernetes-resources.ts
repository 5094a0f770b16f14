/**
 * The {@link Resources} contract over the API server. Every write is one request with its preconditions in it, and none replaces a whole object:
 * what Gatehouse does not know of one, such as finalizers, stays as it is.
 */
import { GatewayError, messageOf } from '#errors.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type {
  Listing,
  MergePatch,
  NewResource,
  ObjectName,
  Preconditions,
  Resource,
  ResourceKind,
  Resources,
  ResourceVersion,
  WatchEvent,
} from '#resources/contract.ts'
import type { Source } from '#resources/source.ts'
import type { ApiClient } from './api-client.ts'
import { ApiFault } from './api-fault.ts'
import { heartbeatName } from './heartbeat.ts'
import { apiSource } from './list-watch.ts'
import { isMissing, ofKnownKind, unknownKind } from './missing.ts'
import { pulseOf } from './pulse.ts'
import { apiVersionOf, type ResourcePlace, resourcePath } from './resource-path.ts'
import { severalSources } from './several-sources.ts'
import { type OnUnreadable, UnreadableObjects } from './unreadable.ts'
import { plainForm, type WireForm } from './wire-form.ts'
import { parseWireObject, updatedAt, type WireObject } from './wire-object.ts'

/** How a kind is kept that is not `spec` and `status`. */
export interface Keeping {
  readonly form: WireForm
  /** Lists and watches are for the object of this name alone, which is all that RBAC can allow of Secrets without allowing every one. */
  readonly only?: string
}

export interface KubernetesOptions {
  readonly client: ApiClient
  /** What a list or watch without a namespace means, where Gatehouse may see these alone. Absent or empty: all. */
  readonly namespaces?: readonly string[] | undefined
  readonly keeping?: ReadonlyMap<ResourceKind<Resource>, Keeping>
  /** Kinds with a heartbeat in `namespace`: its changes are told as such, and it is never an object of theirs. */
  readonly heartbeats?: { readonly namespace: string; readonly kinds: readonly ResourceKind<Resource>[] }
  readonly onUnreadable: OnUnreadable
}

/** Of a change of the status that only asks for the same object, whatever its version. */
const mostTries = 5

export function kubernetesResources(options: KubernetesOptions): Resources {
  return new KubernetesResources(options)
}

class KubernetesResources implements Resources {
  readonly #options: KubernetesOptions
  readonly #unreadable: UnreadableObjects

  constructor(options: KubernetesOptions) {
    this.#options = options
    this.#unreadable = new UnreadableObjects(options.onUnreadable)
  }

  async list<T extends Resource>(
    kind: ResourceKind<T>,
    options: { namespace?: string; signal?: AbortSignal } = {},
  ): Promise<Listing<T>> {
    const signal = options.signal ?? new AbortController().signal
    return ofKnownKind(kind, () => this.#source(kind, options.namespace).list(signal))
  }

  watch<T extends Resource>(
    kind: ResourceKind<T>,
    options: { namespace?: string; resourceVersion: ResourceVersion; signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    return this.#source(kind, options.namespace).watch(options.resourceVersion, options.signal)
  }

  async get<T extends Resource>(kind: ResourceKind<T>, name: ObjectName): Promise<T | undefined> {
    const object = await this.#find(kind, name)
    return object && this.#read(kind, object)
  }

  async create<T extends Resource>(kind: ResourceKind<T>, object: NewResource<T>): Promise<T> {
    const { namespace, name } = object.metadata
    // For its check of the names: the path of a creation has none of the object.
    pathOf(kind, { namespace, name })
    const spec = parsed(() => kind.parseSpec(plain(object.spec)))
    const fields = this.#form(kind).write(spec, 1)
    const filled = await this.#fill(kind, { namespace, name }, fields)
    if (filled) return filled
    const body = { ...typeOf(kind), metadata: object.metadata, ...fields }
    const created = await this.#write(kind, () => this.#options.client.post(pathOf(kind, { namespace }), body))
    if (object.status === undefined) return created
    const { uid, resourceVersion } = created.metadata
    // The API server takes no status with a new object, so for a moment it is there without one.
    return this.patchStatus(kind, { namespace, name }, asPatch(object.status), { uid, resourceVersion })
  }

  async replace<T extends Resource>(kind: ResourceKind<T>, object: T): Promise<T> {
    const { metadata } = object
    if (this.#form(kind).keeps) throw new GatewayError('internal', `a ${kind.kind} is patched, not replaced`)
    const { uid, resourceVersion, labels, annotations, ownerReferences, generation } = metadata
    const spec = parsed(() => kind.parseSpec(plain(object.spec)))
    const fields = this.#form(kind).write(spec, generation + 1)
    const about = { uid, resourceVersion, labels, annotations, ownerReferences }
    return this.#set(kind, metadata, about, fields)
  }

  async patchSpec<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    patch: MergePatch,
    preconditions: Preconditions = {},
  ): Promise<T> {
    if (!this.#form(kind).isPatchable) throw new GatewayError('internal', `a ${kind.kind} is replaced, not patched`)
    const body = { metadata: preconditions, spec: patch }
    return this.#write(kind, () => this.#patch(pathOf(kind, name), body))
  }

  async patchStatus<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    patch: MergePatch,
    preconditions: Preconditions = {},
  ): Promise<T> {
    const { uid, resourceVersion } = preconditions
    const path = pathOf(kind, { ...name, subresource: 'status' })
    // The subresource takes no notice of a uid. A version belongs to one object alone, so it stands for the uid as well.
    if (uid === undefined || resourceVersion !== undefined) {
      return this.#write(kind, () => this.#patch(path, { metadata: { resourceVersion }, status: patch }))
    }
    for (let attempt = 1; ; attempt += 1) {
      const { metadata } = await ofKnownKind(kind, async () =>
        parseWireObject(await this.#options.client.get(pathOf(kind, name))),
      )
      if (metadata.uid !== uid) throw new GatewayError('conflict', `${kind.kind} ${name.name} is another object by now`)
      try {
        return await this.patchStatus(kind, name, patch, { resourceVersion: metadata.resourceVersion })
      } catch (error) {
        const isConflict = error instanceof ApiFault && error.code === 'conflict'
        if (!isConflict || attempt === mostTries) throw error
      }
    }
  }

  async delete<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    preconditions: Preconditions = {},
  ): Promise<boolean> {
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions }
    try {
      await this.#options.client.delete(pathOf(kind, name), options)
      return true
    } catch (error) {
      if (isMissing(error, name)) return false
      throw unknownKind(kind, error)
    }
  }

  async #find(kind: ResourceKind<Resource>, name: ObjectName): Promise<WireObject | undefined> {
    const path = pathOf(kind, name)
    try {
      return parseWireObject(await this.#options.client.get(path))
    } catch (error) {
      if (isMissing(error, name)) return undefined
      throw unknownKind(kind, error)
    }
  }

  /** Writes into the object that an administrator made for it and left empty. `undefined`: there is none, so it has to be made. */
  async #fill<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    fields: Readonly<Record<string, unknown>>,
  ): Promise<T | undefined> {
    const { isEmpty } = this.#form(kind)
    const found = isEmpty && (await this.#find(kind, name))
    if (!found) return undefined
    const taken = new GatewayError('already_exists', `${kind.kind} ${name.namespace}/${name.name} is in use already`)
    if (!isEmpty(found)) throw taken
    const { uid, resourceVersion } = found.metadata
    return this.#set(kind, name, { uid, resourceVersion }, fields).catch((error: unknown) => {
      throw error instanceof ApiFault && error.code === 'conflict' ? taken : error
    })
  }

  /** Each field stands for all that was in it. The version is a precondition. */
  #set<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    metadata: Readonly<Record<string, unknown>>,
    fields: Readonly<Record<string, unknown>>,
  ): Promise<T> {
    const operations = [
      ...Object.entries(metadata).map(([field, value]) => ({ op: 'add', path: `/metadata/${field}`, value })),
      ...Object.entries(fields).map(([field, value]) => ({ op: 'add', path: `/${field}`, value })),
    ]
    const path = pathOf(kind, name)
    return this.#write(kind, () => this.#options.client.patch(path, 'application/json-patch+json', operations))
  }

  #patch(path: string, body: unknown): Promise<unknown> {
    return this.#options.client.patch(path, 'application/merge-patch+json', body)
  }

  /** Throws `invalid_resource` where the server took what the kind's parsers refuse. */
  async #write<T extends Resource>(kind: ResourceKind<T>, send: () => Promise<unknown>): Promise<T> {
    const object = parseWireObject(await ofKnownKind(kind, send))
    return this.#parse(kind, object)
  }

  #source<T extends Resource>(kind: ResourceKind<T>, namespace: string | undefined): Source<T> {
    const { namespaces = [] } = this.#options
    const places = namespace === undefined ? namespaces : [namespace]
    if (places.length === 0) return this.#sourceIn(kind, undefined)
    const sources = places.map((place) => this.#sourceIn(kind, place))
    const beatsIn = this.#heartbeatOf(kind)?.namespace
    // Where it is in none of them it is followed by itself: what the server does not bring of a kind, it brings of no namespace.
    const isElsewhere = namespace === undefined && beatsIn !== undefined && !places.includes(beatsIn)
    return severalSources(isElsewhere ? [...sources, pulseOf(this.#sourceIn(kind, beatsIn, heartbeatName))] : sources)
  }

  /** `only` is the one name that is listed and watched. */
  #sourceIn<T extends Resource>(
    kind: ResourceKind<T>,
    namespace: string | undefined,
    only = this.#options.keeping?.get(kind)?.only,
  ): Source<T> {
    return apiSource({
      ...{ client: this.#options.client, type: kind, read: (object) => this.#read(kind, object), namespace },
      ...(only === undefined ? {} : { fieldSelector: `metadata.name=${only}` }),
      heartbeat: this.#heartbeatOf(kind),
    })
  }

  #heartbeatOf(kind: ResourceKind<Resource>): ObjectName | undefined {
    const { heartbeats } = this.#options
    const isWritten = heartbeats?.kinds.some((one) => one.group === kind.group && one.plural === kind.plural)
    return isWritten ? { namespace: heartbeats?.namespace ?? '', name: heartbeatName } : undefined
  }

  /** Somebody has deleted it, and that counts from then on: nothing may live on by a finalizer, whoever put one there. */
  #read<T extends Resource>(kind: ResourceKind<T>, object: WireObject): T | undefined {
    if (object.deletionTimestamp !== undefined) return undefined
    if (this.#form(kind).isEmpty?.(object)) return undefined
    return this.#unreadable.read(kind.plural, object, () => this.#parse(kind, object))
  }

  #parse<T extends Resource>(kind: ResourceKind<T>, object: WireObject): T {
    const form = this.#form(kind)
    const { spec, status, generation } = form.read(object)
    const metadata = form.keeps?.(object.metadata) ?? object.metadata
    const resource: Resource<T['spec'], T['status']> = {
      ...typeOf(kind),
      metadata: { ...metadata, ...(kind.isDated ? updatedAt(object) : {}), generation },
      spec: parsed(() => kind.parseSpec(spec, metadata.annotations)),
      status: parsed(() => kind.parseStatus(status)),
    }
    // A kind's T is a Resource with the spec and status that its parsers return, which these are.
    return resource as T
  }

  #form(kind: ResourceKind<Resource>): WireForm {
    const keeping = this.#options.keeping?.get(kind)
    if (keeping) return keeping.form
    if (kind.group === '') throw new GatewayError('internal', `nobody has said how a ${kind.kind} is kept`)
    return plainForm
  }
}

function typeOf(kind: ResourceKind<Resource>): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: apiVersionOf(kind), kind: kind.kind }
}

function pathOf(kind: ResourceKind<Resource>, { namespace, name, subresource }: ResourcePlace): string {
  return resourcePath(kind, { namespace, name, ...(subresource === undefined ? {} : { subresource }) })
}

/** What is left of a value on its way through JSON. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

function asPatch(value: unknown): MergePatch {
  return isJsonObject(value) ? value : {}
}

function parsed<R>(parse: () => R): R {
  try {
    return parse()
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('invalid_resource', messageOf(error), { cause: error })
  }
}

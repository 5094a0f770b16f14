/**
 * Lists and watches of one resource type at the API server, narrowed by selectors, each object through a parser of the caller's.
 *
 * A watch is short: the server is asked to end it after about ten seconds, with a bookmark just before. One that has not ended a few seconds later
 * hangs, so that silence is found within 15 s for every kind, also for those that nobody here may write a heartbeat to. Resuming costs the
 * server a look into its cache.
 *
 * @example
 * const pods = listWatch({
 *   client, type: { group: '', version: 'v1', plural: 'pods' }, labelSelector: 'workspace.jupyter.org/workspace-name',
 *   parse: ({ metadata, body }) => ({ metadata, phase: parsePhase(body.status) }), onUnreadable,
 * })
 * for await (const fact of follow(pods, { clock, signal })) apply(fact)
 */
import { GatewayError, hasCode, messageOf } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { Listing, ObjectName, ResourceVersion, WatchEvent } from '#resources/contract.ts'
import type { Followed, Source } from '#resources/source.ts'
import { AnswerTooLong, type ApiCall, type ApiClient } from './api-client.ts'
import { apiFault } from './api-fault.ts'
import { type ResourceType, resourcePath } from './resource-path.ts'
import { type OnUnreadable, UnreadableObjects } from './unreadable.ts'
import { parseWireObject, versionOf, type WireObject } from './wire-object.ts'

interface Scope {
  readonly client: ApiClient
  readonly type: ResourceType
  /** Absent: all. */
  readonly namespace?: string | undefined
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** `metadata`: the server leaves out everything else, which is less to send and to keep. */
  readonly form?: 'whole' | 'metadata'
  /** Never handed on as an object: its changes are heartbeats. */
  readonly heartbeat?: ObjectName | undefined
}

export interface ListWatchOptions<T extends Followed> extends Scope {
  /** Keeps the metadata as it is. An object that it throws for is nowhere to be seen. */
  parse(object: WireObject): T
  readonly onUnreadable: OnUnreadable
}

export interface ApiSourceOptions<T extends Followed> extends Scope {
  /** `undefined` for an object that is nowhere to be seen. Keeps the metadata as it is. */
  read(object: WireObject): T | undefined
}

const pageSize = 500
/** How often a list may begin again because its pages expired. */
const mostRestarts = 3
const pageLimit: Milliseconds = 30_000
/** Seconds a watch is asked to last, drawn from this range, so that those of many replicas don't end together. */
const watchSeconds = { least: 7, most: 10 }
/** What a server may take beyond that. */
const hangMargin: Milliseconds = 3_000

export function listWatch<T extends Followed>(options: ListWatchOptions<T>): Source<T> {
  const { parse, onUnreadable, ...scope } = options
  const unreadable = new UnreadableObjects(onUnreadable)
  return apiSource({ ...scope, read: (object) => unreadable.read(scope.type.plural, object, parse) })
}

/** As {@link listWatch}, where somebody else reports what can't be read. */
export function apiSource<T extends Followed>(options: ApiSourceOptions<T>): Source<T> {
  return new ApiSource(options)
}

interface Page<T> {
  readonly items: readonly T[]
  readonly next: string
  readonly resourceVersion: ResourceVersion
}

class ApiSource<T extends Followed> implements Source<T> {
  readonly #options: ApiSourceOptions<T>
  /** Smaller once pages were too long: somebody keeps large objects. */
  #pageSize = pageSize

  constructor(options: ApiSourceOptions<T>) {
    this.#options = options
  }

  async list(signal: AbortSignal): Promise<Listing<T>> {
    for (let restarts = 0; ; restarts += 1) {
      try {
        return await this.#listOnce(signal)
      } catch (error) {
        const isExpired = hasCode(error, 'expired_version')
        if (!isExpired || restarts === mostRestarts) throw error
      }
    }
  }

  async *watch(resourceVersion: ResourceVersion, signal: AbortSignal): AsyncGenerator<WatchEvent<T>, void, void> {
    const { client } = this.#options
    const { least, most } = watchSeconds
    const timeoutSeconds = least + Math.floor(Math.random() * (most - least + 1))
    const query = { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds }
    const call = { signal, accept: this.#accept('PartialObjectMetadata'), lasts: timeoutSeconds * 1000 + hangMargin }
    try {
      for await (const line of client.lines(this.#path(query), call)) yield this.#event(line)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #listOnce(signal: AbortSignal): Promise<Listing<T>> {
    const items: T[] = []
    let next = ''
    for (;;) {
      const page = await this.#page(next, signal)
      for (const item of page.items) items.push(item)
      next = page.next
      if (next === '') return { items, resourceVersion: page.resourceVersion }
    }
  }

  async #page(next: string, signal: AbortSignal): Promise<Page<T>> {
    const call = { signal, within: pageLimit, accept: this.#accept('PartialObjectMetadataList') }
    for (;;) {
      const query = { limit: this.#pageSize, continue: next === '' ? undefined : next }
      try {
        return await this.#readPage(this.#path(query), call)
      } catch (error) {
        if (!(error instanceof AnswerTooLong) || this.#pageSize === 1) throw error
        this.#pageSize = Math.ceil(this.#pageSize / 4)
      }
    }
  }

  async #readPage(path: string, call: ApiCall): Promise<Page<T>> {
    const items: T[] = []
    const onItem = (item: unknown) => {
      const parsed = this.#read(wireObjectOf(item))
      if (parsed) items.push(parsed)
    }
    return { items, ...endOf(await this.#options.client.list(path, { ...call, onItem })) }
  }

  #event(line: unknown): WatchEvent<T> {
    const { type, object } = isJsonObject(line) ? line : {}
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
      case 'DELETED':
        return this.#change(type, wireObjectOf(object))
      case 'BOOKMARK':
        return { type: 'bookmark', resourceVersion: versionOf(isJsonObject(object) ? object.metadata : undefined) }
      case 'ERROR':
        throw apiFault(isJsonObject(object) && typeof object.code === 'number' ? object.code : 500, object)
      default:
        throw new GatewayError('store_unavailable', 'a watch of the API server has an event of no known type')
    }
  }

  #change(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: WireObject): WatchEvent<T> {
    const { namespace, name, resourceVersion } = object.metadata
    const isOurs = namespace === this.#options.heartbeat?.namespace
    if (isOurs && this.#isHeartbeat(object))
      return { type: type === 'DELETED' ? 'bookmark' : 'heartbeat', resourceVersion }
    const parsed = this.#read(object)
    if (!parsed) return { type: 'unreadable', name: { namespace, name }, resourceVersion }
    return { type: eventTypes[type], object: parsed }
  }

  /** Another gateway's heartbeats are nothing that this one should see, let alone judge every few seconds. */
  #isHeartbeat({ metadata }: WireObject): boolean {
    return metadata.name === this.#options.heartbeat?.name
  }

  #read(object: WireObject): T | undefined {
    return this.#isHeartbeat(object) ? undefined : this.#options.read(object)
  }

  #path(query: Readonly<Record<string, string | number | boolean | undefined>>): string {
    const { type, namespace, labelSelector, fieldSelector } = this.#options
    return resourcePath(type, { namespace, query: { labelSelector, fieldSelector, ...query } })
  }

  #accept(metadataOnly: string): string {
    const json = 'application/json'
    return this.#options.form === 'metadata' ? `${json};as=${metadataOnly};g=meta.k8s.io;v=v1` : json
  }
}

const eventTypes = { ADDED: 'added', MODIFIED: 'modified', DELETED: 'deleted' } as const

/** What has no metadata is no object, whatever it may be: then the server speaks another language, and nothing of it counts. */
function wireObjectOf(value: unknown): WireObject {
  try {
    return parseWireObject(value)
  } catch (error) {
    throw new GatewayError('store_unavailable', `the API server sent what is no object: ${messageOf(error)}`)
  }
}

/** What stands in a list beside its items. */
function endOf(value: unknown): Omit<Page<never>, 'items'> {
  const { metadata } = isJsonObject(value) ? value : {}
  if (!isJsonObject(metadata)) throw new GatewayError('store_unavailable', 'the API server sent what is no list')
  const next = metadata.continue
  return { next: typeof next === 'string' ? next : '', resourceVersion: versionOf(metadata) }
}

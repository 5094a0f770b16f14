/** A store whose connection a test can break, slow down or count, in front of a real one. */
import { GatewayError } from '#errors.ts'
import type {
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

export type Operation = 'list' | 'watch' | 'get' | 'create' | 'replace' | 'patchSpec' | 'patchStatus' | 'delete'

export interface FaultyResources extends Resources {
  /** How often it was called, failed calls included. */
  calls(operation: Operation): number
  /** Calls throw `store_unavailable` until the result is disposed. */
  fail(...operations: readonly Operation[]): Disposable
  /** Calls, and events of watches, wait until the result is disposed. */
  hold(...operations: readonly Operation[]): Disposable
  /** Calls are carried out at once, but their answers wait until the result is disposed. */
  holdAnswers(...operations: readonly Operation[]): Disposable
  /** Calls are carried out, and throw `store_unavailable` all the same, until the result is disposed. */
  loseAnswers(...operations: readonly Operation[]): Disposable
}

export function faultyResources(inner: Resources): FaultyResources {
  return new Faulty(inner)
}

class Faulty implements FaultyResources {
  readonly #inner: Resources
  readonly #calls = new Map<Operation, number>()
  readonly #failing = new Set<Operation>()
  readonly #losing = new Set<Operation>()
  readonly #gates = new Map<Operation, Promise<void>>()
  readonly #answerGates = new Map<Operation, Promise<void>>()

  constructor(inner: Resources) {
    this.#inner = inner
  }

  calls(operation: Operation): number {
    return this.#calls.get(operation) ?? 0
  }

  fail(...operations: readonly Operation[]): Disposable {
    for (const operation of operations) this.#failing.add(operation)
    return { [Symbol.dispose]: () => operations.forEach((operation) => void this.#failing.delete(operation)) }
  }

  loseAnswers(...operations: readonly Operation[]): Disposable {
    for (const operation of operations) this.#losing.add(operation)
    return { [Symbol.dispose]: () => operations.forEach((operation) => void this.#losing.delete(operation)) }
  }

  hold(...operations: readonly Operation[]): Disposable {
    return close(this.#gates, operations)
  }

  holdAnswers(...operations: readonly Operation[]): Disposable {
    return close(this.#answerGates, operations)
  }

  async list<T extends Resource>(kind: ResourceKind<T>, options?: { namespace?: string; signal?: AbortSignal }) {
    return this.#through('list', () => this.#inner.list(kind, options))
  }

  async *watch<T extends Resource>(
    kind: ResourceKind<T>,
    options: { namespace?: string; resourceVersion: ResourceVersion; signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    await this.#through('watch', async () => undefined)
    for await (const event of this.#inner.watch(kind, options)) {
      await this.#gates.get('watch')
      if (this.#failing.has('watch')) throw new GatewayError('store_unavailable', 'the watch is broken')
      yield event
    }
  }

  get<T extends Resource>(kind: ResourceKind<T>, name: ObjectName) {
    return this.#through('get', () => this.#inner.get(kind, name))
  }

  create<T extends Resource>(kind: ResourceKind<T>, object: NewResource<T>) {
    return this.#through('create', () => this.#inner.create(kind, object))
  }

  replace<T extends Resource>(kind: ResourceKind<T>, object: T) {
    return this.#through('replace', () => this.#inner.replace(kind, object))
  }

  patchSpec<T extends Resource>(kind: ResourceKind<T>, name: ObjectName, patch: MergePatch, only?: Preconditions) {
    return this.#through('patchSpec', () => this.#inner.patchSpec(kind, name, patch, only))
  }

  patchStatus<T extends Resource>(kind: ResourceKind<T>, name: ObjectName, patch: MergePatch, only?: Preconditions) {
    return this.#through('patchStatus', () => this.#inner.patchStatus(kind, name, patch, only))
  }

  delete<T extends Resource>(kind: ResourceKind<T>, name: ObjectName, preconditions?: Preconditions) {
    return this.#through('delete', () => this.#inner.delete(kind, name, preconditions))
  }

  async #through<R>(operation: Operation, run: () => Promise<R>): Promise<R> {
    this.#calls.set(operation, this.calls(operation) + 1)
    await this.#gates.get(operation)
    if (this.#failing.has(operation)) throw new GatewayError('store_unavailable', `${operation} is broken`)
    const answer = await run()
    await this.#answerGates.get(operation)
    if (this.#losing.has(operation)) throw new GatewayError('store_unavailable', `the answer to ${operation} is lost`)
    return answer
  }
}

function close(gates: Map<Operation, Promise<void>>, operations: readonly Operation[]): Disposable {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const operation of operations) gates.set(operation, promise)
  return {
    [Symbol.dispose]: () => {
      for (const operation of operations) if (gates.get(operation) === promise) gates.delete(operation)
      resolve()
    },
  }
}

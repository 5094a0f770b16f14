/**
 * A source that brings nothing but heartbeats, beside those whose objects count: when it breaks nothing is missing, so that theirs go on. It is
 * resumed a few times; where that does not help nothing more comes from it, until the watches beside it begin anew.
 */
import { once } from 'node:events'
import { hasCode } from '#errors.ts'
import type { Listing, ResourceVersion, WatchEvent } from '#resources/contract.ts'
import type { Followed, Source } from '#resources/source.ts'

/** For each watch of ten seconds at most that it is beside, so that a server that refuses it is not asked without pause. */
const mostTries = 3
const fromNowOn = '' as ResourceVersion

/** Its watch ends with its signal alone. It throws nothing but what its signal says: a right to it that is missing takes no other one's objects along. */
export function pulseOf<T extends Followed>(source: Source<T>): Source<T> {
  return new Pulse(source)
}

class Pulse<T extends Followed> implements Source<T> {
  readonly #source: Source<T>

  constructor(source: Source<T>) {
    this.#source = source
  }

  async list(signal: AbortSignal): Promise<Listing<T>> {
    try {
      return await this.#source.list(signal)
    } catch (error) {
      if (signal.aborted) throw error
      // Nothing that counts is in it, so nothing is missing. Its watch begins with what comes from now on, as a server reads an empty version.
      return { items: [], resourceVersion: fromNowOn }
    }
  }

  async *watch(resourceVersion: ResourceVersion, signal: AbortSignal): AsyncGenerator<WatchEvent<T>, void, void> {
    let version = resourceVersion
    for (let tries = 0; tries < mostTries && !signal.aborted; tries += 1) {
      try {
        for await (const event of this.#source.watch(version, signal)) {
          version = 'object' in event ? event.object.metadata.resourceVersion : event.resourceVersion
          yield event
        }
      } catch (error) {
        // Whoever waits for heartbeats notices that none comes.
        version = resumable(version, error)
      }
    }
    if (!signal.aborted) await once(signal, 'abort')
  }
}

/** A version that is too old stays so, and of heartbeats that are past nobody wants to hear. */
function resumable(version: ResourceVersion, error: unknown): ResourceVersion {
  return hasCode(error, 'expired_version') ? fromNowOn : version
}

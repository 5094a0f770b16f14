/** What carried requests and streams say of their workspaces, where they count: hands on to the record of activity what it needs of them, and nothing else. */
import type { AnsweredRequest } from '#activity/http-activity.ts'
import type { Onlooker } from '#activity/onlooker.ts'
import type { ActivityRecorder } from '#activity/recorder.ts'
import { sight } from '#activity/sight.ts'
import type { SocketActivity } from '#activity/socket-activity.ts'
import { valuesOf } from '#http/accept-key.ts'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Pass } from './passes.ts'
import { type TunnelSights, tunnelSights } from './tunnel-sights.ts'
import type { Visit } from './visit.ts'

const upload = sight('busy', 'transfer:upload')
const download = sight('busy', 'transfer:download')
/** Bytes between two looks. What goes slower is no file, but news that drips, such as a log. */
const leastDownload = 16_384

/** Of a stream that is open. */
export interface Presence {
  /** It is closed. Once. */
  end(): void
}

/** Throws nothing: whoever tells it of something carries out what others wait for. */
export class Sightings {
  readonly #recorder: ActivityRecorder
  readonly #log: Pick<Log, 'warnOfMany'>

  constructor(recorder: ActivityRecorder, log: Pick<Log, 'warnOfMany'>) {
    this.#recorder = recorder
    this.#log = log
  }

  /** A request was answered with this status, or not at all: 0. */
  answered(visit: Visit, pass: Pass, status: number): void {
    // Not by `note`: every request comes by, and is to make no function.
    try {
      this.#onlookerOf(pass)?.answered(pass.profile, requestOf(visit, status))
    } catch (error) {
      this.#lost(error)
    }
  }

  /** A request is not answered yet, and has been under way for some time. */
  waiting(visit: Visit, pass: Pass): void {
    this.#note(() => this.#onlookerOf(pass)?.waiting(pass.profile, requestOf(visit, 0)))
  }

  /** A body that is under way for long has moved on. */
  moved(pass: Pass, direction: 'upload' | 'download', bytes: number): void {
    if (direction === 'download' && bytes < leastDownload) return
    this.#note(() => this.#onlookerOf(pass)?.saw(direction === 'upload' ? upload : download))
  }

  /** An answer turned out to be a stream of events. To be told of its end. */
  entered(pass: Pass): Presence | undefined {
    return this.#note(() => {
      const onlooker = this.#onlookerOf(pass)
      if (!onlooker) return undefined
      onlooker.enter()
      return { end: () => this.#note(() => onlooker.leave()) }
    })
  }

  /** A WebSocket was opened. `headers`: of the 101. To be told what passes. */
  opened(visit: Visit, pass: Pass, headers: readonly string[]): SocketActivity | undefined {
    return this.#note(() => {
      const [protocol] = valuesOf(headers, 'sec-websocket-protocol')
      return this.#onlookerOf(pass)?.opened({ profile: pass.profile, path: pathOf(visit), protocol })
    })
  }

  /** One that was opened is closed. Once. */
  closed(socket: SocketActivity): void {
    this.#note(() => socket.end())
  }

  /** A tunnel was opened. To be told what passes. */
  tunnelled(pass: Pass, clock: Clock): TunnelSights | undefined {
    return this.#note(() => {
      const onlooker = this.#onlookerOf(pass)
      if (!onlooker) return undefined
      const sights = tunnelSights(onlooker, pass.connectionType, clock)
      return {
        observe: (from, bytes) => this.#note(() => sights.observe(from, bytes)),
        look: () => this.#note(() => sights.look()),
        end: () => this.#note(() => sights.end()),
      }
    })
  }

  /** Nobody looks at what says nothing of who works. */
  #onlookerOf({ entry, session, isActivity }: Pass): Onlooker | undefined {
    if (!isActivity) return undefined
    const { ref, uid } = entry
    return this.#recorder.onlookerOf({ namespace: ref.namespace, name: ref.name, uid }, session.identity.username)
  }

  #note<Result>(note: () => Result): Result | undefined {
    try {
      return note()
    } catch (error) {
      this.#lost(error)
      return undefined
    }
  }

  /** A fault costs what was to be noted: no request, and no process with all that is live in it, is to end for it. */
  #lost(error: unknown): void {
    this.#log.warnOfMany({ component: 'activity', reason: 'fault', error }, 'what was seen could not be noted')
  }
}

function requestOf({ request, head, place }: Visit, status: number): AnsweredRequest {
  const { secFetchMode, secFetchDest, secFetchUser } = head
  return {
    method: request.method ?? '',
    rest: place.rest,
    query: place.query,
    status,
    mode: secFetchMode,
    destination: secFetchDest,
    isGesture: secFetchUser === '?1',
  }
}

function pathOf({ place }: Visit): string {
  return `/${place.rest}${place.query}`
}

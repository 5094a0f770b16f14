/** What carried requests and streams say of their workspaces: hands on to the record of activity what it needs of them, and nothing else. */
import type { Onlooker } from '#activity/onlooker.ts'
import type { ActivityRecorder } from '#activity/recorder.ts'
import { sight } from '#activity/sight.ts'
import type { SocketActivity } from '#activity/socket-activity.ts'
import type { Log } from '#observe/log.ts'
import { valuesOf } from '#proxy/accept-key.ts'
import type { Pass } from './passes.ts'
import type { Visit } from './visit.ts'

const upload = sight('busy', 'transfer:upload')
const download = sight('busy', 'transfer:download')
/** Bytes between two looks. What goes slower is no file, but news that drips, such as a log. */
const leastDownload = 16_384

export class Sightings {
  readonly #recorder: ActivityRecorder
  readonly #log: Pick<Log, 'warnOfMany'>

  constructor(recorder: ActivityRecorder, log: Pick<Log, 'warnOfMany'>) {
    this.#recorder = recorder
    this.#log = log
  }

  /** A request was answered with this status, or not at all: 0. */
  answered(visit: Visit, pass: Pass, status: number): void {
    try {
      this.#answered(visit, pass, status)
    } catch (error) {
      // Nobody waits for it: the request is over, and no other one is to end for it.
      this.#log.warnOfMany({ component: 'activity', reason: 'fault', error }, 'an answered request could not be noted')
    }
  }

  #answered(visit: Visit, pass: Pass, status: number): void {
    const { secFetchMode, secFetchDest, secFetchUser } = visit.head
    const { rest, query } = visit.place
    onlookerOf(this.#recorder, pass).answered(pass.profile, {
      method: visit.request.method ?? '',
      rest,
      query,
      status,
      mode: secFetchMode,
      destination: secFetchDest,
      isGesture: secFetchUser === '?1',
    })
  }

  /** A body that is under way for long has moved on. */
  moved(pass: Pass, direction: 'upload' | 'download', bytes: number): void {
    if (direction === 'download' && bytes < leastDownload) return
    onlookerOf(this.#recorder, pass).saw(direction === 'upload' ? upload : download)
  }

  /** An answer turned out to be a stream of events. To be left once, when it ends. */
  entered(pass: Pass): Pick<Onlooker, 'leave'> {
    const onlooker = onlookerOf(this.#recorder, pass)
    onlooker.enter()
    return onlooker
  }

  /** A WebSocket was opened. `headers`: of the 101. To be told what passes, and its end. */
  opened(visit: Visit, pass: Pass, headers: readonly string[]): SocketActivity {
    const [protocol] = valuesOf(headers, 'sec-websocket-protocol')
    return onlookerOf(this.#recorder, pass).opened({ profile: pass.profile, path: pathOf(visit), protocol })
  }
}

function pathOf({ place }: Visit): string {
  return `/${place.rest}${place.query}`
}

function onlookerOf(recorder: ActivityRecorder, { entry, session }: Pass): Onlooker {
  const { ref, uid } = entry
  return recorder.onlookerOf({ namespace: ref.namespace, name: ref.name, uid }, session.identity.username)
}

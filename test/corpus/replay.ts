/** Plays a tape to what looks at traffic, as a gateway does it, and says what that made of it. */
import { setImmediate } from 'node:timers/promises'
import { type Inflater, InflaterPool } from '#activity/inflater.ts'
import type { Onlooker } from '#activity/onlooker.ts'
import { ActivityRecorder } from '#activity/recorder.ts'
import type { SocketActivity } from '#activity/socket-activity.ts'
import type { Clock } from '#lib/clock.ts'
import { compressed } from '#test/support/editor-messages.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { frameBytes } from '#test/support/websocket-frames.ts'
import { bytesOf, type Tape, type TapeEvent, type TapeMessage } from './tape.ts'

export interface Verdict {
  /** Somebody did something. */
  readonly person: boolean
  /** Something ran. */
  readonly work: boolean
  /** There was something that can't be told, and nothing that can. */
  readonly unknown: boolean
  /** Of all that was seen, for people. */
  readonly sources: readonly string[]
}

export interface ReplayOptions {
  /** Bytes of a chunk; a message at once where absent. */
  readonly chunk?: number
}

const workspace = { namespace: 'team', name: 'nb', uid: 'u1' }
const mask = 0x01_fe_7f_80
const began = 100_000
/** The page of an interaction was there before it, at rest. */
const loadedBefore = 90_000

export async function replay(tape: Tape, options: ReplayOptions = {}): Promise<Verdict> {
  const clock = fakeClock(began - loadedBefore)
  const until = (at: number) => clock.advance(Math.max(0, at - clock.now()))
  const player = new Player(tape, { clock, compress: await compressionOf(tape), ...options })
  player.loads()
  await until(began - 1)
  for (const message of tape.earlier) await player.play({ kind: 'message', ...message })
  await until(began)
  for (const event of tape.events) {
    await until(began + event.at)
    await player.play(event)
  }
  await until(began + tape.lasted)
  return player.end()
}

interface PlayerParts extends ReplayOptions {
  readonly clock: Clock
  readonly compress: Compress
}

class Player {
  readonly #tape: Tape
  readonly #parts: PlayerParts
  readonly #inflaters = new WatchedPool()
  readonly #recorder: ActivityRecorder
  readonly #onlooker: Onlooker
  readonly #open = new Map<number, SocketActivity>()
  readonly #sources = new Set<string>()

  constructor(tape: Tape, parts: PlayerParts) {
    this.#tape = tape
    this.#parts = parts
    this.#recorder = new ActivityRecorder({ clock: parts.clock, inflaters: this.#inflaters })
    this.#onlooker = this.#recorder.onlookerOf(workspace, 'alice')
    this.#listen()
    const openedLater = new Set(tape.events.flatMap((event) => (event.kind === 'open' ? [event.socket] : [])))
    for (const index of tape.sockets.keys()) if (!openedLater.has(index)) this.#opens(index)
  }

  /** Somebody opens the page. */
  loads(): void {
    this.#onlooker.answered(this.#tape.app, {
      ...{ method: 'GET', rest: '', query: '', status: 200 },
      ...{ mode: 'navigate', destination: 'document', isGesture: true },
    })
    this.#sources.clear()
  }

  async play(event: TapeEvent): Promise<void> {
    switch (event.kind) {
      case 'request':
        return this.#onlooker.answered(this.#tape.app, event.request)
      case 'open':
        return this.#opens(event.socket)
      case 'close':
        this.#open.get(event.socket)?.end()
        this.#open.delete(event.socket)
        return
      case 'message':
        return this.#says(event)
    }
  }

  end(): Verdict {
    const { interactive, busy, unknown } = this.#recorder.clocksOf(workspace.uid)
    const [person, work, isUnclear] = [interactive, busy, unknown].map((one) => one !== undefined && one.at >= began)
    for (const activity of this.#open.values()) activity.end()
    return {
      ...{ person: person === true, work: work === true },
      unknown: isUnclear === true && !person && !work,
      sources: [...this.#sources],
    }
  }

  #listen(): void {
    const saw = this.#onlooker.saw.bind(this.#onlooker)
    this.#onlooker.saw = (seen) => {
      if (seen.class !== 'background') this.#sources.add(`${seen.class} ${seen.source}`)
      saw(seen)
    }
  }

  #opens(index: number): void {
    const { path = '', protocol } = this.#tape.sockets[index] ?? {}
    this.#open.set(index, this.#onlooker.opened({ profile: this.#tape.app, path, protocol }))
  }

  async #says(message: TapeMessage & TapeEvent): Promise<void> {
    const { compress, chunk } = this.#parts
    const bytes = frameOf(message, compress.get(message))
    const step = chunk ?? bytes.length
    for (let at = 0; at < bytes.length; at += step) {
      this.#open.get(message.socket)?.observe(message.from, bytes.subarray(at, at + step))
    }
    while (!this.#inflaters.isIdle) await setImmediate()
  }
}

type Compress = ReadonlyMap<TapeEvent, Buffer>

/** Each socket compresses what it says with all that it said before. */
async function compressionOf({ sockets, events }: Tape): Promise<Compress> {
  const made = new Map<TapeEvent, Buffer>()
  for (const socket of sockets.keys()) {
    const messages = events.flatMap((event) => {
      const isOne = event.kind === 'message' && event.socket === socket && event.from === 'client' && event.isCompressed
      return isOne ? [event] : []
    })
    const payloads = await compressed(messages.map(({ payload, opcode }) => bytesOf(payload, opcode)))
    for (const [index, message] of messages.entries()) made.set(message, payloads[index] ?? Buffer.alloc(0))
  }
  return made
}

/** `small`: its payload as it is sent where it is compressed. */
function frameOf(message: TapeMessage, small: Buffer | undefined): Buffer {
  const { opcode, payload, from } = message
  const isCompressed = message.isCompressed === true
  return frameBytes({
    ...{ opcode, isCompressed, payload: small ?? bytesOf(payload, opcode) },
    mask: from === 'client' ? mask : undefined,
  })
}

/** Knows whether all that was written has been read. */
class WatchedPool extends InflaterPool {
  readonly #lent: Inflater[] = []

  get isIdle(): boolean {
    return this.#lent.every((inflater) => inflater.isIdle)
  }

  override take(...given: Parameters<InflaterPool['take']>): Inflater | undefined {
    const inflater = super.take(...given)
    if (inflater) this.#lent.push(inflater)
    return inflater
  }
}

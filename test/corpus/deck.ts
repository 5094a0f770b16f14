/** Listens to what a gateway tells its record of activity, and keeps it while an interaction is recorded. */
import type { AnsweredRequest } from '#activity/http-activity.ts'
import type { ActivityRecorder } from '#activity/recorder.ts'
import type { SocketActivity, WatchedSocket } from '#activity/socket-activity.ts'
import { FrameTap, type HeardMessage, WholeInflater } from './frame-tap.ts'
import type { Label } from './labels.ts'
import type { Redaction } from './redaction.ts'
import { payloadOf, type Tape, type TapeEvent, type TapeMessage, type TapeSocket } from './tape.ts'

type Side = TapeMessage['from']
type Ranges = readonly (readonly [number, number])[]

/** One socket for as long as it is open. */
interface Track {
  readonly watched: WatchedSocket
  readonly inflater: WholeInflater
  readonly editor: EditorHeads
  /** What was said of its kernel since that began to work. */
  earlier: Heard[]
  /** What is being read. */
  reading: Promise<void>
}

interface Heard {
  readonly track: Track
  readonly at: number
  readonly from: Side
  readonly message: HeardMessage
  /** Once it has been read. */
  told: Pick<TapeMessage, 'payload'> | 'not-whole' | undefined
}

type DeckEvent =
  | { readonly kind: 'request'; readonly at: number; readonly request: AnsweredRequest }
  | { readonly kind: 'open' | 'close'; readonly at: number; readonly track: Track }
  | { readonly kind: 'message'; readonly heard: Heard }

export class Deck {
  readonly #redact: Redaction
  readonly #tracks = new Map<SocketActivity, Track>()
  #events: DeckEvent[] = []
  #isRecording = false

  constructor(redact: Redaction) {
    this.#redact = redact
  }

  async record(label: Label, doIt: () => Promise<void>): Promise<Tape> {
    const before = [...this.#tracks.values()]
    await Promise.all(before.map(({ reading }) => reading))
    const earlier = before.flatMap((track) => track.earlier)
    const began = Date.now()
    this.#events = []
    this.#isRecording = true
    try {
      await doIt()
    } finally {
      this.#isRecording = false
    }
    const lasted = Date.now() - began
    await Promise.all([...this.#tracks.values()].map(({ reading }) => reading))
    return this.#tapeOf(label, { before, earlier, began, lasted })
  }

  /** To be called for everybody who looks at a workspace. */
  listenTo(onlooker: ReturnType<ActivityRecorder['onlookerOf']>): void {
    const answered = onlooker.answered.bind(onlooker)
    onlooker.answered = (profile, request) => {
      this.#note({ kind: 'request', at: Date.now(), request })
      answered(profile, request)
    }
    const opened = onlooker.opened.bind(onlooker)
    onlooker.opened = (watched) => {
      const activity = opened(watched)
      this.#opened(activity, watched)
      return activity
    }
  }

  #opened(activity: SocketActivity, watched: WatchedSocket): void {
    const nothing = { earlier: [], reading: Promise.resolve() }
    const track: Track = { watched, inflater: new WholeInflater(), editor: new EditorHeads(), ...nothing }
    this.#tracks.set(activity, track)
    this.#note({ kind: 'open', at: Date.now(), track })
    const taps = {
      client: new FrameTap((message) => this.#heard(track, 'client', message)),
      upstream: new FrameTap((message) => this.#heard(track, 'upstream', message)),
    }
    const observe = activity.observe.bind(activity)
    activity.observe = (from, chunk) => {
      taps[from].write(chunk)
      observe(from, chunk)
    }
    const end = activity.end.bind(activity)
    activity.end = () => {
      this.#tracks.delete(activity)
      this.#note({ kind: 'close', at: Date.now(), track })
      end()
    }
  }

  #heard(track: Track, from: Side, message: HeardMessage): void {
    const heard: Heard = { track, at: Date.now(), from, message, told: undefined }
    this.#note({ kind: 'message', heard })
    keepStateOfKernel(track, heard)
    track.reading = track.reading.then(async () => {
      heard.told = await this.#read(heard)
    })
  }

  async #read({ track, from, message }: Heard): Promise<Heard['told']> {
    const { opcode, isCompressed, payload } = message
    if (opcode >= 8) return { payload: payloadOf(payload, 2, []) }
    const isRead = from === 'client' || track.watched.profile === 'jupyterlab'
    if (!isRead) return { payload: [payload.length] }
    const bytes = isCompressed ? await track.inflater.inflate(payload) : payload
    const isEditor = track.watched.profile === 'code-editor'
    const isWhole = !isEditor || track.editor.isAtRest
    const shown = isEditor ? track.editor.shownOf(bytes) : headOf(track.watched.path, bytes)
    return isWhole ? { payload: payloadOf(this.#redact(bytes), opcode, shown) } : 'not-whole'
  }

  #note(event: DeckEvent): void {
    if (this.#isRecording) this.#events.push(event)
  }

  #tapeOf(
    label: Label,
    run: { before: readonly Track[]; earlier: readonly Heard[]; began: number; lasted: number },
  ): Tape {
    const { before, earlier, began, lasted } = run
    const spoken = new Set(this.#events.map((event) => (event.kind === 'message' ? event.heard.track : undefined)))
    const opened = this.#events.flatMap((event) => (event.kind === 'open' ? [event.track] : []))
    const isMeant = (track: Track) => spoken.has(track) || earlier.some((heard) => heard.track === track)
    const tracks = [...before.filter(isMeant), ...opened]
    const text = (value: string) => this.#redact(Buffer.from(value)).toString()
    const socketOf = ({ watched: { path, protocol } }: Track): TapeSocket => ({
      path: text(path),
      ...(protocol === undefined ? {} : { protocol }),
    })
    const begun = new Set<Track>()
    const events = this.#events.flatMap((event): readonly TapeEvent[] => {
      if (event.kind === 'request') {
        const { rest, query } = event.request
        return [{ ...event, at: event.at - began, request: { ...event.request, rest: text(rest), query: text(query) } }]
      }
      if (event.kind !== 'message') {
        const socket = tracks.indexOf(event.track)
        return socket === -1 ? [] : [{ kind: event.kind, at: event.at - began, socket }]
      }
      const { heard } = event
      // Of a message that began before, nobody could make anything.
      if (heard.told === 'not-whole' && heard.from === 'client' && !begun.has(heard.track)) return []
      begun.add(heard.track)
      return [{ kind: 'message', ...messageOf(heard, tracks, began) }]
    })
    const { app, name, person, work, isHeldOut } = label
    return {
      ...{ app, name, person, work, isHeldOut, lasted, sockets: tracks.map(socketOf) },
      earlier: earlier.map((heard) => messageOf(heard, tracks, began)),
      events,
    }
  }
}

function messageOf({ track, at, from, message, told }: Heard, tracks: readonly Track[], began: number): TapeMessage {
  const { opcode, isCompressed, payload } = message
  return {
    ...{ at: Math.max(at - began, -1), socket: tracks.indexOf(track), from, opcode },
    ...(isCompressed ? { isCompressed } : {}),
    size: payload.length,
    payload: typeof told === 'object' ? told.payload : [payload.length],
  }
}

/** From the beginning of a kernel's work to its end. */
function keepStateOfKernel(track: Track, heard: Heard): void {
  if (heard.from === 'client' || !/^\/api\/kernels\//.test(track.watched.path)) return
  const text = heard.message.payload.subarray(0, 2_048).toString('latin1')
  const isOfRun = /"execution_state": ?"busy"/.test(text) && /"msg_type": ?"execute_request"/.test(text)
  if (isOfRun) track.earlier = [heard]
  else if (/"msg_type": ?"input_request"/.test(text)) track.earlier.push(heard)
  else if (/"execution_state": ?"idle"/.test(text) && /"msg_type": ?"execute_request"/.test(text)) track.earlier = []
}

/** As much as is looked at. */
function headOf(path: string, { length }: Buffer): Ranges {
  const most = /^\/api\/kernels\//.test(path) ? 2_048 : 256
  return [[0, Math.min(length, most)]]
}

/** Where in the bytes of a workbench's stream the headers of its messages are, and the beginnings of their bodies. */
class EditorHeads {
  #at = 0
  #bodyAt = 0
  #length = 0

  get isAtRest(): boolean {
    return this.#at === 0
  }

  shownOf(bytes: Buffer): Ranges {
    const shown: [number, number][] = []
    for (let index = 0; index < bytes.length; index++) {
      if (!this.#isShown(bytes[index] ?? 0)) continue
      const last = shown.at(-1)
      if (last?.[1] === index) last[1] = index + 1
      else shown.push([index, index + 1])
    }
    return shown
  }

  #isShown(byte: number): boolean {
    if (this.#at < 13) {
      this.#length = this.#at < 9 ? 0 : this.#length * 256 + byte
      this.#at += 1
      this.#bodyAt = 0
      if (this.#at === 13 && this.#length === 0) this.#at = 0
      return true
    }
    this.#bodyAt += 1
    if (this.#bodyAt === this.#length) this.#at = 0
    return this.#bodyAt <= 512
  }
}

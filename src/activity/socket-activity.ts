/**
 * What passes through a WebSocket, by what it is for. Watches both directions without holding a byte back: pings, polls and whatever a server
 * sends are nobody's doing, and a message that can't be understood counts as unknown. There are thousands that say nothing for hours, so one holds
 * a few words; what it needs to read a message it makes when that begins.
 */
import { collaborationHead, collaborationSight } from './collaboration-message.ts'
import { EditorSocket } from './editor-socket.ts'
import type { InflaterPool } from './inflater.ts'
import { type KernelSight, kernelHead, kernelProtocol, kernelReplySight, kernelRequestSight } from './kernel-message.ts'
import { languageServerHead, languageServerSight } from './language-server-message.ts'
import { type MessageHead, MessageHeads } from './message-heads.ts'
import type { AppProfile } from './profile.ts'
import { type Sight, sight } from './sight.ts'
import { terminalHead, terminalInputSight, terminalOutputSight } from './terminal-message.ts'

export interface WatchedSocket {
  readonly profile: AppProfile
  /** Behind the public prefix. */
  readonly path: string
  /** Sec-WebSocket-Protocol of the 101. */
  readonly protocol: string | undefined
}

export type SocketSight = Sight & Pick<KernelSight, 'kernel'>

/** Hears of many sockets, which therefore need not say to whom they talk. */
export interface SocketListener {
  readonly inflaters: InflaterPool
  seen(seen: SocketSight, socket: SocketActivity): void
  closed(socket: SocketActivity): void
}

type Classify = (message: MessageHead) => SocketSight

/** How one direction is read: by the heads of its messages, or as the protocol of VS Code. */
type Reading =
  | {
      readonly kind: 'heads'
      /** Bytes of a message that are looked at. */
      readonly head: number
      readonly classify: Classify
    }
  | { readonly kind: 'editor'; readonly isFramed: boolean }

interface Kind {
  readonly path: RegExp
  /** Of the query; any if absent. */
  readonly query?: RegExp
  /** Any if absent. */
  readonly protocol?: string
  readonly isKernel?: boolean
  readonly fromClient: Reading
  /** Absent: a server's word counts for nothing, and is not read. */
  readonly fromServer?: Reading
}

function byHeads(head: number, classify: Classify): Reading {
  return { kind: 'heads', head, classify }
}

const everyPath = /^/
const unreadable = byHeads(0, () => sight('unknown', 'socket:message'))

function kernels(protocol: string | undefined): Kind {
  return {
    path: /^\/api\/kernels\/[^/]+\/channels$/,
    ...(protocol === undefined ? {} : { protocol }),
    isKernel: true,
    fromClient: byHeads(kernelHead, ({ head, isText }) => kernelRequestSight({ head, isText, protocol })),
    fromServer: byHeads(kernelHead, ({ head, isText }) => kernelReplySight({ head, isText, protocol })),
  }
}

const jupyterlab: readonly Kind[] = [
  kernels(kernelProtocol),
  kernels(undefined),
  {
    path: /^\/terminals\/websocket\/[^/]+$/,
    fromClient: byHeads(terminalHead, ({ head, isWhole }) => terminalInputSight(head, isWhole)),
    fromServer: byHeads(terminalHead, ({ head }) => terminalOutputSight(head)),
  },
  {
    path: /^\/api\/collaboration\/room\//,
    fromClient: byHeads(collaborationHead, ({ head }) => collaborationSight(head)),
  },
  { path: /^\/lsp\/ws\//, fromClient: byHeads(languageServerHead, ({ head }) => languageServerSight(head)) },
  { path: /^\/api\/events\/subscribe$/, fromClient: byHeads(0, () => sight('background', 'events')) },
]

/** The workbench connects to its own paths; what is behind `/proxy/` is another app. */
const codeEditor: readonly Kind[] = [
  { path: /^\/(?:abs)?proxy\//, fromClient: unreadable },
  { path: everyPath, query: /[?&]skipWebSocketFrames=true(?:&|$)/, fromClient: { kind: 'editor', isFramed: false } },
  { path: everyPath, query: /[?&]reconnectionToken=/, fromClient: { kind: 'editor', isFramed: true } },
]

/** A page runs the app again for whatever is done in it, but some by a timer. */
const streamlit: readonly Kind[] = [
  { path: /^\/_stcore\/stream$/, fromClient: byHeads(0, () => sight('unknown', 'streamlit:rerun')) },
]

const kinds: Readonly<Record<AppProfile, readonly Kind[]>> = {
  jupyterlab,
  'code-editor': codeEditor,
  rstudio: [],
  streamlit,
  generic: [],
}

const unknownKind: Kind = { path: everyPath, fromClient: unreadable }
const compressed = sight('unknown', 'socket:compressed')
const strange = sight('unknown', 'socket:bytes')

function kindOf({ profile, path, protocol }: WatchedSocket, plain: string): Kind {
  const isIt = (kind: Kind) =>
    kind.path.test(plain) &&
    (kind.query?.test(path) ?? true) &&
    (kind.protocol === undefined || kind.protocol === protocol)
  return kinds[profile].find(isIt) ?? unknownKind
}

interface Watch {
  readonly isAtRest: boolean
  readonly isLost: boolean
  advance(chunk: Buffer): void
  end?(): void
}

/** Has public methods alone: private ones cost a word of each object. */
export class SocketActivity {
  /** Tells its path from others, such as that of its kernel; by accident two may be equal. */
  readonly pathHash: number
  readonly #kind: Kind
  readonly #listener: SocketListener
  /** Absent between messages. */
  #watches: Watches | undefined

  constructor(socket: WatchedSocket, listener: SocketListener) {
    const { path } = socket
    const query = path.indexOf('?')
    const plain = query === -1 ? path : path.slice(0, query)
    this.pathHash = hashOf(plain)
    this.#kind = kindOf(socket, plain)
    this.#listener = listener
  }

  /** Is it one of a kernel? */
  get isOfKernel(): boolean {
    return this.#kind.isKernel === true
  }

  /** Bytes that pass, from the first one behind the 101 on. */
  observe(from: Side, chunk: Buffer): void {
    const reading = from === 'client' ? this.#kind.fromClient : this.#kind.fromServer
    if (!reading) return
    const glanced = this.#watches ? undefined : atAGlance(reading, chunk)
    if (glanced !== undefined) {
      if (glanced !== 'control') this.#listener.seen(glanced, this)
      return
    }
    const watch = this.#watches?.[from] ?? watchBy(reading, this.#listener, this)
    if (watch.isLost) {
      // Not frames, or none that keep to the rules: something is said, and nobody knows what.
      if (from === 'client') this.#listener.seen(strange, this)
    } else watch.advance(chunk)
    this.#watches = kept(this.#watches, from, watch)
  }

  /** It is closed. Once. */
  end(): void {
    this.#watches?.client?.end?.()
    this.#watches = undefined
    this.#listener.closed(this)
  }
}

const firstControl = 0x8
/** All that need be known of a message of which nothing is looked at. */
const bare: MessageHead = { head: Buffer.alloc(0), isWhole: false, isText: false, isCompressed: false }

/** What a chunk says in which nothing need be looked at; `undefined` where it has to be read. */
function atAGlance(reading: Reading, chunk: Buffer): SocketSight | 'control' | undefined {
  if (reading.kind !== 'heads' || reading.head !== 0 || !isWholeFrame(chunk)) return undefined
  return ((chunk[0] ?? 0) & 0x0f) < firstControl ? reading.classify(bare) : 'control'
}

/** One frame and nothing else, which is a message, a ping or a pong, neither compressed nor long: most of what passes. */
function isWholeFrame(chunk: Buffer): boolean {
  const first = chunk[0] ?? 0
  const second = chunk[1] ?? 0
  const length = second & 0x7f
  if (!wholeFrames.has(first) || length === 127 || chunk.length < 4) return false
  const isShort = length < 126
  const header = (isShort ? 2 : 4) + ((second & 0x80) === 0 ? 0 : 4)
  return chunk.length === header + (isShort ? length : chunk.readUInt16BE(2))
}

/** First bytes: final, without extensions; text, binary, ping, pong. */
const wholeFrames: ReadonlySet<number> = new Set([0x81, 0x82, 0x89, 0x8a])

type Side = 'client' | 'upstream'

interface Watches {
  client: Watch | undefined
  upstream: Watch | undefined
}

function watchBy(reading: Reading, listener: SocketListener, socket: SocketActivity): Watch {
  if (reading.kind === 'editor') {
    return new EditorSocket(reading.isFramed, listener.inflaters, (seen) => listener.seen(seen, socket))
  }
  const { head, classify } = reading
  return new MessageHeads(head, (message) =>
    listener.seen(message.isCompressed ? compressed : classify(message), socket),
  )
}

function kept(watches: Watches | undefined, from: Side, watch: Watch): Watches | undefined {
  if (!watches && watch.isAtRest) return undefined
  const now = watches ?? { client: undefined, upstream: undefined }
  now[from] = watch.isAtRest ? undefined : watch
  return now.client || now.upstream ? now : undefined
}

/** FNV-1a, in 31 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 1
}

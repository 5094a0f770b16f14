/**
 * What passes through a WebSocket, by what it is for. Watches both directions without holding a byte back: pings, polls and whatever a server
 * sends are nobody's doing, and a message that can't be understood counts as unknown.
 */
import { collaborationHead, collaborationSight } from './collaboration-message.ts'
import { type KernelSight, kernelHead, kernelReplySight, kernelRequestSight } from './kernel-message.ts'
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

type Classify = (message: MessageHead, protocol: string | undefined) => SocketSight

/** How one direction is read. */
interface Reading {
  /** Bytes of a message that are looked at. */
  readonly head: number
  readonly classify: Classify
}

interface Kind {
  readonly path: RegExp
  readonly fromClient: Reading
  /** Absent: a server's word counts for nothing, and is not read. */
  readonly fromServer?: Reading
}

const jupyterlab: readonly Kind[] = [
  {
    path: /^\/api\/kernels\/[^/]+\/channels$/,
    fromClient: { head: kernelHead, classify: (message, protocol) => kernelRequestSight({ ...message, protocol }) },
    fromServer: { head: kernelHead, classify: (message, protocol) => kernelReplySight({ ...message, protocol }) },
  },
  {
    path: /^\/terminals\/websocket\/[^/]+$/,
    fromClient: { head: terminalHead, classify: ({ head, isWhole }) => terminalInputSight(head, isWhole) },
    fromServer: { head: terminalHead, classify: ({ head }) => terminalOutputSight(head) },
  },
  {
    path: /^\/api\/collaboration\/room\//,
    fromClient: { head: collaborationHead, classify: ({ head }) => collaborationSight(head) },
  },
  { path: /^\/lsp\/ws\//, fromClient: { head: languageServerHead, classify: ({ head }) => languageServerSight(head) } },
  { path: /^\/api\/events\/subscribe$/, fromClient: { head: 0, classify: () => sight('background', 'events') } },
]

const kinds: Readonly<Partial<Record<AppProfile, readonly Kind[]>>> = { jupyterlab }

const unreadable: Reading = { head: 0, classify: () => sight('unknown', 'socket:message') }

export class SocketActivity {
  readonly #protocol: string | undefined
  readonly #kind: Kind | undefined
  readonly #onSight: (seen: SocketSight) => void
  /** Absent between messages: thousands of sockets say nothing for hours. */
  #fromClient: MessageHeads | undefined
  #fromServer: MessageHeads | undefined

  constructor({ profile, path, protocol }: WatchedSocket, onSight: (seen: SocketSight) => void) {
    const [plain = ''] = path.split('?', 1)
    this.#protocol = protocol
    this.#kind = kinds[profile]?.find((kind) => kind.path.test(plain))
    this.#onSight = onSight
  }

  /** Bytes that pass, from the first one behind the 101 on. */
  observe(from: 'client' | 'upstream', chunk: Buffer): void {
    if (from === 'client')
      this.#fromClient = this.#advance(this.#fromClient, this.#kind?.fromClient ?? unreadable, chunk)
    else if (this.#kind?.fromServer) this.#fromServer = this.#advance(this.#fromServer, this.#kind.fromServer, chunk)
  }

  #advance(present: MessageHeads | undefined, reading: Reading, chunk: Buffer): MessageHeads | undefined {
    if (present?.isLost) {
      // Not frames, or none that keep to the rules: something is said, and nobody knows what.
      this.#onSight(sight('unknown', 'socket:bytes'))
      return present
    }
    const heads =
      present ?? new MessageHeads(reading.head, (message) => this.#onSight(this.#classify(message, reading)))
    heads.advance(chunk)
    return heads.isAtRest ? undefined : heads
  }

  #classify(message: MessageHead, { classify }: Reading): SocketSight {
    return message.isCompressed ? sight('unknown', 'socket:compressed') : classify(message, this.#protocol)
  }
}

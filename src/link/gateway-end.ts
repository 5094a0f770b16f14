/** The end of a link that opens streams: a gateway's. Whatever the other end says beyond the protocol ends the link, and nothing but this link. */
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import { type HoldAim, type HoldWish, type HoldWords, StreamGone } from '#resume/hold.ts'
import { LinkFault, mostStreams, type Refusal, readFrame } from './frames.ts'
import { type LinkWire, StreamTable } from './stream-table.ts'

/** One end of a link, as what carries its frames sees it. */
export interface LinkEnd {
  /** Throws {@link LinkFault}. */
  receive(message: Buffer): void
  /** There is room on the wire again. */
  onRoom(): void
  /** The wire is gone. */
  onGone(): void
}

interface Opening {
  /** As it was said. */
  readonly hold: HoldWish | undefined
  readonly settle: () => void
  readonly resolve: (stream: Duplex) => void
  readonly reject: (error: unknown) => void
}

const gone = 'the link to the agent broke'
const lastNumber = 2 ** 32 - 1

export class GatewayEnd implements LinkEnd {
  readonly #table: StreamTable
  readonly #opening = new Map<number, Opening>()
  readonly #canHold: boolean
  #isGone = false

  /** `canHold`: the agent knows of connections that outlive their streams. */
  constructor(wire: LinkWire, canHold = false) {
    this.#table = new StreamTable(wire)
    this.#canHold = canHold
  }

  /** Streams, those that are being opened included. */
  get size(): number {
    return this.#table.size + this.#opening.size
  }

  /** Nothing that was not opened yet has got to the agent, or will. */
  get isGone(): boolean {
    return this.#isGone
  }

  get hasRoom(): boolean {
    return !this.#isGone && this.size < mostStreams && this.#table.lastId < lastNumber
  }

  /** A connection to that port of the pod's loopback. Throws `upstream_unreachable`, because of {@link StreamGone} where none is held. */
  open(port: number, signal: AbortSignal, wish?: HoldWish): Promise<Duplex> {
    if (signal.aborted) return Promise.reject(unreachable('given up', signal.reason))
    if (!this.hasRoom) return Promise.reject(unreachable('the agent has as many connections as it may have'))
    const hold = this.#canHold ? wish : undefined
    if (wish && !hold && wish.aim !== 'open') return Promise.reject(refused('gone'))
    this.#table.lastId += 1
    const id = this.#table.lastId
    return new Promise<Duplex>((resolve, reject) => {
      const giveUp = () => {
        this.#opening.delete(id)
        this.#table.say({ kind: 'reset', id })
        reject(unreachable('given up', signal.reason))
      }
      signal.addEventListener('abort', giveUp, { once: true })
      this.#opening.set(id, { hold, settle: () => signal.removeEventListener('abort', giveUp), resolve, reject })
      this.#table.say(hold ? { kind: 'hold', id, port, ...wordsOf(hold) } : { kind: 'open', id, port })
    }).then((stream) => tied(stream, signal))
  }

  receive(message: Buffer): void {
    const frame = readFrame(message)
    switch (frame.kind) {
      case 'open':
      case 'hold':
        throw new LinkFault('an agent opens nothing')
      case 'opened':
      case 'held': {
        const opening = this.#settle(frame.id)
        if (!opening) return
        const { hold } = opening
        if (!isAnswer(frame.kind, hold?.aim)) throw new LinkFault(`${frame.kind} is no answer to that`)
        if (frame.kind === 'held') hold?.onHeld({ age: frame.age, idle: frame.idle })
        opening.resolve(this.#table.add(frame.id))
        return
      }
      case 'refused':
        this.#settle(frame.id)?.reject(refused(frame.why))
        return
      default:
        if (this.#opening.has(frame.id)) throw new LinkFault(`${frame.kind} of a stream that is not open yet`)
        this.#table.receive(frame)
    }
  }

  onRoom(): void {
    this.#table.onRoom()
  }

  onGone(): void {
    this.#isGone = true
    const opening = [...this.#opening.values()]
    this.#opening.clear()
    for (const { settle, reject } of opening) {
      settle()
      reject(unreachable(gone))
    }
    this.#table.cutAll(gone)
  }

  /** `undefined`: nobody waits for it any more. */
  #settle(id: number): Opening | undefined {
    if (id > this.#table.lastId) throw new LinkFault('an answer to what nobody has asked')
    const opening = this.#opening.get(id)
    this.#opening.delete(id)
    opening?.settle()
    return opening
  }
}

/** One that begins need not be held. */
function isAnswer(kind: 'opened' | 'held', aim: HoldAim | undefined): boolean {
  if (kind === 'opened') return aim === undefined || aim === 'open'
  return aim === 'open' || aim === 'resume'
}

function wordsOf({ aim, key, person }: HoldWish): HoldWords {
  return { aim, key, person }
}

/** Torn down with the signal, as any connection. */
function tied(stream: Duplex, signal: AbortSignal): Duplex {
  const cut = () => stream.destroy()
  if (signal.aborted) cut()
  signal.addEventListener('abort', cut, { once: true })
  stream.once('close', () => signal.removeEventListener('abort', cut))
  return stream
}

const reasons: { readonly [Why in Refusal]: string } = {
  shut: 'nothing answers at the port (ECONNREFUSED)',
  forbidden: 'the agent does not lead to this port',
  full: 'the agent has as many connections as it may have',
  failed: 'the agent could not connect to the port',
  gone: 'the agent holds no such stream',
}

/** That nobody listens is told as the system does. */
function refused(why: Refusal): GatewayError {
  if (why === 'gone') return unreachable(reasons.gone, new StreamGone())
  const cause = why === 'shut' ? Object.assign(new Error(reasons.shut), { code: 'ECONNREFUSED' }) : undefined
  return unreachable(reasons[why], cause)
}

function unreachable(message: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream_unreachable', message, { cause })
}

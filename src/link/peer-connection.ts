/** A connection to another replica, which is asked one thing after the other: whoever answers there has shown that it is a replica of ours, or nothing is said to it. */
import { connect, type TLSSocket } from 'node:tls'
import { type PeerCredentials, peerName } from './peer-credentials.ts'
import { peerProbe, tlsOf } from './peer-listener.ts'
import type { PeerTurns } from './peer-turns.ts'
import { type PeerAsked, readLine, sayAsked } from './peer-words.ts'

export interface PeerAddress {
  readonly host: string
  readonly port: number
}

export interface PeerDialling {
  readonly credentials: PeerCredentials
  readonly turns: PeerTurns
  readonly signal: AbortSignal
}

/** `broke`: nobody is there, or nobody whom we know; `isWordless`: it knew us, and closed the connection. */
export type PeerSaid =
  | { readonly kind: 'line'; readonly line: string }
  | { readonly kind: 'broke'; readonly why: unknown; readonly isWordless: boolean }

export class PeerConnection {
  readonly socket: TLSSocket
  #isSecure = false

  private constructor({ host, port }: PeerAddress, credentials: PeerCredentials, endTurn: () => void) {
    this.socket = connect({ ...tlsOf(credentials), host, port, servername: peerName, rejectUnauthorized: true })
    this.socket.on('error', () => undefined).once('close', endTurn)
    this.socket.once('secureConnect', () => {
      this.#isSecure = true
      endTurn()
    })
    this.socket.setNoDelay(true).setKeepAlive(true, peerProbe)
  }

  /** In its turn. `undefined`: the signal was first. */
  static async open(
    address: PeerAddress,
    { credentials, turns, signal }: PeerDialling,
  ): Promise<PeerConnection | undefined> {
    const endTurn = await turns.take(`${address.host} ${address.port}`)
    if (!signal.aborted) return new PeerConnection(address, credentials, endTurn)
    endTurn()
    return undefined
  }

  /** The line that it answers. It is closed where there is none, or none before the signal. */
  async ask(asked: PeerAsked, signal: AbortSignal): Promise<PeerSaid> {
    const { socket } = this
    const abort = () => socket.destroy()
    signal.addEventListener('abort', abort, { once: true })
    try {
      if (signal.aborted || socket.readableEnded || socket.destroyed) throw new Error('the connection has ended')
      socket.write(sayAsked(asked))
      return { kind: 'line', line: await readLine(socket) }
    } catch (error) {
      socket.destroy()
      return { kind: 'broke', why: socket.errored ?? error, isWordless: this.#isSecure }
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }
}

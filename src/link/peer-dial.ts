/** Asks another replica for a connection through an agent that has its link there. */
import type { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import { GatewayError } from '#errors.ts'
import { type HoldWish, StreamGone } from '#resume/hold.ts'
import { type PeerCredentials, peerName } from './peer-credentials.ts'
import { peerProbe, tlsOf } from './peer-listener.ts'
import type { PeerTurns } from './peer-turns.ts'
import { isAnswer, type PeerAnswer, type PeerAsked, readHeld, readLine, sayAsked } from './peer-words.ts'

export interface PeerAddress {
  readonly host: string
  readonly port: number
}

export interface PeerDialling {
  readonly credentials: PeerCredentials
  readonly turns: PeerTurns
  readonly signal: AbortSignal
}

/** `away`: it has no link of that instance. `unreachable`: nobody is there, or nobody whom we know, which is no word about the port; `isWordless`: it knew us, and closed the connection. */
export type PeerDialled =
  | { readonly kind: 'open'; readonly socket: Duplex }
  | { readonly kind: 'away' }
  | { readonly kind: 'unreachable'; readonly why: unknown; readonly isWordless?: boolean }

type Wish = PeerAsked & { readonly hold?: HoldWish | undefined }

/** Whoever answers there is a replica of ours, or nothing is said to it. Throws `upstream_unreachable` where its agent could not connect. */
export async function dialPeer(address: PeerAddress, asked: Wish, dialling: PeerDialling): Promise<PeerDialled> {
  const dialled = await dial(address, asked, dialling)
  // An older replica, which knows of none that is held: one that begins need not be.
  const isRefused = dialled.kind === 'unreachable' && dialled.isWordless && !dialling.signal.aborted
  return isRefused && asked.hold?.aim === 'open' ? dial(address, { ...asked, hold: undefined }, dialling) : dialled
}

async function dial(address: PeerAddress, asked: Wish, dialling: PeerDialling): Promise<PeerDialled> {
  const { credentials, turns, signal } = dialling
  const endTurn = await turns.take(`${address.host} ${address.port}`)
  if (signal.aborted) {
    endTurn()
    return { kind: 'unreachable', why: signal.reason }
  }
  const socket = connect({ ...tlsOf(credentials), ...address, servername: peerName, rejectUnauthorized: true })
  const abort = () => socket.destroy()
  signal.addEventListener('abort', abort, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', abort))
  socket.on('error', () => undefined)
  let isSecure = false
  const onSecure = () => {
    isSecure = true
    endTurn()
  }
  socket.once('secureConnect', onSecure).once('close', endTurn)
  socket.setNoDelay(true).setKeepAlive(true, peerProbe)
  try {
    socket.write(sayAsked(asked))
    const line = await readLine(socket)
    const held = asked.hold && readHeld(line)
    if (held) asked.hold?.onHeld(held)
    if (held || (line === 'ok' && isPlain(asked))) return { kind: 'open', socket }
    socket.destroy()
    if (line === 'away') return { kind: 'away' }
    throw isAnswer(line) ? refused(line) : unreachable('a replica gave an answer that makes no sense')
  } catch (error) {
    socket.destroy()
    if (error instanceof GatewayError) throw error
    return { kind: 'unreachable', why: socket.errored ?? error, isWordless: isSecure }
  }
}

/** One that begins need not be held. */
function isPlain({ hold }: PeerAsked): boolean {
  return hold === undefined || hold.aim === 'open'
}

function refused(answer: PeerAnswer): GatewayError {
  if (answer === 'gone') return unreachable('its agent holds no such stream', new StreamGone())
  if (answer !== 'shut') return unreachable('its agent could not connect to the port')
  const message = 'nothing answers at the port (ECONNREFUSED)'
  return unreachable(message, Object.assign(new Error(message), { code: 'ECONNREFUSED' }))
}

function unreachable(message: string, cause?: unknown): GatewayError {
  // What failed here is no word about the port.
  return new GatewayError('upstream_unreachable', message, { cause })
}

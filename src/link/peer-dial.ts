/** Asks another replica for a connection through an agent that has its link there. */
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import { type HoldWish, StreamGone } from '#resume/hold.ts'
import { type PeerAddress, PeerConnection, type PeerDialling } from './peer-connection.ts'
import { isAnswer, type PeerAnswer, type PeerAsked, readHeld } from './peer-words.ts'

/** `away`: it has no link of that instance. `unreachable`: nobody is there, or nobody whom we know, which is no word about the port; `isWordless`: it knew us, and closed the connection. */
export type PeerDialled =
  | { readonly kind: 'open'; readonly socket: Duplex }
  | { readonly kind: 'away' }
  | { readonly kind: 'unreachable'; readonly why: unknown; readonly isWordless?: boolean }

export type PeerWish = PeerAsked & { readonly hold?: HoldWish | undefined }

/** Whoever answers there is a replica of ours, or nothing is said to it. Throws `upstream_unreachable` where its agent could not connect. */
export async function dialPeer(address: PeerAddress, asked: PeerWish, dialling: PeerDialling): Promise<PeerDialled> {
  const dialled = await dial(address, asked, dialling)
  // An older replica, which knows of none that is held: one that begins need not be.
  const isRefused = dialled.kind === 'unreachable' && dialled.isWordless && !dialling.signal.aborted
  return isRefused && asked.hold?.aim === 'open' ? dial(address, { ...asked, hold: undefined }, dialling) : dialled
}

async function dial(address: PeerAddress, asked: PeerWish, dialling: PeerDialling): Promise<PeerDialled> {
  const connection = await PeerConnection.open(address, dialling)
  if (!connection) return { kind: 'unreachable', why: dialling.signal.reason }
  const { socket } = connection
  const said = await connection.ask(asked, dialling.signal)
  if (said.kind === 'broke') return { ...said, kind: 'unreachable' }
  const held = asked.hold && readHeld(said.line)
  if (held) asked.hold?.onHeld(held)
  if (held || (said.line === 'ok' && isPlain(asked))) return { kind: 'open', socket }
  socket.destroy()
  return refusalIn(said.line)
}

/** One that begins need not be held. */
function isPlain({ hold }: PeerAsked): boolean {
  return hold === undefined || hold.aim === 'open'
}

/** Of a line that leads to nothing. Throws `upstream_unreachable` where it is a word about the port. */
export function refusalIn(line: string): PeerDialled & { readonly kind: 'away' } {
  if (line === 'away') return { kind: 'away' }
  throw isAnswer(line) ? refused(line) : unreachable('a replica gave an answer that makes no sense')
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

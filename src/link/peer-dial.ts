/** Asks another replica for a connection through an agent that has its link there. */
import type { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import { GatewayError } from '#errors.ts'
import { noAgent } from './links.ts'
import { type PeerCredentials, peerName } from './peer-credentials.ts'
import { peerProbe, tlsOf } from './peer-listener.ts'
import { isAnswer, type PeerAsked, readLine, sayAsked } from './peer-words.ts'

export interface PeerAddress {
  readonly host: string
  readonly port: number
}

/** Whoever answers there is a replica of ours, or nothing is said to it. Throws `upstream_unreachable`. */
export async function dialPeer(
  address: PeerAddress,
  asked: PeerAsked,
  credentials: PeerCredentials,
  signal: AbortSignal,
): Promise<Duplex> {
  if (signal.aborted) throw noAgent(false, signal.reason)
  const socket = connect({ ...tlsOf(credentials), ...address, servername: peerName, rejectUnauthorized: true })
  const abort = () => socket.destroy()
  signal.addEventListener('abort', abort, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', abort))
  socket.on('error', () => undefined)
  socket.setNoDelay(true).setKeepAlive(true, peerProbe)
  try {
    socket.write(sayAsked(asked))
    const line = await readLine(socket)
    if (line === 'ok') return socket
    socket.destroy()
    throw isAnswer(line) ? refused(line) : unreachable('a replica gave an answer that makes no sense')
  } catch (error) {
    socket.destroy()
    if (error instanceof GatewayError) throw error
    // Nobody there, or nobody that we know: no word about the port.
    throw noAgent(false, socket.errored ?? error)
  }
}

function refused(answer: 'shut' | 'away' | 'failed' | 'ok'): GatewayError {
  if (answer === 'away') return noAgent()
  if (answer !== 'shut') return unreachable('its agent could not connect to the port')
  const message = 'nothing answers at the port (ECONNREFUSED)'
  return unreachable(message, Object.assign(new Error(message), { code: 'ECONNREFUSED' }))
}

function unreachable(message: string, cause?: unknown): GatewayError {
  // What failed here is no word about the port.
  return new GatewayError('upstream_unreachable', message, { cause })
}

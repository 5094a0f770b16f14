/** The proof that a server has understood a WebSocket handshake (RFC 6455 section 4.2.2). */
import { createHash } from 'node:crypto'
import { hasMember } from './end-to-end.ts'

/** Fixed by the RFC. */
const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export function acceptKey(key: string): string {
  return createHash('sha1').update(key).update(magic).digest('base64')
}

/**
 * Is this the answer to that key? Exactly one proof, `websocket` as the protocol, and `Connection: upgrade`, without which clients read no
 * switch out of a 101 (RFC 6455 section 4.1): anything else that says 101 has switched to something the client did not ask for, and what it
 * sends next must not reach the client as an answer.
 */
export function hasAccepted(headers: readonly string[], key: string): boolean {
  const proofs = valuesOf(headers, 'sec-websocket-accept')
  const protocols = valuesOf(headers, 'upgrade')
  return (
    proofs.length === 1 &&
    proofs[0] === acceptKey(key) &&
    protocols.length === 1 &&
    protocols[0]?.toLowerCase() === 'websocket' &&
    valuesOf(headers, 'connection').some((value) => hasMember(value, 'upgrade'))
  )
}

/** `name` in lower case. */
export function valuesOf(headers: readonly string[], name: string): readonly string[] {
  return headers.filter((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === name)
}

/**
 * The opening handshake of a WebSocket (RFC 6455 section 4.2.1). Node calls anything an upgrade that has a Connection and an Upgrade field:
 * by POST, in HTTP/1.0, to `h2c`, with a body. What is no WebSocket is refused before a byte reaches an upstream, because two servers that
 * disagree on whether the protocol has changed are how requests are smuggled (h2c smuggling, CVE-2021-21295's relatives).
 */
import type { RequestHead } from './request-head.ts'

export type HandshakeFault = 'method' | 'http_version' | 'protocol' | 'key' | 'version' | 'body'

export type Handshake =
  | { readonly kind: 'websocket' }
  /** With 426 an answer says `Upgrade: websocket` and `Sec-WebSocket-Version: 13`. */
  | { readonly kind: 'problem'; readonly fault: HandshakeFault; readonly status: 400 | 426 }

/** 16 bytes in base64: 22 characters, of which the last carries two bits of them, and the padding. */
const nonce = /^[A-Za-z0-9+/]{21}[AQgw]==$/

export function readHandshake(method: string, head: RequestHead): Handshake {
  const fault = findFault(method, head)
  if (!fault) return { kind: 'websocket' }
  return { kind: 'problem', fault, status: fault === 'protocol' || fault === 'version' ? 426 : 400 }
}

function findFault(method: string, head: RequestHead): HandshakeFault | undefined {
  if (method !== 'GET') return 'method'
  if (head.httpVersion !== '1.1') return 'http_version'
  if (head.upgrade?.toLowerCase() !== 'websocket' || !head.connection.includes('upgrade')) return 'protocol'
  if (head.isChunked || (head.contentLength ?? 0) > 0) return 'body'
  if (head.secWebSocketVersion !== '13') return 'version'
  return nonce.test(head.secWebSocketKey ?? '') ? undefined : 'key'
}

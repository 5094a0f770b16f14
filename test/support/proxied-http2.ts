/** HTTP/2 in TLS behind a PROXY header: as the connection of a browser arrives that comes through a balancer which leaves TLS alone. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Http2Client, openHttp2Client } from './http2-client.ts'

export interface ProxiedClientOptions {
  /** Of the listener. */
  readonly port: number
  /** What stands in front of TLS. */
  readonly greeting: Uint8Array
  readonly servername: string
  /** PEM of the authorities that are trusted. */
  readonly ca: string
}

/** Throws where no TLS comes about. */
export async function openProxiedHttp2(options: ProxiedClientOptions): Promise<Http2Client> {
  const { port, greeting, servername, ca } = options
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(greeting)
  const encrypted = connectTls({ socket, servername, ca, ALPNProtocols: ['h2'] })
  await once(encrypted, 'secureConnect')
  if (encrypted.alpnProtocol !== 'h2') throw new Error(`agreed on ${encrypted.alpnProtocol}`)
  return openHttp2Client(`https://${servername}`, { createConnection: () => encrypted })
}

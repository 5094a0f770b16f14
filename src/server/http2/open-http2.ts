/** HTTP/2 on the connections of one listener. */
import type { Socket } from 'node:net'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Connections } from '#server/connections.ts'
import type { ListenerHandlers } from '#server/door.ts'
import { Http2Door } from './http2-door.ts'
import { type Http2Parts, Http2Sessions } from './sessions.ts'

export interface OpenHttp2 {
  /** A connection that is open already, and speaks HTTP/2 from its first byte. */
  take(socket: Socket): void
  close(): void
  destroy(): void
}

export interface OpenHttp2Parts {
  readonly limits: Http2Parts['limits']
  readonly clock: Clock
  readonly log: Pick<Log, 'error'>
  readonly newRequestId: () => string
}

export function openHttp2(connections: Connections, handlers: ListenerHandlers, parts: OpenHttp2Parts): OpenHttp2 {
  const { limits, clock } = parts
  const door = new Http2Door(handlers, parts, limits.headerBytes)
  const sessions = new Http2Sessions({
    limits,
    clock,
    onStream: (...stream) => door.enter(...stream),
    onFault: (code, { peer }) => door.report(code, undefined, undefined, peer),
  })
  return {
    take(socket) {
      const connection = connections.get(socket)
      if (connection) sessions.open(socket, connection.info)
      else socket.destroy()
    },
    close: () => sessions.close(),
    destroy: () => sessions.destroy(),
  }
}

/** Takes the PROXY header off a fresh connection, before HTTP or TLS see a byte of it. */
import type { Socket } from 'node:net'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { type ProxyFault, type ProxySource, readProxyHeader } from './proxy-protocol.ts'

/** A balancer sends its header at once; who takes longer is none. */
const longestWait: Milliseconds = 5_000

export type Intake =
  | { readonly kind: 'accepted'; readonly source: ProxySource | undefined }
  /** `gone`: the connection ended first. */
  | { readonly kind: 'refused'; readonly fault: ProxyFault | 'timeout' | 'gone' }

/** Never rejects. What follows the header is put back, so that the next reader of the socket begins there. The caller ends a refused one. */
export function takeProxyHeader(socket: Socket, clock: Clock): Promise<Intake> {
  return new Promise((resolve) => {
    const timer = clock.after(longestWait, () => settle({ kind: 'refused', fault: 'timeout' }))
    const settle = (intake: Intake) => {
      timer[Symbol.dispose]()
      socket.off('readable', read).off('end', leave).off('close', leave)
      resolve(intake)
    }
    const leave = () => settle({ kind: 'refused', fault: 'gone' })
    let received: Buffer = Buffer.alloc(0)
    const read = () => {
      const chunk: unknown = socket.read()
      if (!(chunk instanceof Buffer)) return
      received = Buffer.concat([received, chunk])
      const header = readProxyHeader(received)
      if (header.kind === 'incomplete') return
      if (header.kind === 'problem') return settle({ kind: 'refused', fault: header.fault })
      if (header.length < received.length) socket.unshift(received.subarray(header.length))
      settle({ kind: 'accepted', source: header.source })
    }
    socket.on('readable', read).on('end', leave).on('close', leave)
  })
}

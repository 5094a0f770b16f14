/** What one more idle WebSocket through a contender costs in resident memory beside as many that are open, both of its connections included. */
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Contender } from './contenders.ts'
import { listening, pinned, residentKb } from './measure.ts'

export interface IdleOptions {
  readonly core: number
  readonly loadCore: number
  readonly sockets: number
  readonly contenders: readonly Contender[]
}

const upstreamPort = 18_901

/** KB a socket, by the contender's name; for those that the issue asks about. */
export async function memoryOfIdleSockets(options: IdleOptions): Promise<Record<string, number>> {
  const { core, loadCore, sockets, contenders } = options
  const server = fileURLToPath(new URL('./contenders/websocket-upstream.ts', import.meta.url))
  await using _upstream = await pinned(loadCore, process.execPath, [server, String(upstreamPort)])
  await listening(upstreamPort)
  const result: Record<string, number> = {}
  for (const contender of contenders.filter(({ name }) =>
    ['gatehouse', 'nginx', 'configurable_http_proxy'].includes(name),
  )) {
    await using running = await contender.start({ core, upstreamPort })
    const { url, headers, pid } = running
    const { port } = new URL(url)
    // The first ones stay open: what they fill (a heap's young generation, pools, tables that double) is not there for the ones that are counted.
    const first = await openAll(Number(port), headers, sockets)
    await wait(3_000)
    const before = await residentKb(pid)
    const counted = await openAll(Number(port), headers, 2 * sockets)
    await wait(3_000)
    result[contender.name] = Number((((await residentKb(pid)) - before) / counted.length).toFixed(1))
    closeAll([...first, ...counted])
  }
  return result
}

export async function openAll(port: number, headers: readonly string[], count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const batch = Math.min(50, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => openOne(port, headers)))))
  }
  return sockets
}

function openOne(port: number, headers: readonly string[]): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const host = headers.find((header) => header.startsWith('Host: ')) ?? `Host: 127.0.0.1:${port}`
    const others = headers.filter((header) => header !== host)
    const origin = `Origin: http://${host.slice('Host: '.length)}`
    const handshake = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==',
    ]
    socket.write(`${['GET / HTTP/1.1', host, origin, ...others, ...handshake].join('\r\n')}\r\n\r\n`)
    socket.once('error', reject)
    socket.once('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('HTTP/1.1 101')) resolve(socket)
      else reject(new Error(`no WebSocket: ${chunk.toString('latin1').slice(0, 200)}`))
    })
  })
}

export function closeAll(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.destroy()
}

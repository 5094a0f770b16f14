/** What seeing who works keeps for a WebSocket that has been spoken through, and is silent. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Onlooker } from '#activity/onlooker.ts'
import type { AppProfile } from '#activity/profile.ts'
import type { SocketActivity } from '#activity/socket-activity.ts'
import { frameBytes } from '#test/support/websocket-frames.ts'

export interface RestingSocket {
  readonly profile: AppProfile
  /** With `#` for the number of each. */
  readonly path: string
  /** Frames of the client. */
  readonly spoken: readonly Buffer[]
}

const sockets = 10_000
const mask = 0x01_fe_7f_80
const frame = (payload: string) => frameBytes({ opcode: 1, payload: Buffer.from(payload), mask })
const ping = frameBytes({ opcode: 9, payload: Buffer.from('ping'), mask })
const execute = frame(JSON.stringify({ header: { msg_type: 'execute_request' }, content: {} }))

/** Each kind that is read in a way of its own, by what it is called. */
export const restingSockets: ReadonlyMap<string, RestingSocket> = new Map([
  ['a kernel socket', { profile: 'jupyterlab', path: '/api/kernels/#/channels', spoken: [execute] }],
  ['a socket of VS Code, not compressed', { profile: 'code-editor', path: '/?reconnectionToken=#', spoken: [] }],
  ['any other socket', { profile: 'generic', path: '/ws/#', spoken: [frame('x'.repeat(100))] }],
])

/** Bytes for each of many. */
export function keptFor({ profile, path, spoken }: RestingSocket, onlooker: Onlooker): number {
  const open = (index: number) =>
    onlooker.opened({ profile, path: path.replace('#', String(index)), protocol: undefined })
  const speak = (socket: SocketActivity) => {
    for (const bytes of spoken) {
      socket.observe('client', bytes)
      socket.observe('client', ping)
      socket.observe('upstream', frameBytes({ opcode: 1, payload: Buffer.from('{}') }))
    }
  }
  const kept: (SocketActivity | undefined)[] = Array.from({ length: sockets }, () => undefined)
  // The engine settles on the layout of an object after it has seen some.
  for (let index = 0; index < 1_000; index++) {
    const socket = open(index)
    speak(socket)
    socket.end()
  }
  const before = heldBytes()
  for (let index = 0; index < sockets; index++) {
    const socket = open(index)
    speak(socket)
    kept[index] = socket
  }
  const bytes = (heldBytes() - before) / sockets
  for (const socket of kept) socket?.end()
  return bytes
}

/** On the heap of this process, after what nobody holds was collected. */
export function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  for (let round = 0; round < 4; round++) runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

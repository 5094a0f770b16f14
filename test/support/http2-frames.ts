/**
 * HTTP/2 as frames on a socket (RFC 9113): what no client library would send, and what came back. Header blocks are written without compression
 * (RFC 7541 section 6.2.2), and of an answer's the status alone is read. Every wait is bounded.
 */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export const types = {
  ...{
    data: 0,
    headers: 1,
    priority: 2,
    reset: 3,
    settings: 4,
    push: 5,
    ping: 6,
    goaway: 7,
    window: 8,
    continuation: 9,
  },
} as const
export const flags = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const
export const codes = {
  ...{ noError: 0, protocol: 1, internal: 2, flowControl: 3, streamClosed: 5, frameSize: 6, refused: 7, cancel: 8 },
  ...{ compression: 9, calm: 11 },
} as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export interface FrameConnection extends Disposable {
  readonly socket: Socket
  readonly frames: readonly Frame[]
  send(...bytes: readonly Buffer[]): void
  /** The first frame for which it returns something. Throws after fifteen seconds, or when the connection ends before, with what came. */
  until<Value>(what: string, take: (frames: readonly Frame[]) => Value | undefined): Promise<Value>
  /** The connection is over: by what GOAWAY said, or `undefined` where nothing was said. */
  ended(): Promise<number | undefined>
  isEnded(): boolean
}

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export function frame(type: number, flag: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flag
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * index)
  return bytes
}

/** Pairs of an identifier and a value. */
export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  return frame(
    types.settings,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id & 0xff]), uint32(value)]))),
  )
}

export type Field = readonly [name: string, value: string]

export function block(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(bytes.length, 127), bytes])
}

/** RFC 7541 section 5.1, with nothing else in its first byte. */
function integer(value: number, most: number): Buffer {
  if (value < most) return Buffer.from([value])
  const bytes = [most]
  let rest = value - most
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

export function headers(
  stream: number,
  fields: readonly Field[],
  flag: number = flags.endHeaders | flags.endStream,
): Buffer {
  return frame(types.headers, flag, stream, block(fields))
}

/** The status in a HEADERS frame of an answer. */
export function statusOf({ payload }: Frame): number {
  let at = 0
  // The size of the table is changed to what was asked for.
  while (((payload[at] ?? 0) & 0xe0) === 0x20) at += 1
  const first = payload[at] ?? 0
  if (first >= 0x80) return [200, 204, 206, 304, 400, 404, 500][(first & 0x7f) - 8] ?? 0
  const length = payload[at + 1] ?? 0
  const value = payload.subarray(at + 2, at + 2 + (length & 0x7f))
  return Number(length < 0x80 ? value.toString() : huffmanDigits(value))
}

/** RFC 7541 appendix B: 0, 1 and 2 are five bits, the other digits six. */
function huffmanDigits(bytes: Buffer): string {
  let bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  let digits = ''
  while (bits.length >= 5 && !/^1+$/.test(bits)) {
    const short = Number.parseInt(bits.slice(0, 5), 2)
    digits += short < 3 ? short : Number.parseInt(bits.slice(0, 6), 2) - 0x19 + 3
    bits = bits.slice(short < 3 ? 5 : 6)
  }
  return digits
}

export function resetOf(frames: readonly Frame[], stream: number): number | undefined {
  return frames.find((one) => one.type === types.reset && one.stream === stream)?.payload.readUInt32BE()
}

export function answerOf(frames: readonly Frame[], stream: number): number | undefined {
  const head = frames.find((one) => one.type === types.headers && one.stream === stream)
  return head && statusOf(head)
}

const longestWait = 15_000

/** Sends nothing by itself but acknowledgements of settings. */
export async function openFrames(port: number, ca?: string, servername = ''): Promise<FrameConnection> {
  const where = { port, host: '127.0.0.1' }
  const socket = ca === undefined ? connect(where) : connectTls({ ...where, ca, servername, ALPNProtocols: ['h2'] })
  const frames: Frame[] = []
  let received = Buffer.alloc(0)
  let isEnded = false
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const waiter of [...waiting]) waiter()
  }
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
      const length = received.readUIntBE(0, 3)
      const [type = 0, flag = 0] = [received[3], received[4]]
      frames.push({ type, flags: flag, stream: received.readUInt32BE(5), payload: received.subarray(9, 9 + length) })
      received = received.subarray(9 + length)
      if (type === types.settings && (flag & flags.ack) === 0) socket.write(frame(types.settings, flags.ack, 0))
    }
    wake()
  })
  for (const event of ['end', 'close', 'error']) {
    socket.on(event, () => {
      isEnded = true
      wake()
    })
  }
  await new Promise((resolve, reject) => {
    socket.once(ca === undefined ? 'connect' : 'secureConnect', resolve)
    socket.once('error', reject)
  })
  const until: FrameConnection['until'] = (what, take) =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer)
        waiting.delete(look)
        act()
      }
      const fail = (why: string) => {
        const came = frames.map(({ type, flags: flag, stream, payload }) => [
          type,
          flag,
          stream,
          payload.toString('hex', 0, 16),
        ])
        settle(() => reject(new Error(`${why} ${what}; there is ${JSON.stringify(came)}`)))
      }
      const look = () => {
        const value = take(frames)
        if (value !== undefined) settle(() => resolve(value))
        else if (isEnded) fail('closed without')
      }
      const timer = setTimeout(() => fail('waited in vain for'), longestWait)
      waiting.add(look)
      look()
    })
  return {
    ...{ socket, frames, until },
    send: (...bytes) => void socket.write(Buffer.concat(bytes)),
    isEnded: () => isEnded,
    async ended() {
      await until('an end', () => (isEnded ? true : undefined))
      return frames.findLast(({ type }) => type === types.goaway)?.payload.readUInt32BE(4)
    },
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** Both have said their settings; nothing is compressed by what came before. */
export async function openGreeted(port: number, ca?: string, servername?: string): Promise<FrameConnection> {
  const connection = await openFrames(port, ca, servername)
  connection.send(preface, settings([1, 0]))
  await connection.until('settings and their acknowledgement', (all) =>
    all.filter(({ type }) => type === types.settings).length >= 2 ? true : undefined,
  )
  return connection
}

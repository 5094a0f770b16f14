/**
 * HTTP/1.1 as bytes on a socket: requests that no client library would send, and answers as they stood on the wire. Text is Latin-1, a
 * character a byte. Every wait is bounded.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  /** Flat: name, value, name, value; read with `headersOf`. */
  readonly rawHeaders: readonly string[]
  /** Without its framing. */
  readonly body: string
  /** Flat, as they came behind a chunked body. */
  readonly rawTrailers: readonly string[]
  /** Statuses of the interim answers before it. */
  readonly interim: readonly number[]
}

export interface RawConnection extends Disposable {
  readonly socket: Socket
  send(bytes: string | Buffer): void
  /** The next answer, whole. Throws when the connection ends before, or after five seconds, with what came until then. */
  answer(options?: { readonly isHead?: boolean }): Promise<RawAnswer>
  /** What is left, once the other side has closed. */
  rest(): Promise<string>
  /** What came and was not taken by {@link answer} yet, once there are that many bytes of it. */
  bytes(least: number): Promise<string>
  /** The same, once this is in it, from `from` on. */
  sees(text: string, from?: number): Promise<string>
}

const longestWait = 5_000

export async function openRaw(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  let received = ''
  let isClosed = false
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const waiter of [...waiting]) waiter()
  }
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    wake()
  })
  for (const event of ['end', 'close', 'error']) {
    socket.on(event, () => {
      isClosed = true
      wake()
    })
  }
  await once(socket, 'connect')

  /** `take` returns `undefined` for as long as something is missing. */
  const until = <Value>(what: string, take: () => Value | undefined): Promise<Value> =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer)
        waiting.delete(look)
        act()
      }
      const fail = (why: string) =>
        settle(() => reject(new Error(`${why} ${what}; there is ${JSON.stringify(received)}`)))
      const look = () => {
        const value = take()
        if (value !== undefined) settle(() => resolve(value))
        else if (isClosed) fail('closed without')
      }
      const timer = setTimeout(() => fail('waited in vain for'), longestWait)
      waiting.add(look)
      look()
    })

  return {
    socket,
    send: (bytes) => void socket.write(bytes, 'latin1'),
    answer: ({ isHead = false } = {}) =>
      until('a whole answer', () => {
        const parsed = parseAnswer(received, isHead, isClosed)
        if (parsed) received = received.slice(parsed.length)
        return parsed?.answer
      }),
    rest: () => until('an end', () => (isClosed ? received : undefined)),
    bytes: (least) => until(`${least} bytes`, () => (received.length >= least ? received : undefined)),
    sees: (text, from = 0) => until(JSON.stringify(text), () => (received.includes(text, from) ? received : undefined)),
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** One request, or whatever these bytes are, on a connection of its own, and the first answer to it. */
export async function askRaw(port: number, bytes: string | Buffer): Promise<RawAnswer> {
  using connection = await openRaw(port)
  connection.send(bytes)
  return await connection.answer({ isHead: bytes.toString('latin1').startsWith('HEAD ') })
}

interface Parsed {
  readonly answer: RawAnswer
  /** Bytes of it on the wire. */
  readonly length: number
}

function parseAnswer(text: string, isHead: boolean, isClosed: boolean): Parsed | undefined {
  const interim: number[] = []
  for (let start = 0; ; ) {
    const end = text.indexOf('\r\n\r\n', start)
    if (end < 0) return undefined
    const [statusLine = '', ...lines] = text.slice(start, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
    if (!(status >= 100)) throw new Error(`no status line: ${JSON.stringify(statusLine)}`)
    start = end + 4
    if (status < 200 && status !== 101) {
      interim.push(status)
      continue
    }
    const rawHeaders = fieldsOf(lines)
    const body = isBodyless(status, isHead) ? { body: '', end: start } : parseBody(text, start, rawHeaders, isClosed)
    if (!body) return undefined
    const { end: length, ...content } = body
    return { answer: { status, rawHeaders, rawTrailers: [], ...content, interim }, length }
  }
}

function isBodyless(status: number, isHead: boolean): boolean {
  return isHead || status === 101 || status === 204 || status === 304
}

function linesBetween(text: string, start: number, end: number): readonly string[] {
  return start < end ? text.slice(start, end).split('\r\n') : []
}

function fieldsOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
}

interface ParsedBody extends Pick<RawAnswer, 'body'>, Partial<Pick<RawAnswer, 'rawTrailers'>> {
  readonly end: number
}

function parseBody(
  text: string,
  start: number,
  rawHeaders: readonly string[],
  isClosed: boolean,
): ParsedBody | undefined {
  const value = (name: string) =>
    rawHeaders.find((_, index) => rawHeaders[index - 1]?.toLowerCase() === name && index % 2 === 1)
  if (value('transfer-encoding') === 'chunked') return parseChunks(text, start)
  const length = value('content-length')
  if (length === undefined) return isClosed ? { body: text.slice(start), end: text.length } : undefined
  const end = start + Number(length)
  return text.length < end ? undefined : { body: text.slice(start, end), end }
}

function parseChunks(text: string, start: number): ParsedBody | undefined {
  let body = ''
  for (let at = start; ; ) {
    const line = text.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(text.slice(at, line), 16)
    if (size === 0) {
      const end = text.indexOf('\r\n\r\n', line)
      return end < 0 ? undefined : { body, end: end + 4, rawTrailers: fieldsOf(linesBetween(text, line + 2, end)) }
    }
    body += text.slice(line + 2, line + 2 + size)
    at = line + 2 + size + 2
    if (text.length < at) return undefined
  }
}

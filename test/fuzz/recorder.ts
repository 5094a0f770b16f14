/**
 * The server behind each of the proxies: reads what they send by the letter of RFC 9112, writes it down and answers it. What it can't read
 * so is written down as malformed: no proxy may send that, whatever it was sent.
 */

import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'

export interface SeenRequest {
  readonly method: string
  readonly target: string
  /** Names in lower case, as a pair with their value. */
  readonly fields: readonly (readonly [string, string])[]
  readonly body: string
  readonly trailers: readonly (readonly [string, string])[]
  readonly isComplete: boolean
  /** What is wrong with it. */
  readonly malformed: string | undefined
}

export interface Recorder extends AsyncDisposable {
  /** Times anything came. */
  readonly activity: () => number
  /** What came until now. Ends all its connections, so that nothing of one case is there for the next. */
  take(): readonly SeenRequest[]
}

/** Listens on a Unix socket. */
export async function openRecorder(path: string): Promise<Recorder> {
  const readers = new Map<Socket, Reader>()
  const done: SeenRequest[] = []
  let activity = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const reader = new Reader(socket, done)
    readers.set(socket, reader)
    socket.on('data', (bytes) => {
      activity += 1
      reader.push(bytes.toString('latin1'))
    })
    socket.on('end', () => socket.end())
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (readers.delete(socket)) reader.finish()
    })
  })
  rmSync(path, { force: true })
  server.listen(path)
  await once(server, 'listening')
  const dropAll = () => {
    for (const [socket, reader] of readers) {
      reader.finish()
      socket.destroy()
    }
    readers.clear()
  }
  return {
    activity: () => activity,
    take() {
      dropAll()
      return done.splice(0)
    },
    async [Symbol.asyncDispose]() {
      dropAll()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Names in an answer the target that it is about. */
export const seenField = 'X-Seen'

type Draft = { -readonly [Key in keyof SeenRequest]: SeenRequest[Key] } & {
  isChunked: boolean
  left: number
  closes: boolean
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

class Reader {
  readonly #socket: Socket
  readonly #done: SeenRequest[]
  #text = ''
  #draft: Draft | undefined
  #isBroken = false

  constructor(socket: Socket, done: SeenRequest[]) {
    this.#socket = socket
    this.#done = done
  }

  push(text: string): void {
    this.#text += text
    while (!this.#isBroken && this.#step());
  }

  /** No more will come. */
  finish(): void {
    const draft = this.#draft
    this.#draft = undefined
    if (draft) this.#note(draft, false, undefined)
    else if (this.#text !== '' && !this.#isBroken) this.#note(unreadable(this.#text), false, undefined)
    this.#text = ''
  }

  #step(): boolean {
    const draft = this.#draft
    if (draft === undefined) return this.#readHead()
    return draft.isChunked ? this.#readChunk(draft) : this.#readCounted(draft)
  }

  #readHead(): boolean {
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return false
    const text = this.#text.slice(0, end)
    this.#text = this.#text.slice(end + 4)
    const draft = readHead(text)
    if (typeof draft === 'string') {
      this.#break(unreadable(text), draft)
      return false
    }
    this.#draft = draft
    if (draft.fields.some(([name, value]) => name === 'expect' && value.toLowerCase() === '100-continue')) {
      this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    }
    return true
  }

  #readCounted(draft: Draft): boolean {
    const piece = this.#text.slice(0, draft.left)
    this.#text = this.#text.slice(piece.length)
    draft.body += piece
    draft.left -= piece.length
    if (draft.left > 0) return false
    this.#answer(draft)
    return true
  }

  #readChunk(draft: Draft): boolean {
    const lineEnd = this.#text.indexOf('\r\n')
    if (lineEnd < 0) return false
    const line = this.#text.slice(0, lineEnd)
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) return this.#break(draft, `the chunk size ${JSON.stringify(line)}`)
    const size = Number.parseInt(line, 16)
    if (size === 0) return this.#readTrailers(draft, lineEnd)
    const start = lineEnd + 2
    if (this.#text.length < start + size + 2) return false
    if (this.#text.slice(start + size, start + size + 2) !== '\r\n')
      return this.#break(draft, 'a chunk without its end')
    draft.body += this.#text.slice(start, start + size)
    this.#text = this.#text.slice(start + size + 2)
    return true
  }

  #readTrailers(draft: Draft, lineEnd: number): boolean {
    const end = this.#text.indexOf('\r\n\r\n', lineEnd)
    if (end < 0) return false
    const lines = this.#text
      .slice(lineEnd + 2, end + 2)
      .split('\r\n')
      .filter((line) => line !== '')
    this.#text = this.#text.slice(end + 4)
    const fields = readFields(lines)
    if (typeof fields === 'string') return this.#break(draft, fields)
    draft.trailers = fields
    this.#answer(draft)
    return true
  }

  #answer(draft: Draft): void {
    this.#draft = undefined
    this.#note(draft, true, undefined)
    const body = draft.method === 'HEAD' ? '' : 'ok\r\n'
    this.#socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n${seenField}: ${draft.target}\r\n\r\n${body}`)
    if (draft.closes) this.#socket.end()
  }

  #break(draft: Draft, why: string): false {
    this.#isBroken = true
    this.#draft = undefined
    this.#note(draft, false, why)
    this.#socket.destroy()
    return false
  }

  #note({ method, target, fields, body, trailers }: Draft, isComplete: boolean, malformed: string | undefined): void {
    this.#done.push({ method, target, fields, body, trailers, isComplete, malformed })
  }
}

function unreadable(text: string): Draft {
  const [target = ''] = text.split('\r\n', 1)
  return {
    ...{ method: '', target, fields: [], body: '', trailers: [], isComplete: false, malformed: undefined },
    ...{ isChunked: false, left: 0, closes: false },
  }
}

/** What is wrong with it, where it can't be read. */
function readHead(text: string): Draft | string {
  const [first = '', ...lines] = text.split('\r\n')
  const [, method, target] = /^([^ ]+) ([\x21-\x7e]+) HTTP\/1\.[01]$/.exec(first) ?? []
  if (method === undefined || target === undefined || !token.test(method))
    return `the request line ${JSON.stringify(first)}`
  const fields = readFields(lines)
  if (typeof fields === 'string') return fields
  const lengths = valuesOf(fields, 'content-length')
  const codings = valuesOf(fields, 'transfer-encoding')
  if (lengths.length + codings.length > 1) return `framed by ${JSON.stringify([...lengths, ...codings])}`
  if (codings.some((coding) => coding.toLowerCase() !== 'chunked')) return `the coding ${JSON.stringify(codings)}`
  if (lengths.some((length) => !/^[0-9]{1,40}$/.test(length))) return `the length ${JSON.stringify(lengths)}`
  return {
    ...{ method, target, fields, body: '', trailers: [], isComplete: false, malformed: undefined },
    ...{ isChunked: codings.length > 0, left: Number(lengths[0] ?? 0) },
    closes: valuesOf(fields, 'connection').some((value) => /\bclose\b/i.test(value)),
  }
}

function readFields(lines: readonly string[]): (readonly [string, string])[] | string {
  const fields: (readonly [string, string])[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    const value = line.slice(colon + 1).replace(/^[\t ]+|[\t ]+$/g, '')
    if (colon < 0 || !token.test(name) || !fieldValue.test(value)) return `the line ${JSON.stringify(line)}`
    fields.push([name.toLowerCase(), value])
  }
  return fields
}

export function valuesOf(fields: readonly (readonly [string, string])[], name: string): readonly string[] {
  return fields.flatMap(([other, value]) => (other === name ? [value] : []))
}

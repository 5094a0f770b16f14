/** A stream of JSON values, one a line, as a watch sends them. */
import { GatewayError } from '#errors.ts'

/** Bytes. etcd takes no object above 1.5 MB. */
const longestLine = 16 * 1024 * 1024
const lineFeed = 0x0a

/** Throws `store_unavailable` for a line that is too long or no JSON, and for a stream that ends within a line. */
export async function* linesOf(chunks: AsyncIterable<unknown>): AsyncGenerator<unknown, void, void> {
  const splitter = new Splitter()
  for await (const chunk of chunks) {
    if (!Buffer.isBuffer(chunk)) throw broken('is no bytes')
    for (const line of splitter.take(chunk)) yield parse(line)
  }
  if (splitter.length > 0) throw broken('ends within a line')
}

class Splitter {
  /** Of the line that has begun. */
  length = 0
  #parts: Buffer[] = []

  /** The lines that end in this chunk, without empty ones. */
  take(chunk: Buffer): readonly Buffer[] {
    const lines: Buffer[] = []
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      this.#add(chunk.subarray(start, end))
      start = end + 1
      const line = Buffer.concat(this.#parts)
      this.#parts = []
      this.length = 0
      if (line.length > 0) lines.push(line)
    }
    this.#add(chunk.subarray(start))
    return lines
  }

  #add(part: Buffer): void {
    this.length += part.length
    if (this.length > longestLine) throw broken(`has a line of over ${longestLine} bytes`)
    if (part.length > 0) this.#parts.push(part)
  }
}

function parse(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'))
  } catch {
    throw broken('has a line that is no JSON')
  }
}

function broken(what: string): GatewayError {
  return new GatewayError('store_unavailable', `a stream of the API server ${what}`)
}

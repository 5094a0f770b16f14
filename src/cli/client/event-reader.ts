/** Server-sent events out of a stream of text (WHATWG HTML section 9.2.6), as far as Gatehouse sends them: names, and data of one line. */

export interface ReadEvent {
  readonly name: string
  /** JSON. */
  readonly data: string
}

const longestBlock = 4 * 1024 * 1024

/** Ends with the stream. Throws what the stream throws, and `RangeError` for a block that has no end. */
export async function* readEvents(chunks: AsyncIterable<unknown>): AsyncGenerator<ReadEvent, void, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk)), { stream: true })
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const event = eventOf(rest.slice(0, end))
      rest = rest.slice(end + 2)
      if (event) yield event
    }
    if (rest.length > longestBlock) throw new RangeError('an event has no end')
  }
}

/** `undefined` for beats and for how long to wait before coming again. */
function eventOf(block: string): ReadEvent | undefined {
  let name = 'message'
  let data: string | undefined
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) name = line.slice('event: '.length)
    if (line.startsWith('data: ')) data = line.slice('data: '.length)
  }
  return data === undefined ? undefined : { name, data }
}

/**
 * A list as the API server sends it, read while it comes: each of its objects is parsed and handed on by itself. Of a page of many objects no
 * more than one is in memory as text, and what is not kept of an object is gone before the next one is read: thousands of them would
 * otherwise fill the heap several times over, at the start of every replica.
 */
import { GatewayError } from '#errors.ts'

const space = 0x20
const quote = 0x22
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
const comma = 0x2c

/** Throws `store_unavailable` for what is no JSON, and whatever `onItem` throws. */
export class JsonListReader {
  readonly #onItem: (item: unknown) => void
  /** All but the items. */
  readonly #rest: Buffer[] = []
  /** Of the item that has begun in an earlier chunk. */
  #item: Buffer[] = []
  /** Where in this chunk begins what was not put anywhere yet. */
  #start = 0
  #depth = 0
  #isInText = false
  #isEscaped = false
  #isInItems = false
  /** The last text within the list itself, which is the name of what follows it. */
  #name: number[] = []

  constructor(onItem: (item: unknown) => void) {
    this.#onItem = onItem
  }

  take(chunk: Buffer): void {
    this.#start = 0
    for (let at = 0; at < chunk.length; at += 1) {
      if (this.#isInItems && this.#depth > 2) at = this.#skim(chunk, at)
      const byte = chunk[at]
      if (byte === undefined) break
      if (this.#isInText) this.#passText(byte)
      else this.#pass(chunk, at, byte)
    }
    if (!this.#isInItems) this.#keepRest(chunk, chunk.length)
    else if (!this.#isBetweenItems) this.#item.push(chunk.subarray(this.#start))
  }

  /** The list, its items left out. */
  end(): unknown {
    return parse(Buffer.concat(this.#rest))
  }

  /** Where within this chunk the item ends, or the chunk's length. Nearly all of a list is passed here. */
  #skim(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length) {
      at = this.#isInText ? this.#skimText(chunk, at) : nextMark(chunk, at)
      if (at === chunk.length || this.#endsItem(chunk[at])) return at
      at += 1
    }
    return at
  }

  #endsItem(mark: number | undefined): boolean {
    if (mark === quote) this.#isInText = true
    else if (mark === openBrace || mark === openBracket) this.#depth += 1
    else if (this.#depth === 3) return true
    else this.#depth -= 1
    return false
  }

  /** At the mark behind the text that this is in, or the chunk's length. */
  #skimText(chunk: Buffer, from: number): number {
    let isEscaped = this.#isEscaped
    this.#isEscaped = false
    let at = from
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (isEscaped) isEscaped = false
      else if (byte === backslash) isEscaped = true
      else if (byte === quote) {
        this.#isInText = false
        return nextMark(chunk, at + 1)
      }
    }
    this.#isEscaped = isEscaped
    return at
  }

  get #isBetweenItems(): boolean {
    return this.#isInItems && this.#depth === 2
  }

  #pass(chunk: Buffer, at: number, byte: number): void {
    switch (byte) {
      case quote:
        this.#beginText()
        return
      case openBrace:
      case openBracket:
        this.#open(chunk, at, byte)
        return
      case closeBrace:
      case closeBracket:
        this.#close(chunk, at)
        return
      default:
        if (this.#isBetweenItems && byte > space && byte !== comma) throw broken()
    }
  }

  #open(chunk: Buffer, at: number, byte: number): void {
    if (this.#isBetweenItems) this.#start = at
    this.#depth += 1
    if (this.#isInItems || this.#depth !== 2 || byte !== openBracket) return
    if (!Buffer.from(this.#name).equals(itemsName)) return
    this.#isInItems = true
    this.#keepRest(chunk, at + 1)
  }

  #close(chunk: Buffer, at: number): void {
    this.#depth -= 1
    if (this.#isBetweenItems) this.#endItem(chunk.subarray(this.#start, at + 1))
    if (!this.#isInItems || this.#depth >= 2) return
    this.#isInItems = false
    this.#start = at
  }

  #keepRest(chunk: Buffer, end: number): void {
    this.#rest.push(Buffer.from(chunk.subarray(this.#start, end)))
  }

  #beginText(): void {
    if (this.#isBetweenItems) throw broken()
    this.#isInText = true
    if (this.#depth === 1) this.#name = []
  }

  #passText(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (byte === backslash) this.#isEscaped = true
    else if (byte === quote) {
      this.#isInText = false
      return
    }
    if (this.#depth === 1) this.#name.push(byte)
  }

  #endItem(last: Buffer): void {
    const whole = this.#item.length === 0 ? last : Buffer.concat([...this.#item, last])
    this.#item = []
    this.#onItem(parse(whole))
  }
}

const marks = new Uint8Array(256)
for (const mark of [quote, openBracket, closeBracket, openBrace, closeBrace]) marks[mark] = 1

/** Of what may begin or end something outside of a text; the chunk's length where there is none. */
function nextMark(chunk: Buffer, from: number): number {
  let at = from
  while (at < chunk.length && marks[chunk[at] ?? 0] === 0) at += 1
  return at
}

const itemsName = Buffer.from('items')

function parse(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'))
  } catch {
    throw broken()
  }
}

function broken(): GatewayError {
  return new GatewayError('store_unavailable', 'the API server sent a list that is no JSON')
}

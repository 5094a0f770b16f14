/** Bytes of which each piece has only one place: what is lost, doubled or out of order is noticed, at no more cost than a comparison. */
import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** Prime, so that no power of two divides it. */
const length = 1_048_573
const pattern = Buffer.alloc(length)
for (let at = 0, state = 12_345; at < length; at += 1) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff
  pattern[at] = state >>> 16
}

/** Never holds more than one piece. */
export async function sendPattern(to: Writable, count: number): Promise<void> {
  for (let sent = 0; sent < count; ) {
    const start = sent % length
    const piece = pattern.subarray(start, Math.min(length, start + 262_144, start + count - sent))
    sent += piece.length
    if (!to.write(piece)) await once(to, 'drain')
  }
}

export class PatternCheck {
  /** Bytes, all of them right. */
  count = 0

  /** Throws at the first byte that is wrong. */
  take(piece: Buffer): void {
    for (let at = 0; at < piece.length; ) {
      const start = this.count % length
      const part = Math.min(piece.length - at, length - start)
      if (piece.compare(pattern, start, start + part, at, at + part) !== 0)
        throw new Error(`wrong behind ${this.count}`)
      at += part
      this.count += part
    }
  }
}

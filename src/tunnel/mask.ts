/**
 * What a client's frames are masked with, and unmasked (RFC 6455 section 5.3): the same either way, in place. Four bytes at once, since one at a time takes a
 * processor longer than all else that a byte of a tunnel costs.
 */

/** Fewer bytes are not worth a view of them as words. */
const fewest = 64

/** `key`: four bytes. `offset`: bytes of the payload that were before these. */
export function applyMask(bytes: Uint8Array, key: Uint8Array, offset: number): void {
  const { length, byteOffset } = bytes
  if (length < fewest) {
    maskEach(bytes, key, offset, 0, length)
    return
  }
  // Words lie where their number of bytes says.
  const before = -byteOffset & 3
  const words = (length - before) >> 2
  const after = before + words * 4
  maskEach(bytes, key, offset, 0, before)
  const turned = Uint8Array.from({ length: 4 }, (_, at) => key[(offset + before + at) & 3] ?? 0)
  const word = new Int32Array(turned.buffer)[0] ?? 0
  const view = new Int32Array(bytes.buffer, byteOffset + before, words)
  for (let at = 0; at < view.length; at += 1) view[at] = (view[at] ?? 0) ^ word
  maskEach(bytes, key, offset, after, length)
}

function maskEach(bytes: Uint8Array, key: Uint8Array, offset: number, from: number, to: number): void {
  for (let at = from; at < to; at += 1) bytes[at] = (bytes[at] ?? 0) ^ (key[(offset + at) & 3] ?? 0)
}

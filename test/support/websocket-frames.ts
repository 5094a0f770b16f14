/** Frames of a WebSocket as bytes (RFC 6455 section 5.2), also such as no well-behaved program sends. */

export interface Frame {
  readonly opcode: number
  /** True if absent. */
  readonly isFinal?: boolean
  /** The first extension bit (RFC 7692). */
  readonly isCompressed?: boolean
  readonly payload: Uint8Array
  /** As a client masks its frames; not masked if absent. */
  readonly mask?: number | undefined
}

export function frameBytes({ opcode, isFinal = true, isCompressed = false, payload, mask }: Frame): Buffer {
  const length = payload.length
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const head = Buffer.alloc(2 + size)
  head[0] = (isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode
  head[1] = (mask === undefined ? 0 : 0x80) | (size === 0 ? length : size === 2 ? 126 : 127)
  if (size === 2) head.writeUInt16BE(length, 2)
  if (size === 8) head.writeBigUInt64BE(BigInt(length), 2)
  if (mask === undefined) return Buffer.concat([head, payload])
  const key = Buffer.alloc(4)
  key.writeUInt32BE(mask)
  return Buffer.concat([head, key, payload.map((byte, index) => byte ^ (key[index & 3] ?? 0))])
}

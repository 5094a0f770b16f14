/** The head of a frame that is the whole of its message (RFC 6455 section 5.2). Pure. */

const longestInOneByte = 125
const longestInTwo = 65_535

/** `kind`: its opcode. `room`: bytes at its end that a key has room in, whose frame it is then said to be masked by. */
export function frameHead(kind: number, length: number, room: 0 | 4): Buffer {
  const mark = room > 0 ? 0x80 : 0
  if (length <= longestInOneByte) return begun(2 + room, kind, mark | length)
  if (length <= longestInTwo) {
    const head = begun(4 + room, kind, mark | 126)
    head.writeUInt16BE(length, 2)
    return head
  }
  const head = begun(10 + room, kind, mark | 127)
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

function begun(size: number, kind: number, second: number): Buffer {
  const head = Buffer.allocUnsafe(size)
  head[0] = 0x80 | kind
  head[1] = second
  return head
}

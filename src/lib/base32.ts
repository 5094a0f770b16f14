/**
 * Base32 of RFC 4648 section 6 in lower case and without padding: letters and digits only, so that it fits into a DNS label.
 * The digit `0` is not in the alphabet.
 */

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

export function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  let buffer = 0
  let bits = 0
  for (const byte of bytes) {
    buffer = ((buffer & 0x1f) << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet.charAt((buffer >>> bits) & 0x1f)
    }
  }
  return bits > 0 ? text + alphabet.charAt((buffer << (5 - bits)) & 0x1f) : text
}

/**
 * `undefined` unless encoding the result gives exactly `text` back: upper case, padding, a length that no bytes have and
 * unused bits that are set (RFC 4648 section 3.5) are all refused, so that nothing has two spellings.
 */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let buffer = 0
  let bits = 0
  let length = 0
  for (let index = 0; index < text.length; index += 1) {
    const value = alphabet.indexOf(text.charAt(index))
    if (value < 0) return undefined
    buffer = ((buffer & 0xff) << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[length] = (buffer >>> bits) & 0xff
      length += 1
    }
  }
  // Five bits or more left over are a character that carried nothing.
  const rest = buffer & ((1 << bits) - 1)
  return bits < 5 && rest === 0 ? bytes : undefined
}

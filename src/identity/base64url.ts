/** Base64url (RFC 4648 section 5) without padding, read strictly. */

const alphabet = /^[A-Za-z0-9_-]*$/

/**
 * `undefined` unless encoding the bytes gives exactly `text` back. `Buffer.from` skips what it doesn't know and ignores unused bits,
 * which would give one value many spellings.
 */
export function bytesOfBase64url(text: string): Buffer | undefined {
  if (!alphabet.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

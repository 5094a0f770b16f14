/** Puts something of the same length in place of what tells of the machine that recorded, or of a session: lengths are part of what is recorded. */

export type Redaction = (bytes: Buffer) => Buffer

/** `places`: what a path of this machine begins with, and what is put there instead. */
export function redactionOf(places: ReadonlyMap<string, string>): Redaction {
  const ids = new Map<string, string>()
  const idFor = (found: string) => {
    const known = ids.get(found)
    if (known !== undefined) return known
    const digits = String(ids.size + 1)
    // The first letter stays what it was, so that names of files stay names of files.
    const made = found.replace(/[0-9a-f]/g, '0').slice(0, found.length - digits.length) + digits
    ids.set(found, made)
    return made
  }
  return (bytes) => {
    let text = bytes.toString('latin1')
    for (const [place, instead] of places) text = text.replaceAll(place, fitted(instead, place.length))
    text = text
      .replace(/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{32,64}\b/g, idFor)
      .replace(
        /("(?:auth|data|signedData|token|connectionToken)":")([^"]*)/g,
        (_, name, value) => name + 'x'.repeat(value.length),
      )
      .replace(/(_xsrf=|token=)([^&]*)/gi, (_, name, value) => name + 'x'.repeat(value.length))
    return Buffer.from(text, 'latin1')
  }
}

function fitted(text: string, length: number): string {
  return text.slice(0, length).padEnd(length, '-')
}

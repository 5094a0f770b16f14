/** Builds a PROXY header of version 2 from its parts, good or bad. */
export function proxyHeader(
  versionAndCommand: number,
  family: number,
  body: Iterable<number>,
): Uint8Array<ArrayBuffer> {
  const block = Uint8Array.from(body)
  const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
  return Uint8Array.from([...signature, versionAndCommand, family, block.length >> 8, block.length & 0xff, ...block])
}

/** Says that an IPv4 connection came from this address. */
export function proxyHeaderFrom(address: string, port: number): Uint8Array<ArrayBuffer> {
  return proxyHeader(0x21, 0x11, [...address.split('.').map(Number), 127, 0, 0, 1, port >> 8, port & 0xff, 0, 80])
}

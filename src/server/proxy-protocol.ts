/**
 * The header that a balancer puts in front of a connection to say whose it is: PROXY protocol, version 2 (haproxy.org,
 * proxy-protocol.txt section 2.2). A pure reader of the bytes received so far. Version 1 is text of no fixed length and is refused.
 */
import { canonicalAddress } from '#http/ip-address.ts'

export interface ProxySource {
  /** As `canonicalAddress` writes it. */
  readonly address: string
  readonly port: number
}

export type ProxyFault =
  /** Not the twelve bytes of version 2. */
  | 'signature'
  | 'version_1'
  | 'version'
  /** Neither LOCAL nor PROXY. */
  | 'command'
  /** A transport that no TCP connection has. */
  | 'family'
  | 'too_long'
  /** Too short for the addresses of its family. */
  | 'addresses'

export type ProxyHeader =
  /** More bytes are needed; all there are could still begin a header. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'problem'; readonly fault: ProxyFault }
  | {
      readonly kind: 'complete'
      /** Bytes of the header; what follows is the client's. */
      readonly length: number
      /** `undefined`: the balancer speaks for itself (LOCAL, a health check) or can't tell; the TCP peer is all there is to know. */
      readonly source: ProxySource | undefined
    }

/** Bytes of a header that is read at all. The extensions in use need a few hundred. */
export const longestProxyHeader = 2048

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
const versionOne = [0x50, 0x52, 0x4f, 0x58, 0x59]
const fixedLength = 16

/** Refuses as soon as the bytes can't become a header any more, so that nobody waits for the rest of something else. Never throws. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (!beginsAs(bytes, signature)) {
    return problem(bytes.length >= versionOne.length && beginsAs(bytes, versionOne) ? 'version_1' : 'signature')
  }
  const [versionAndCommand, familyAndTransport] = bytes.subarray(12, 14)
  if (versionAndCommand === undefined) return incomplete
  if (versionAndCommand >> 4 !== 2) return problem('version')
  const command = versionAndCommand & 0x0f
  if (command > 1) return problem('command')
  if (familyAndTransport === undefined || bytes.length < fixedLength) return incomplete
  const length = fixedLength + readUint16(bytes, 14)
  if (length > longestProxyHeader) return problem('too_long')
  if (bytes.length < length) return incomplete
  if (command === 0) return { kind: 'complete', length, source: undefined }
  return readSource(familyAndTransport, bytes.subarray(fixedLength, length), length)
}

const incomplete: ProxyHeader = { kind: 'incomplete' }

function problem(fault: ProxyFault): ProxyHeader {
  return { kind: 'problem', fault }
}

function beginsAs(bytes: Uint8Array, expected: readonly number[]): boolean {
  return expected.every((byte, index) => index >= bytes.length || bytes[index] === byte)
}

function readUint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)
}

/** Source address, destination address, source port, destination port, then extensions, which are passed over. */
function readSource(familyAndTransport: number, block: Uint8Array, length: number): ProxyHeader {
  switch (familyAndTransport) {
    // UNSPEC: the header says that the addresses, if any, mean nothing.
    case 0x00:
      return { kind: 'complete', length, source: undefined }
    case 0x11:
      return withSource(block, length, 4)
    case 0x21:
      return withSource(block, length, 16)
    default:
      return problem('family')
  }
}

function withSource(block: Uint8Array, length: number, addressBytes: 4 | 16): ProxyHeader {
  if (block.length < 2 * addressBytes + 4) return problem('addresses')
  const address = canonicalAddress(textOf(block.subarray(0, addressBytes)))
  if (address === undefined) return problem('addresses')
  return { kind: 'complete', length, source: { address, port: readUint16(block, 2 * addressBytes) } }
}

function textOf(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => readUint16(address, 2 * index).toString(16))
  return groups.join(':')
}

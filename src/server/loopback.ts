/** The addresses that only this machine reaches. */
import { isIPv4 } from 'node:net'
import { canonicalAddress } from '#http/ip-address.ts'
import type { ListenerSettings } from '#settings/settings.ts'

/** `127.0.0.0/8` (RFC 1122 section 3.2.1.3) and `::1`. A name is none: what it stands for can change. */
export function isLoopbackAddress(host: string): boolean {
  const address = canonicalAddress(host)
  return address === '::1' || (address !== undefined && isIPv4(address) && address.startsWith('127.'))
}

/**
 * Plain listeners on 127.0.0.1 and ::1. Both, because a browser that finds nothing on one tries the other, and would give our cookies
 * to whoever listens there.
 */
export function loopbackListeners(port: number): readonly ListenerSettings[] {
  return ['127.0.0.1', '::1'].map((host) => ({
    kind: 'plain',
    host,
    port,
    http2: false,
    proxyProtocol: { trusted: [] },
  }))
}

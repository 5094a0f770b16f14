/**
 * Name resolution in which every name below `localhost` is this machine, as RFC 6761 section 6.3 says and browsers do; Node asks DNS for
 * `x.localhost` and gets nothing.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'

const loopback: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

/** `localhost` itself or any name below it, in any case, with or without the root's dot. */
export function isLocalhostName(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, '')
  return name === 'localhost' || name.endsWith('.localhost')
}

/** For the `lookup` option of `net.connect`, `http.request` and undici. Names that are not below `localhost` go to the system's resolver. */
export const localhostLookup: LookupFunction = (hostname, options, callback) => {
  if (!isLocalhostName(hostname)) return lookup(hostname, options, callback)
  const found = loopback.filter((entry) => isWanted(entry, options.family))
  // Never before this call has returned, as with a real resolver.
  process.nextTick(() => {
    const [first] = found
    if (options.all) callback(null, found)
    else if (first) callback(null, first.address, first.family)
  })
}

function isWanted(entry: LookupAddress, family: LookupOptions['family']): boolean {
  if (family === undefined || family === 0) return true
  return entry.family === family || `IPv${entry.family}` === family
}

/** What the site's names stand for, for clients outside of the cluster: nothing of it is in any DNS but the cluster's own. */
import type { LookupFunction } from 'node:net'

/** Each name is at one address. */
export function lookupOf(addressOf: (name: string) => string): LookupFunction {
  return (name, options, callback) => {
    const address = addressOf(name)
    if (options.all) callback(null, [{ address, family: 4 }])
    else callback(null, address, 4)
  }
}

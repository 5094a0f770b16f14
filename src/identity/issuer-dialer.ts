/**
 * Connections to an issuer. Its addresses come out of documents from the network, so a dialer decides what is reached: never a link-local address
 * or the metadata service of a cloud, whatever name leads there. Decided about the address that is dialled, after resolution, so that no second
 * resolution can give another one (DNS rebinding).
 */
import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { GatewayError } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { isInNetworks, type Network, parseNetwork } from '#lib/network.ts'

/** Link-local of both families (RFC 3927, RFC 4291; also by NAT64), and metadata services with addresses of their own: AWS, Google, Alibaba, Azure. */
const neverDialled = [
  '169.254.0.0/16',
  'fe80::/10',
  '64:ff9b::a9fe:0/112',
  'fd00:ec2::/32',
  'fd20:ce::/32',
  '100.100.100.200',
  '168.63.129.16',
].flatMap((text): Network[] => {
  const network = parseNetwork(text)
  return network === undefined ? [] : [network]
})

export interface DialerOptions {
  readonly lookup: LookupFunction
  /** PEM; the system's authorities when absent. */
  readonly ca?: string | undefined
  readonly connectTimeout: Milliseconds
  /** Bytes of an answer's body on the wire. */
  readonly longestBody: number
}

/** Connecting fails with `issuer_unavailable`: then nothing has been sent. */
export function issuerDispatcher(options: DialerOptions): Agent {
  const isForbidden = isInNetworks(neverDialled)
  const refusal = (address: string) =>
    new GatewayError('issuer_unavailable', `the issuer's address ${address} is link-local or a metadata service`)
  const connect = buildConnector({
    lookup: guarded(options.lookup, (address) => (isForbidden(address) ? refusal(address) : undefined)),
    timeout: options.connectTimeout,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  })
  return new Agent({
    maxResponseSize: options.longestBody,
    connect(target, callback) {
      // An address needs no resolution, so the guarded lookup would never see it.
      const address = target.hostname.replace(/^\[|\]$/g, '')
      if (isIP(address) !== 0 && isForbidden(address)) return callback(refusal(address), null)
      connect(target, (...[error, socket]) => {
        if (error === null) callback(null, socket)
        else callback(unreachable(error), null)
      })
    },
  })
}

function unreachable(cause: Error): GatewayError {
  return cause instanceof GatewayError
    ? cause
    : new GatewayError('issuer_unavailable', `the issuer can't be reached: ${cause.message}`, { cause })
}

/** One bad address among several is enough: which one is dialled is not ours to say. */
function guarded(lookup: LookupFunction, check: (address: string) => Error | undefined): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found, family) => {
      const addresses = listOf(found, family)
      const [first] = addresses
      const fault = error ?? addresses.map(({ address }) => check(address)).find((refused) => refused !== undefined)
      if (fault) callback(fault, [])
      else if (options.all) callback(null, addresses)
      else if (first) callback(null, first.address, first.family)
      else callback(new Error(`${hostname} has no address`), [])
    })
  }
}

function listOf(found: string | LookupAddress[] | undefined, family: number | undefined): LookupAddress[] {
  return typeof found === 'string' ? [{ address: found, family: family ?? 4 }] : (found ?? [])
}

/** The addresses of the API server, as far as they can be known from where Gatehouse is: no workspace is there, whatever a pod says. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { messageOf } from '#errors.ts'
import { canonicalAddress } from '#http/ip-address.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { type Network, parseNetwork } from '#lib/network.ts'
import type { Log } from '#observe/log.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { resourcePath } from '#resources/kubernetes/resource-path.ts'
import { fieldsOf, objectsOf } from './json-fields.ts'
import type { ReservedAddresses } from './pod-addresses.ts'

export interface ApiAddressesParts {
  readonly client: ApiClient
  /** `https://10.96.0.1:443`, as requests go there. */
  readonly origin: string
  readonly log: Log
  readonly signal: AbortSignal
}

const limit: Milliseconds = 5_000

/** Of where requests go, and of the Service and the EndpointSlices `kubernetes` where they may be read. Never rejects. */
export async function apiServerAddresses(parts: ApiAddressesParts): Promise<ReservedAddresses> {
  const found = await Promise.all([addressesOfHost(parts), addressesOfService(parts), addressesOfSlices(parts)])
  return { networks: [...new Set(found.flat().flatMap(networkOf))].sort(), why: "is the API server's" }
}

function networkOf(address: string): readonly Network[] {
  const network = parseNetwork(canonicalAddress(address) ?? '')
  return network === undefined ? [] : [network]
}

async function addressesOfHost({ origin, log }: ApiAddressesParts): Promise<readonly string[]> {
  const host = new URL(origin).hostname.replace(/^\[|\]$/g, '')
  if (isIP(host)) return [host]
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address)
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'the name of the API server has no address now')
    return []
  }
}

const systemNamespace = 'default'
const serviceName = 'kubernetes'

async function addressesOfService(parts: ApiAddressesParts): Promise<readonly string[]> {
  const place = { namespace: systemNamespace, name: serviceName }
  const service = await readable(parts, resourcePath({ group: '', version: 'v1', plural: 'services' }, place))
  return texts(fieldsOf(fieldsOf(service).spec).clusterIPs)
}

async function addressesOfSlices(parts: ApiAddressesParts): Promise<readonly string[]> {
  const query = { labelSelector: `kubernetes.io/service-name=${serviceName}` }
  const type = { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' }
  const slices = await readable(parts, resourcePath(type, { namespace: systemNamespace, query }))
  return objectsOf(fieldsOf(slices).items)
    .flatMap((slice) => objectsOf(slice.endpoints))
    .flatMap((endpoint) => texts(endpoint.addresses))
}

/** `undefined` where Gatehouse has no right to it, as usual, or where nobody answers. */
async function readable({ client, log, signal }: ApiAddressesParts, path: string): Promise<unknown> {
  try {
    return await client.get(path, { signal, within: limit })
  } catch (error) {
    if (!signal.aborted) log.debug({ reason: messageOf(error) }, 'addresses of the API server can not be read')
    return undefined
  }
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : []
}

/** All listeners of a process: every one that was asked for, or none. */
import { GatewayError } from '#errors.ts'
import { canonicalAddress } from '#http/ip-address.ts'
import type { Network } from '#lib/network.ts'
import type { Limits, ListenerSettings } from '#settings/settings.ts'
import { Crowd, standsForMany } from './crowd.ts'
import type { ListenerHandlers } from './door.ts'
import { type Listener, type ListenerParts, openListener } from './listener.ts'
import { isLoopbackAddress } from './loopback.ts'

export interface ListenersParts extends Omit<ListenerParts, 'crowd'> {
  readonly limits: ListenerParts['limits'] & Pick<Limits, 'connectionsPerAddress'>
  /** Peers that speak for others, beside those that write PROXY headers. */
  readonly trustedProxies: readonly Network[]
  /** Plain listeners may be reached from other machines: cookies can be read on the way. */
  readonly insecureWideBind: boolean
  /** Browsers speak HTTPS, so that somebody in front of a plain listener ends TLS: such a balancer is another machine. */
  readonly isBehindTls: boolean
}

/**
 * Throws `invalid_settings` for a plain listener on anything but loopback that browsers use without `insecureWideBind`, before any is opened, and
 * `listen_failed` when one can't be opened; those that were are closed again. A machine without IPv6 has no `::1`, where nobody else can
 * listen either: then the others do.
 */
export async function openListeners(
  settings: readonly ListenerSettings[],
  handlers: ListenerHandlers,
  parts: ListenersParts,
): Promise<readonly Listener[]> {
  for (const one of settings) refuseWideBind(one, parts)
  const failed = new AbortController()
  const signal = AbortSignal.any([parts.signal, failed.signal])
  const isExempt = standsForMany({ trustedProxies: parts.trustedProxies, listeners: settings })
  const crowd = new Crowd({ most: parts.limits.connectionsPerAddress, isExempt })
  const opened: Listener[] = []
  try {
    for (const one of settings) {
      const listener = await openUnlessAbsent(one, handlers, { ...parts, crowd, signal })
      if (listener) opened.push(listener)
    }
    if (opened.length === 0) throw new GatewayError('listen_failed', 'there is no address to listen on')
    return opened
  } catch (error) {
    failed.abort(error)
    await Promise.all(opened.map((listener) => listener.closed))
    throw error
  }
}

function refuseWideBind(settings: ListenerSettings, { insecureWideBind, isBehindTls, log }: ListenersParts): void {
  if (settings.kind === 'tls' || isBehindTls || isLoopbackAddress(settings.host)) return
  const address = `${settings.host} port ${settings.port}`
  if (!insecureWideBind) {
    throw new GatewayError('invalid_settings', `${address} is reached from other machines: use TLS or insecureWideBind`)
  }
  log.warn({ component: 'listener', address, setting: 'insecureWideBind' }, 'plain HTTP is open to other machines')
}

async function openUnlessAbsent(
  settings: ListenerSettings,
  handlers: ListenerHandlers,
  parts: ListenersParts & ListenerParts,
): Promise<Listener | undefined> {
  const { host, port, kind } = settings
  const fields = { component: 'listener', address: host, port, kind }
  try {
    const listener = await openListener(settings, handlers, parts)
    parts.log.info({ ...fields, port: listener.port }, 'listening')
    return listener
  } catch (error) {
    if (canonicalAddress(host) !== '::1' || !isAbsent(error)) throw error
    parts.log.warn({ ...fields, error }, 'this machine has no IPv6 loopback address, nobody can listen there')
    return undefined
  }
}

const absentCodes: ReadonlySet<unknown> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT'])

function isAbsent(error: unknown): boolean {
  const cause = error instanceof GatewayError ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && absentCodes.has(cause.code)
}

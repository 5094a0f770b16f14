/** Tenants behind listeners that speak HTTP/2 as well, and the requests of alice that are all right there. */
import type { Field } from './http2-frames.ts'
import { type Tenant, type Tenants, useTenants } from './tenants.ts'

/** For the tests of a `describe`, as {@link useTenants}. */
export function useHttp2Tenants(): () => Tenants {
  return useTenants({
    settings: (all) => ({ ...all, listeners: all.listeners.map((one) => ({ ...one, http2: true })) }),
  })
}

/** Of `/x`, with its cookie. */
export function goodGet({ authority, cookie }: Pick<Tenant, 'authority' | 'cookie'>): readonly Field[] {
  return [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', authority],
    [':path', '/x'],
    ['cookie', cookie],
  ]
}

export function goodPost(tenant: Pick<Tenant, 'authority' | 'cookie'>): readonly Field[] {
  return [[':method', 'POST'], ...goodGet(tenant).slice(1), ['origin', `http://${tenant.authority}`]]
}

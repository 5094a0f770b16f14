/** Where objects are at the API server. */
import { GatewayError } from '#errors.ts'
import { isDnsLabel, isDnsSubdomain } from '#lib/dns-name.ts'

/** A {@link ResourceKind} is one. `group` is `''` for the core group. */
export interface ResourceType {
  readonly group: string
  readonly version: string
  readonly plural: string
}

/** `v1`, `apps/v1`. */
export function apiVersionOf({ group, version }: ResourceType): string {
  return group === '' ? version : `${group}/${version}`
}

export interface ResourcePlace {
  /** Absent: of all namespaces, or of none for kinds that have no namespace. */
  readonly namespace?: string | undefined
  readonly name?: string | undefined
  /** `status`, `log`. */
  readonly subresource?: string
  /** Those that are `undefined` are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
}

/**
 * Throws `invalid_resource` for names that no object can have: `..` and `''` would lead somewhere else.
 *
 * @example
 * resourcePath({ group: '', version: 'v1', plural: 'pods' }, { namespace: 'team', name: 'nb-0', subresource: 'log' })
 * // '/api/v1/namespaces/team/pods/nb-0/log'
 */
export function resourcePath(type: ResourceType, place: ResourcePlace = {}): string {
  const { namespace, name, subresource, query = {} } = place
  if (namespace !== undefined && !isDnsLabel(namespace)) throw invalid(`'${namespace}' is no name of a namespace`)
  if (name !== undefined && !isDnsSubdomain(name)) throw invalid(`'${name}' is no name of an object`)
  const parts = [
    type.group === '' ? 'api' : `apis/${type.group}`,
    type.version,
    ...(namespace === undefined ? [] : ['namespaces', namespace]),
    type.plural,
    ...(name === undefined ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ]
  const given = Object.entries(query).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, String(value)]],
  )
  return `/${parts.join('/')}${given.length === 0 ? '' : `?${new URLSearchParams(given)}`}`
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_resource', message)
}

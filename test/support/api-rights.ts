/** Rights as Roles grant them, and requests as RBAC sees them, in one form: so that the two can be held against one another. */
import type { SeenRequest } from './fault-proxy.ts'

export interface RoleRule {
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

/** One verb on one resource (with its subresource), of one name or any, in one namespace or all. */
export interface Right {
  readonly verb: string
  readonly group: string
  readonly resource: string
  /** `*`: any. */
  readonly name: string
  /** `*`: all. */
  readonly namespace: string
}

export interface RoleLike {
  readonly kind: string
  readonly metadata: { readonly namespace?: string }
  readonly rules?: readonly RoleRule[]
}

/** A ClusterRole that is bound in the whole cluster, or a Role in its own namespace. */
export function rightsOf({ kind, metadata, rules = [] }: RoleLike): readonly Right[] {
  const namespace = kind === 'ClusterRole' ? '*' : (metadata.namespace ?? '')
  return rules.flatMap(({ apiGroups = [], resources = [], resourceNames = ['*'], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        resourceNames.flatMap((name) => verbs.map((verb) => ({ verb, group, resource, name, namespace }))),
      ),
    ),
  )
}

/** What RBAC is asked for a request; `undefined` for paths that are no resource. A list of one name is a request for that name. */
export function rightAskedBy({ method, path, query, isWatch }: SeenRequest): Right | undefined {
  const [, group = '', rest = ''] = /^\/(?:api|apis\/([^/]+))\/v[^/]+\/(.+)$/.exec(path) ?? []
  if (rest === '') return undefined
  const [, namespace = '*', within] = /^namespaces\/([^/]+)\/(.+)$/.exec(rest) ?? []
  const [plural, name, ...subresource] = (within ?? rest).split('/')
  const selected = /^metadata\.name=(.+)$/.exec(query.get('fieldSelector') ?? '')?.[1]
  return {
    ...{ verb: writing[method] ?? readingOf(name, isWatch), group, namespace },
    resource: [plural, ...subresource].join('/'),
    name: name ?? selected ?? '*',
  }
}

const writing: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

function readingOf(name: string | undefined, isWatch: boolean): string {
  if (isWatch) return 'watch'
  return name === undefined ? 'list' : 'get'
}

/** Whether this right is enough for what was asked. */
export function covers(right: Right, asked: Right): boolean {
  const isOf = (key: 'verb' | 'group' | 'resource') => right[key] === asked[key]
  const isWithin = (key: 'name' | 'namespace') => right[key] === '*' || right[key] === asked[key]
  return isOf('verb') && isOf('group') && isOf('resource') && isWithin('name') && isWithin('namespace')
}

export function sayRight({ verb, group, resource, name, namespace }: Right): string {
  return `${verb} ${group}/${resource}${name === '*' ? '' : ` ${name}`} in ${namespace}`
}

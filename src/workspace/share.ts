/** `WorkspaceShare`: gives people, groups or machines access to workspaces of its own namespace. Its spec never changes after creation. */
import Type, { type Static } from 'typebox'
import { GatewayError } from '#errors.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { parserOf } from '#resources/parsing.ts'

const dnsLabel = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
const name = Type.String({ minLength: 1, maxLength: 253 })

const Grantee = Type.Union([
  Type.Object({ kind: Type.Literal('User'), name }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal('Group'), name }, { additionalProperties: false }),
  Type.Object(
    { kind: Type.Literal('ServiceAccount'), name, namespace: Type.String({ pattern: dnsLabel }) },
    { additionalProperties: false },
  ),
])

/** Closed on purpose: a field such as `namespace` on a workspace must not look as if it meant something. */
const ShareSpec = Type.Object(
  {
    workspaces: Type.Array(Type.Object({ name }, { additionalProperties: false }), { minItems: 1, maxItems: 50 }),
    grantees: Type.Array(Grantee, { minItems: 1, maxItems: 100 }),
    access: Type.Union([Type.Literal('connect'), Type.Literal('modify'), Type.Literal('own')], { default: 'connect' }),
    /** Names of ports; absent: all. */
    ports: Type.Optional(Type.Array(Type.String({ pattern: dnsLabel }), { minItems: 1, maxItems: 32 })),
    /** Absent: all but `port-forward`, which has to be named. */
    connectionTypes: Type.Optional(Type.Array(Type.String({ maxLength: 63 }), { minItems: 1, maxItems: 32 })),
    /** RFC 3339; from that instant on it grants nothing. */
    expiresAt: Type.Optional(
      Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$' }),
    ),
  },
  { additionalProperties: false },
)

const ShareStatus = Type.Object({
  workspaces: Type.Array(Type.Object({ name, uid: Type.String() }), { default: [] }),
  observedGeneration: Type.Integer({ default: 0 }),
  conditions: Type.Array(
    Type.Object({
      type: Type.String(),
      status: Type.Union([Type.Literal('True'), Type.Literal('False'), Type.Literal('Unknown')]),
      reason: Type.String(),
      message: Type.String({ default: '' }),
      lastTransitionTime: Type.Optional(Type.String()),
    }),
    { default: [] },
  ),
})

export type ShareSpec = Static<typeof ShareSpec>
export type ShareStatus = Static<typeof ShareStatus>
export type ShareGrantee = Static<typeof Grantee>
export type WorkspaceShare = Resource<ShareSpec, ShareStatus>

/** Who made the share through Gatehouse; shown to people, decides nothing. */
export const sharedByAnnotation = 'gatehouse.dev/shared-by'

interface Narrowing {
  readonly ports?: readonly string[]
  readonly connectionTypes?: readonly string[]
}

/** Is it for some ports, or some kinds of connection, alone? */
export function isNarrowed({ ports, connectionTypes }: Narrowing): boolean {
  return ports !== undefined || connectionTypes !== undefined
}

const parseSpec = parserOf(ShareSpec)
const parseStatus = parserOf(ShareStatus)

export const shareKind: ResourceKind<WorkspaceShare> = {
  group: 'workspace.jupyter.org',
  version: 'v1alpha1',
  kind: 'WorkspaceShare',
  plural: 'workspaceshares',
  parseSpec(value) {
    const spec = parseSpec(value)
    if (spec.expiresAt !== undefined && Number.isNaN(Date.parse(spec.expiresAt))) {
      throw new GatewayError('invalid_resource', '/expiresAt is no date')
    }
    return spec
  },
  parseStatus: (value) => parseStatus(value ?? {}),
}

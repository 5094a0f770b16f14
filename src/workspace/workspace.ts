/** The `Workspace` of `workspace.jupyter.org/v1alpha1` as the gateway reads it: upstream's fields it needs, and ours, all of those optional. */
import Type, { type Static } from 'typebox'
import { GatewayError } from '#errors.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { parserOf } from '#resources/parsing.ts'
import { parseWorkspaceRef, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { withAnnotatedFields } from './annotations.ts'
import { readOwnerStamp } from './owner-stamp.ts'

const Probe = Type.Union([
  Type.Object({ tcp: Type.Object({}) }, { additionalProperties: false }),
  Type.Object({ httpGet: Type.Object({ path: Type.String({ maxLength: 1024 }) }) }, { additionalProperties: false }),
])

const Port = Type.Object({
  name: Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  label: Type.Optional(Type.String({ maxLength: 100 })),
  /** Listed in the console. Not listed is still reachable by those permitted. */
  expose: Type.Boolean({ default: true }),
  /** Whether the app serves below its public prefix (`preserve`) or at `/` (`strip`). */
  path: Type.Union([Type.Literal('preserve'), Type.Literal('strip')], { default: 'preserve' }),
  /** With `strip`: what is put in front of the rest instead, such as `/sub/`. No segment is of dots alone. */
  subpath: Type.Optional(Type.String({ pattern: '^/([.]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*$', maxLength: 200 })),
  probe: Type.Optional(Probe),
  /**
   * Whether its traffic keeps the workspace from being stopped as idle. Has no default here: unset means that an app beside the IDE does not, and
   * all else does.
   */
  activity: Type.Optional(Type.Union([Type.Literal('count'), Type.Literal('ignore')])),
})

const EnvVar = Type.Object({
  /** What Kubernetes takes: printable ASCII without `=`. */
  name: Type.String({ pattern: '^[ -<>-~]+$' }),
  value: Type.String({ default: '' }),
})

const Name = Type.String({ minLength: 1, maxLength: 253 })

/** Fields that upstream has and Gatehouse does not read stay as they are. */
const WorkspaceSpec = Type.Object({
  displayName: Type.String({ default: '' }),
  image: Type.Optional(Type.String()),
  desiredStatus: Type.Union([Type.Literal('Running'), Type.Literal('Stopped')], { default: 'Running' }),
  ownershipType: Type.Optional(Type.Union([Type.Literal('Public'), Type.Literal('OwnerOnly')])),
  /** Has no default here: unset means what the administrator says, and OwnerOnly if he says nothing. */
  accessType: Type.Optional(Type.Union([Type.Literal('Public'), Type.Literal('OwnerOnly')])),
  appType: Type.Optional(Type.String()),
  containerConfig: Type.Optional(
    Type.Object({ command: Type.Optional(Type.Array(Type.String())), args: Type.Optional(Type.Array(Type.String())) }),
  ),
  env: Type.Optional(Type.Array(EnvVar)),
  ports: Type.Optional(Type.Array(Port, { minItems: 1, maxItems: 32 })),
  /** The older form is the name alone. */
  templateRef: Type.Optional(
    Type.Union([Name, Type.Object({ name: Name, namespace: Type.Optional(Type.String({ maxLength: 63 })) })]),
  ),
  managerRef: Type.Optional(Type.Object({ name: Type.String() })),
  executionProfileRef: Type.Optional(Type.Object({ name: Name })),
  /** Judged by whoever decides by it: a fault in it stops nothing, and hides no workspace. */
  idleShutdown: Type.Optional(Type.Unknown()),
  /** Of its container. Read by `memoryOf` alone. */
  resources: Type.Optional(Type.Unknown()),
})

export type WorkspaceSpec = Static<typeof WorkspaceSpec>
export type WorkspacePort = Static<typeof Port>
export type PortProbe = Static<typeof Probe>

export interface WorkspaceStatus {
  readonly [field: string]: unknown
}

export type Workspace = Resource<WorkspaceSpec, WorkspaceStatus>

/** Set by whoever admits the object; who it names (see {@link ownerOf}) owns the workspace. */
export const createdByAnnotation = 'workspace.jupyter.org/created-by'

const parse = parserOf(WorkspaceSpec)

export const workspaceKind: ResourceKind<Workspace> = {
  group: 'workspace.jupyter.org',
  version: 'v1alpha1',
  kind: 'Workspace',
  plural: 'workspaces',
  parseSpec(value, annotations = {}) {
    const spec = parse(withAnnotatedFields(value, annotations))
    const ports = spec.ports ?? []
    if (
      new Set(ports.map((port) => port.port)).size < ports.length ||
      new Set(ports.map((port) => port.name)).size < ports.length
    ) {
      throw new GatewayError('invalid_resource', '/ports names and numbers must be unique')
    }
    return spec
  },
  parseStatus: (value) => (typeof value === 'object' && value !== null ? { ...value } : {}),
}

/** The port a workspace has when it declares none: upstream's. */
const implicitPort: WorkspacePort = { name: 'http', port: 8888, expose: true, path: 'preserve' }

/** Every port with a URL, the main one first. */
export function portsOf(workspace: Workspace): readonly [WorkspacePort, ...WorkspacePort[]] {
  const [main, ...others] = workspace.spec.ports ?? []
  return main === undefined ? [implicitPort] : [main, ...others]
}

/** Their username. */
export function ownerOf(workspace: Workspace): string | undefined {
  return readOwnerStamp(workspace.metadata.annotations[createdByAnnotation] ?? '')
}

/** `undefined` for an object whose name no URL could ever name. */
export function refOf(workspace: Workspace): WorkspaceRef | undefined {
  return parseWorkspaceRef(workspace.metadata.namespace, workspace.metadata.name)
}

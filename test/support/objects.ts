/** Workspaces, shares, identities and instances for tests, with only what a test cares about spelled out. */
import type { Identity } from '#identity/identity.ts'
import type { Session, SessionName } from '#identity/session.ts'
import type { ObjectMeta, ResourceVersion, Uid } from '#resources/contract.ts'
import type { Endpoint, Instance, InstanceUid } from '#runtime/contract.ts'
import { type ShareSpec, type ShareStatus, shareKind, type WorkspaceShare } from '#workspace/share.ts'
import { createdByAnnotation, type Workspace, type WorkspacePort, workspaceKind } from '#workspace/workspace.ts'

// The casts in this file brand test literals that no parser hands out.
const uidOf = (text: string) => text as Uid

export function meta(fields: {
  name: string
  namespace?: string
  uid?: string
  generation?: number
  annotations?: Record<string, string>
}): ObjectMeta {
  return {
    name: fields.name,
    namespace: fields.namespace ?? 'team',
    uid: uidOf(fields.uid ?? `uid-${fields.namespace ?? 'team'}-${fields.name}`),
    resourceVersion: '1' as ResourceVersion,
    generation: fields.generation ?? 1,
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: {},
    annotations: fields.annotations ?? {},
    ownerReferences: [],
  }
}

export function workspace(fields: {
  name?: string
  namespace?: string
  uid?: string
  owner?: string
  spec?: Record<string, unknown>
}): Workspace {
  const annotations: Record<string, string> = fields.owner === undefined ? {} : { [createdByAnnotation]: fields.owner }
  return {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'Workspace',
    metadata: meta({ ...fields, name: fields.name ?? 'nb', annotations }),
    spec: workspaceKind.parseSpec(fields.spec ?? {}),
    status: {},
  }
}

/** Accepted for the given workspaces, unless a status says otherwise. */
export function share(of: readonly Workspace[], spec: Partial<ShareSpec>, status?: ShareStatus): WorkspaceShare {
  const accepted: ShareStatus = {
    workspaces: of.map((shared) => ({ name: shared.metadata.name, uid: shared.metadata.uid })),
    observedGeneration: 1,
    conditions: [{ type: 'Accepted', status: 'True', reason: 'OwnerGranted', message: '' }],
  }
  return {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'WorkspaceShare',
    metadata: meta({ name: 'a-share', namespace: of[0]?.metadata.namespace ?? 'team' }),
    spec: shareKind.parseSpec({
      workspaces: of.map((shared) => ({ name: shared.metadata.name })),
      grantees: [{ kind: 'User', name: 'bob' }],
      ...spec,
    }),
    status: status ?? accepted,
  }
}

export function person(username: string, ...groups: string[]): Identity {
  return { kind: 'person', username, uid: `sub-${username}`, groups }
}

export function port(fields: Partial<WorkspacePort> = {}): WorkspacePort {
  return { name: 'http', port: 8888, expose: true, path: 'preserve', ...fields }
}

export function instance(of: Workspace, fields: Partial<Instance> = {}): Instance {
  const endpoint: Endpoint = { kind: 'unix', path: '/nowhere' }
  return {
    ref: { namespace: of.metadata.namespace, name: of.metadata.name },
    workspaceUid: of.metadata.uid,
    instanceUid: `run-${of.metadata.uid}` as InstanceUid,
    phase: 'running',
    reason: '',
    message: '',
    endpoints: new Map([[8888, endpoint]]),
    steps: [],
    ...fields,
  }
}

/** One hour, as after a login at the start of 2026. */
export function session(username: string, ...groups: string[]): Session {
  const start = Date.parse('2026-01-01T00:00:00Z')
  return {
    name: `session-of-${username}` as SessionName,
    kind: 'browser',
    identity: person(username, ...groups),
    issuer: 'https://idp.example.test',
    subject: `sub-${username}`,
    userAgent: '',
    createdAt: start,
    expiresAt: start + 3_600_000,
    notAfter: start + 12 * 3_600_000,
  }
}

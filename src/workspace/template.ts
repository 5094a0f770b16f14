/**
 * `WorkspaceTemplate` as the gateway reads it: what it says of idle workspaces. Its fields are kept as they were written, since a template that one
 * of them makes unreadable would look as if there were none; whoever decides by a field judges it (`activity/idle-policy.ts`).
 */
import { GatewayError } from '#errors.ts'
import type { ObjectName, Resource, ResourceKind } from '#resources/contract.ts'
import type { Workspace } from './workspace.ts'

export interface TemplateSpec {
  readonly defaultIdleShutdown?: unknown
  readonly idleShutdownOverrides?: unknown
  readonly idleShutdownRules?: unknown
}

export type WorkspaceTemplate = Resource<TemplateSpec, undefined>

/**
 * JSON that stands for `spec.idleShutdownRules` where the schema of templates is jupyter-k8s', which drops that field. Unlike those of a Workspace
 * the annotations of a template reach no pod.
 */
export const idleRulesAnnotation = 'gatehouse.dev/idle-shutdown-rules'
/**
 * JSON that stands for `spec.defaultIdleShutdown` where the template has none: jupyter-k8s gives every Workspace the default of its template, and then
 * stops it itself, so that it is told of none where Gatehouse is to decide.
 */
export const idleDefaultAnnotation = 'gatehouse.dev/default-idle-shutdown'

export const templateKind: ResourceKind<WorkspaceTemplate> = {
  group: 'workspace.jupyter.org',
  version: 'v1alpha1',
  kind: 'WorkspaceTemplate',
  plural: 'workspacetemplates',
  parseSpec(value, annotations = {}) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new GatewayError('invalid_resource', 'the spec of a template is no object')
    }
    const { [idleRulesAnnotation]: rules, [idleDefaultAnnotation]: fallback } = annotations
    return {
      ...(rules === undefined ? {} : { idleShutdownRules: readJson(rules) }),
      ...(fallback === undefined ? {} : { defaultIdleShutdown: readJson(fallback) }),
      ...value,
    }
  },
  parseStatus: () => undefined,
}

/** What is no JSON stays a text, which nobody takes for what was asked for. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The template that a workspace is made after; of its own namespace where it says none. */
export function templateNameOf({ metadata, spec }: Workspace): ObjectName | undefined {
  const { templateRef } = spec
  if (templateRef === undefined) return undefined
  if (typeof templateRef === 'string') return { namespace: metadata.namespace, name: templateRef }
  return { namespace: templateRef.namespace || metadata.namespace, name: templateRef.name }
}

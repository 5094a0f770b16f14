/**
 * `WorkspaceTemplate` as the gateway reads it: what it says of idle workspaces. Its fields are kept as they were written, since a template that one
 * of them makes unreadable would look as if there were none; whoever decides by a field judges it (`activity/idle-policy.ts`).
 */
import { GatewayError } from '#errors.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { ObjectName, Resource, ResourceKind } from '#resources/contract.ts'
import type { Workspace } from './workspace.ts'

export interface TemplateSpec {
  readonly defaultIdleShutdown?: unknown
  /** What jupyter-k8s writes into every Workspace of the template and stops none by, where {@link idleDefaultAnnotation} counts instead. */
  readonly writtenIdleShutdown?: unknown
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
 * JSON that stands for `spec.defaultIdleShutdown` where the template has none, or one that is switched off: jupyter-k8s gives every Workspace the default of
 * its template, and then stops it itself unless that is off. It takes a template that allows no other only with a default in the field.
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
      ...value,
      ...(fallback === undefined ? {} : defaultBy(readJson(fallback), value)),
    }
  },
  parseStatus: () => undefined,
}

/** A field by which jupyter-k8s stops workspaces counts, whatever the annotation says. */
function defaultBy(annotation: unknown, { defaultIdleShutdown: field }: TemplateSpec): TemplateSpec {
  if (field === undefined) return { defaultIdleShutdown: annotation }
  const isOff = isJsonObject(field) && field.enabled === false
  return isOff ? { defaultIdleShutdown: annotation, writtenIdleShutdown: field } : {}
}

/** What is no JSON stays a text, which nobody takes for what was asked for. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Where jupyter-k8s, unless told otherwise, looks for a template that is not where its workspace says. */
const sharedNamespace = 'jupyter-k8s-shared'

/** What the template may be called that a workspace is made after: the first that there is. Empty: it is made after none. */
export function templateNamesOf({ metadata, spec }: Workspace): readonly ObjectName[] {
  const { templateRef } = spec
  if (templateRef === undefined) return []
  const { name, namespace = '' } = typeof templateRef === 'string' ? { name: templateRef } : templateRef
  return [namespace || metadata.namespace, sharedNamespace].map((of) => ({ namespace: of, name }))
}

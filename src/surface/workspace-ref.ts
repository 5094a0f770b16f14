/** The name of a workspace: namespace and name, both as Kubernetes allows them. */
import { isDnsLabel, isDnsSubdomain } from '#lib/dns-name.ts'

/** Made by {@link parseWorkspaceRef} alone, one object per name is not guaranteed: compare with {@link refKey}. */
export interface WorkspaceRef {
  readonly namespace: string
  readonly name: string
}

/** `undefined` unless both are legal Kubernetes names (RFC 1123: a label, a subdomain). */
export function parseWorkspaceRef(namespace: string, name: string): WorkspaceRef | undefined {
  return isDnsLabel(namespace) && isDnsSubdomain(name) ? { namespace, name } : undefined
}

/** A key for maps. `/` occurs in neither part, so two names never share one. */
export function refKey(ref: WorkspaceRef): string {
  return `${ref.namespace}/${ref.name}`
}

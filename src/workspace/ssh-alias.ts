/**
 * How SSH calls a workspace: `<name>.<namespace>.<deployment>.gatehouse`, always lower-case, since IDEs write other names in an encoding of their own. No name
 * server knows it. The deployment is part of it, so that what one of them vouches for is never a workspace of another.
 */
import { parseWorkspaceRef, refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'

export interface SshAlias {
  readonly ref: WorkspaceRef
  readonly deployment: string
}

const suffix = 'gatehouse'

/** What this Gatehouse is called in aliases: as the administrator says, or its domain with hyphens for dots. */
export function deploymentOf(settings: {
  readonly domain: string
  readonly ssh: { readonly deployment: string | undefined }
}): string {
  return settings.ssh.deployment ?? settings.domain.replaceAll('.', '-')
}

export function sshAlias(ref: WorkspaceRef, deployment: string): string {
  return `${ref.name}.${ref.namespace}.${deployment}.${suffix}`
}

/** Read from the right, since the name of a workspace may have dots. `undefined` for what no workspace is called. */
export function parseSshAlias(alias: string): SshAlias | undefined {
  const labels = alias.split('.')
  const [deployment = '', last] = labels.slice(-2)
  const namespace = labels.at(-3) ?? ''
  const ref = parseWorkspaceRef(namespace, labels.slice(0, -3).join('.'))
  return ref && last === suffix && isDeployment(deployment) ? { ref, deployment } : undefined
}

/** For `known_hosts` and `Host`: every workspace of a deployment, and of no other one. */
export function aliasPattern(deployment: string): string {
  return `*.${deployment}.${suffix}`
}

/** Domains may be longer than a label; then so is what is made of them. */
export function isDeployment(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,251}[a-z0-9])?$/.test(text)
}

/** What a certificate names for whoever may enter a workspace, and its `AuthorizedPrincipalsFile` holds. */
export function sshPrincipal(ref: WorkspaceRef): string {
  return `ws:${refKey(ref)}`
}

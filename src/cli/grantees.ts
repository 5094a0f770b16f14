/** Whom a share is for, as flags say it and as tables show it. */

import { usageFault } from '#cli/client/cli-fault.ts'
import { isDnsLabel } from '#lib/dns-name.ts'
import type { GranteeInput } from '#surface/messages.ts'

export const granteeOptions = {
  user: { type: 'string', multiple: true, default: [] },
  group: { type: 'string', multiple: true, default: [] },
  'service-account': { type: 'string', multiple: true, default: [] },
} satisfies Record<string, { type: 'string'; multiple: true; default: string[] }>

/** Throws `usage`. */
export function granteesOf(
  flags: Readonly<Partial<Record<keyof typeof granteeOptions, string[]>>>,
): readonly GranteeInput[] {
  return [
    ...(flags.user ?? []).map((name) => ({ kind: 'User' as const, name })),
    ...(flags.group ?? []).map((name) => ({ kind: 'Group' as const, name })),
    ...(flags['service-account'] ?? []).map(serviceAccountOf),
  ]
}

function serviceAccountOf(text: string): GranteeInput {
  const [namespace = '', name = '', ...more] = text.split('/')
  if (!isDnsLabel(namespace) || name === '' || more.length > 0)
    throw usageFault(`--service-account is NAMESPACE/NAME, not '${text}'`)
  return { kind: 'ServiceAccount', namespace, name }
}

export function granteeText({ kind, name, namespace }: GranteeInput): string {
  switch (kind) {
    case 'User':
      return name
    case 'Group':
      return `group ${name}`
    case 'ServiceAccount':
      return `service account ${namespace ?? ''}/${name}`
  }
}

export function isSameGrantee(a: GranteeInput, b: GranteeInput): boolean {
  return a.kind === b.kind && a.name === b.name && a.namespace === b.namespace
}

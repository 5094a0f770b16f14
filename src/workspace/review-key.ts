/** One text for one question: the same for equal ones, and never for two that only read the same in a row. */
import { hash } from 'node:crypto'
import type { ReviewQuestion, ReviewSubject } from '#resources/reviewer.ts'

/** Namespaces and RBAC's words hold no space; a name comes last. */
export function keyOf({ subject, namespace, action }: ReviewQuestion): string {
  const { verb, group, resource, name = '' } = action
  return `${subjectKeyOf(subject)} ${namespace} ${verb} ${group} ${resource} ${name}`
}

/**
 * As JSON, never the parts one after the other (CVE-2026-71326, CVE-2026-33496), and short however many groups there are. Membership has no
 * order: an issuer that names the groups in another one asks nothing new.
 */
function subjectKeyOf({ username, uid, groups, extra }: ReviewSubject): string {
  const text = JSON.stringify([username, uid, groups.toSorted(), Object.entries(extra ?? {}).toSorted()])
  return hash('sha256', text, 'base64url')
}

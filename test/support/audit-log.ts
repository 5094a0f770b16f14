/** What the API server itself noted of writes to Workspaces (`.ci/audit-policy.yaml`), in the file that `GATEHOUSE_TEST_AUDIT_LOG` names. */
import { readFile } from 'node:fs/promises'

export interface AuditedWrite {
  /** Of its object. */
  readonly name: string
  /** `patch`, `delete`. */
  readonly verb: string
  readonly user: string
  readonly status: number
}

/** In this namespace, in the order in which they were answered; without those that were only tried. `undefined` where no file is named. */
export async function auditedWrites(namespace: string): Promise<readonly AuditedWrite[] | undefined> {
  const file = process.env.GATEHOUSE_TEST_AUDIT_LOG
  if (!file) return undefined
  // What is behind the last end of a line is still being written.
  const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1)
  return lines
    .map((line): AuditEntry => JSON.parse(line))
    .filter(({ objectRef, requestURI }) => objectRef?.namespace === namespace && !/[?&]dryRun=/.test(requestURI))
    .map(({ objectRef, verb, user, responseStatus }) => {
      return { name: objectRef?.name ?? '', verb, user: user.username, status: responseStatus?.code ?? 0 }
    })
}

/** `audit.k8s.io/v1`, as far as it is read. */
interface AuditEntry {
  readonly verb: string
  readonly requestURI: string
  readonly user: { readonly username: string }
  readonly objectRef?: { readonly namespace?: string; readonly name?: string }
  readonly responseStatus?: { readonly code?: number }
}

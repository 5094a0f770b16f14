/** Pods that come for themselves: each says by a token of its own that it is that pod, and whose pod it is, is known by the watch that routes go by. */
import type { PodTokens } from '#identity/pod-token.ts'
import type { Audit } from '#observe/audit.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'

export interface PodCallersParts {
  readonly directory: Pick<Directory, 'findByInstance'>
  readonly podTokens: PodTokens
  /** Of this Gatehouse, for nothing but what they come for. */
  readonly audience: string
}

/** The request that a pod asks with. */
export interface PodRequest {
  readonly requestId: string
  readonly client: string
}

export type PodCaller =
  /** `pod`: its UID. */
  | { readonly kind: 'known'; readonly entry: WorkspaceEntry; readonly pod: string }
  /** For the audit trail. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Throws as {@link PodTokens.verify}. */
export async function recognisePod(token: string | undefined, parts: PodCallersParts): Promise<PodCaller> {
  const { podTokens, audience, directory } = parts
  if (token === undefined) return { kind: 'refused', reason: 'no-token' }
  const verdict = await podTokens.verify(token, audience)
  if (verdict.kind === 'refused') return { kind: 'refused', reason: verdict.reason }
  const { namespace, uid: pod } = verdict
  // A token outlives its pod; the pod that runs now is what counts.
  const entry = directory.findByInstance(namespace, pod)
  return entry ? { kind: 'known', entry, pod } : { kind: 'refused', reason: 'no-such-pod' }
}

/** `reason`: with what it came for in front, such as `agent:no-token`. */
export function denyPod(audit: Audit, { requestId, client }: PodRequest, reason: string): void {
  const nobody = { user: undefined, session: undefined, workspace: undefined, port: undefined }
  audit.record({ event: 'deny', ...nobody, requestId, client, reason })
}

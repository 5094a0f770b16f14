/**
 * Stands in for the idle check of jupyter-k8s' operator (`transport: podExec`), which is not part of these tests: asks what its `curl` asks within the pod, reads
 * the answer by its rules, and stops the workspace as it does. It shows what Gatehouse's answer makes of these rules, and nothing of that operator.
 */
import type { Timestamp } from '#lib/clock.ts'

export interface IdleCheckQuestion {
  /** `status.applicationBasePath`. */
  readonly basePath: string
  readonly httpGet: { readonly path: string; readonly port: number }
  readonly timeoutMinutes: number
  /** By its own clock. */
  readonly now: Timestamp
}

export type IdleCheck =
  | { readonly kind: 'idle'; readonly last: Timestamp }
  | { readonly kind: 'active'; readonly last: Timestamp }
  /** It asks again at its next turn, for ever. */
  | { readonly kind: 'retry'; readonly why: string }
  /** It asks no more. */
  | { readonly kind: 'given-up' }

/** Go's `time.RFC3339`, which it parses in capitals. */
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

export async function upstreamIdleCheck(question: IdleCheckQuestion): Promise<IdleCheck> {
  const { basePath, httpGet, timeoutMinutes, now } = question
  const own = httpGet.path.replace(/^\/*/, '/')
  const path = basePath === '' || basePath === '/' ? own : basePath.replace(/\/+$/, '') + own
  const answer = await fetch(`http://localhost:${httpGet.port}${path}`).catch((error: unknown) => String(error))
  if (typeof answer === 'string') return { kind: 'retry', why: answer }
  const body = await answer.text()
  if (answer.status === 404) return { kind: 'given-up' }
  if (answer.status !== 200) return { kind: 'retry', why: `unexpected HTTP status: ${answer.status}` }
  const time = timeIn(body)
  if (time === undefined) return { kind: 'retry', why: `no timestamp in ${body}` }
  return { kind: now - time > timeoutMinutes * 60_000 ? 'idle' : 'active', last: time }
}

function timeIn(body: string): Timestamp | undefined {
  try {
    const { lastActiveTimestamp: text }: { readonly lastActiveTimestamp?: unknown } = JSON.parse(body)
    if (typeof text !== 'string' || !rfc3339.test(text.toUpperCase())) return undefined
    return Date.parse(text.toUpperCase())
  } catch {
    return undefined
  }
}

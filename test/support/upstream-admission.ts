/**
 * Stands in for jupyter-k8s' admission webhooks, which are no part of these tests, as far as they look at `idleShutdown` and at
 * namespaces: what they take of a template and of a Workspace, and what they write into one. It shows what Gatehouse makes of these rules, and nothing of that operator.
 */

/** Unless it is told otherwise. */
const sharedNamespace = 'jupyter-k8s-shared'

export interface IdleFields {
  readonly enabled: boolean
  readonly idleTimeoutInMinutes: number
  readonly detection: object
}

export interface UpstreamTemplate {
  readonly defaultIdleShutdown?: IdleFields
  readonly idleShutdownOverrides?: Overrides
}

interface Overrides {
  readonly allow?: boolean
  readonly minIdleTimeoutInMinutes?: number
  readonly maxIdleTimeoutInMinutes?: number
}

/** Why it is refused. */
export function templateRefusal({ defaultIdleShutdown: own, idleShutdownOverrides }: UpstreamTemplate) {
  if (idleShutdownOverrides === undefined) return undefined
  const { allow = true, minIdleTimeoutInMinutes: min = 0 } = idleShutdownOverrides
  const { maxIdleTimeoutInMinutes: max = Number.POSITIVE_INFINITY } = idleShutdownOverrides
  if (max < min) return 'bounds that nothing is within'
  if (!allow && own === undefined) return 'a lock without a default'
  return own?.enabled && !isWithin(own, min, max) ? 'a default out of its own bounds' : undefined
}

/** Whether a Workspace of that namespace may name a template or an access strategy that is there. */
export function mayBeNamed(there: string, from: string): boolean {
  return there === from || there === sharedNamespace
}

/** What stands in a new Workspace then, or why it is refused. */
export function admittedIdleShutdown(
  wish: IdleFields | undefined,
  template: UpstreamTemplate,
): IdleFields | undefined | string {
  const { defaultIdleShutdown: fallback, idleShutdownOverrides: overrides } = template
  const own = wish ?? fallback
  if (overrides === undefined) return own
  const { allow = true } = overrides
  const locked = allow ? undefined : fallback
  if (locked && own && JSON.stringify(structure(own)) !== JSON.stringify(structure(locked)))
    return 'not as its template'
  const { minIdleTimeoutInMinutes: min = locked?.idleTimeoutInMinutes ?? 0 } = overrides
  const { maxIdleTimeoutInMinutes: max = locked?.idleTimeoutInMinutes ?? Number.POSITIVE_INFINITY } = overrides
  return own?.enabled && !isWithin(own, min, max) ? 'out of bounds' : own
}

function isWithin({ idleTimeoutInMinutes: timeout }: IdleFields, min: number, max: number): boolean {
  return min <= timeout && timeout <= max
}

/** A lock leaves the time to the bounds. */
function structure({ enabled, detection }: IdleFields): readonly unknown[] {
  return [enabled, detection]
}

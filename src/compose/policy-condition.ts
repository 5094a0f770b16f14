/**
 * Says in the status of the WorkspaceManager which policies are missing, for whoever looks there with `kubectl`. One replica does, since two that
 * have not looked at the same instant would contradict one another.
 */
import { messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { latest } from '#lib/latest.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import type { Settings } from '#settings/settings.ts'
import { managerKind, statusWithPolicies } from '#workspace/manager.ts'
import type { Policies } from './policies.ts'

export interface PolicyConditionParts {
  readonly policies: Pick<Policies, 'verdict' | 'subscribe'>
  readonly resources: Resources
  readonly settings: Settings
  readonly clock: Clock
  readonly log: Log
}

/** A manager that is made anew says nothing of policies yet. */
const lookEvery: Milliseconds = 60_000
const retryAfter: Milliseconds = 5_000

/** Until the signal. Never rejects. */
export async function tellPolicies(parts: PolicyConditionParts, signal: AbortSignal): Promise<void> {
  const { policies, clock, log } = parts
  const news = latest(signal)
  using _ = policies.subscribe(() => news.signal())
  news.signal()
  let timer: Disposable | undefined
  for await (const _burst of news) {
    let pause = lookEvery
    timer?.[Symbol.dispose]()
    try {
      await tell(parts)
    } catch (error) {
      pause = retryAfter
      if (!signal.aborted)
        log.warn(
          { component: 'policies', reason: messageOf(error) },
          'the WorkspaceManager can not be told of policies',
        )
    }
    timer = clock.after(pause, () => news.signal())
  }
  timer?.[Symbol.dispose]()
}

async function tell({ policies, resources, settings, clock }: PolicyConditionParts): Promise<void> {
  const verdict = policies.verdict()
  const at = { namespace: settings.sessions.stateNamespace, name: settings.managerName }
  const manager = verdict && (await resources.get(managerKind, at))
  if (!manager) return
  const status = statusWithPolicies(manager, verdict, new Date(clock.now()).toISOString())
  if (!status) return
  const { uid, resourceVersion } = manager.metadata
  // Whoever has written meanwhile is a reason to look again, soon.
  await resources.patchStatus(managerKind, at, { ...status }, { uid, resourceVersion })
}

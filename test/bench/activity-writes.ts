/** How often what was seen of workspaces in which somebody works is written down: the writers of several replicas over a real store, on a clock of the test. */
import { activityKind } from '#activity/activity-record.ts'
import { ActivityWriter } from '#activity/activity-writer.ts'
import { ActivityRecorder } from '#activity/recorder.ts'
import { sight } from '#activity/sight.ts'
import { createLog } from '#observe/log.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { faultyResources } from '#test/support/faulty-resources.ts'

export interface Writing {
  readonly workspaces: number
  /** Each sees traffic of every workspace. */
  readonly replicas: number
  /** How long everybody works, of an hour of timeout. */
  readonly minutes: number
}

/** Without those of the first two minutes, in which one after the other begins to work, and so records are made. */
export async function writesPerSecond({ workspaces, replicas, minutes }: Writing): Promise<{ rate: number }> {
  const clock = fakeClock()
  const ending = new AbortController()
  const { signal } = ending
  const log = createLog({ level: 'error', clock, sink: { write: () => undefined } })
  const store = openEmbeddedStore({ file: ':memory:', kinds: [activityKind], clock, log, signal })
  const resources = faultyResources(store.resources)
  const recorders = Array.from({ length: replicas }, () => new ActivityRecorder({ clock }))
  const works = recorders.map((recorder, index) => {
    const names = { namespace: 'gatehouse', replica: `replica-${index}` }
    const policyOf = () => ({ timeout: 3_600_000, connectedCounts: false })
    const accessUrlOf = () => undefined
    return new ActivityWriter({ recorder, resources, ...names, policyOf, accessUrlOf, clock, log }).run(signal)
  })
  const typed = sight('interactive', 'kernel:execute_request')
  const written = () => resources.calls('create') + resources.calls('replace')
  const ofSeconds: number[] = []
  for (let second = 0; second < minutes * 60; second++) {
    const before = written()
    // Everybody does something every ten seconds, not all at once: neither that nor the writes of it fall together.
    for (const recorder of recorders) {
      for (let index = second % 10; index < workspaces; index += 10) {
        if (index % 60 > second) continue
        recorder.record({ namespace: 'team', name: `nb-${index}`, uid: `uid-${index}` }, typed, 'alice')
      }
    }
    await clock.advance(1_000)
    ofSeconds.push(written() - before)
  }
  const later = ofSeconds.slice(120)
  ending.abort()
  await clock.advance(1_000)
  await Promise.all(works)
  return { rate: later.reduce((sum, count) => sum + count, 0) / later.length }
}

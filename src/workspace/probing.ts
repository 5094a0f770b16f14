/** Joins the prober and the directory: what is wanted to run is probed, and what is found out is in the directory at once. */
import type { Directory, WorkspaceEntry } from './directory.ts'
import type { Prober } from './prober.ts'

/** Until it is disposed. */
export function joinProber(prober: Prober, directory: Directory): Disposable {
  const look = (entry: WorkspaceEntry) => {
    if (entry.workspace.spec.desiredStatus === 'Stopped') prober.forget(entry.ref)
    else prober.watch({ ref: entry.ref, workspaceUid: entry.uid, ports: entry.ports, instance: entry.instance })
  }
  for (const entry of directory.all()) look(entry)
  const changes = directory.subscribe(({ ref, after }) => (after ? look(after) : prober.forget(ref)))
  const news = prober.subscribe((change) => {
    if (change.kind === 'readiness') directory.readinessChanged(change.ref)
  })
  return {
    [Symbol.dispose]() {
      changes[Symbol.dispose]()
      news[Symbol.dispose]()
    },
  }
}

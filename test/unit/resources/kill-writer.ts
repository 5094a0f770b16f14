/** Run as a process of its own, to be killed: writes objects into the file it is given and says each one after its commit. */
import { systemClock } from '#lib/clock.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const log = { info() {}, warn() {}, error() {} }
const [, , file = ''] = process.argv
const kinds = [workspaceKind]
const store = openEmbeddedStore({ file, kinds, clock: systemClock, log, signal: new AbortController().signal })
for (let turn = 0; ; turn += 1) {
  const { metadata } = await store.resources.create(workspaceKind, {
    metadata: { namespace: 'default', name: `nb-${turn}` },
    spec: { displayName: '', desiredStatus: 'Stopped' },
  })
  process.stdout.write(`${JSON.stringify([metadata.name, metadata.uid, Number(metadata.resourceVersion)])}\n`)
}

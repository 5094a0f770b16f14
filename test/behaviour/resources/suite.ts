/**
 * The `Resources` contract as claims. Every implementation has to pass, so it says nothing that an API server would not do:
 * no order between kinds, collection of garbage some time later, bookmarks whenever.
 */
import { describe } from 'vitest'
import type { Resources } from '#resources/contract.ts'
import { describeOwnership } from './ownership.ts'
import { describeReading } from './reading.ts'
import { describeWatching } from './watches.ts'
import { describeWriting } from './writing.ts'

/** One opened implementation, which keeps `Workspace` and `WorkspaceShare` in the namespaces of `samples.ts`. */
export type OpenResources = () => Promise<AsyncDisposable & { readonly resources: Resources }>

export function describeResources(name: string, open: OpenResources): void {
  describe(`resources: ${name}`, () => {
    describeReading(open)
    describeWriting(open)
    describeWatching(open)
    describeOwnership(open)
  })
}

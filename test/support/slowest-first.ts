/** In which order test files begin: those that mostly wait come first, so that no worker is left with one of them when all else is done. */
import { BaseSequencer } from 'vitest/node'

/** The longest first, of those that begin together. */
const slow = [
  ...['/test/cluster/one-replica', '/test/cluster/freezing/', '/test/soak/', '/test/fuzz/'],
  '/test/behaviour/jupyter/idle',
  ...['/test/behaviour/laptop/', '/test/browser/', '/test/behaviour/activity/open-tabs'],
]

export class SlowestFirst extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer['sort']>[0]): ReturnType<BaseSequencer['sort']> {
    const rank = ({ moduleId }: (typeof files)[number]) => {
      const found = slow.findIndex((folder) => moduleId.includes(folder))
      return found === -1 ? slow.length : found
    }
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other))
  }
}

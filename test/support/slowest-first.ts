/**
 * In which order test files begin: long ones come first, so that no worker is left with one of them when all else is done; and those that mostly
 * wait beside those that mostly work.
 */
import { BaseSequencer } from 'vitest/node'

/** They wait, work, wait, work, work. */
const slow = ['/test/soak/', '/test/browser/', '/test/cluster/freezing/', '/test/fuzz/', '/test/behaviour/laptop/']

export class SlowestFirst extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer['sort']>[0]): ReturnType<BaseSequencer['sort']> {
    const rank = ({ moduleId }: (typeof files)[number]) => {
      const found = slow.findIndex((folder) => moduleId.includes(folder))
      return found === -1 ? slow.length : found
    }
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other))
  }
}

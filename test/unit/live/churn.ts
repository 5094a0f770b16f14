/** Requests that come and go, eight at a time, in one group that is older than they are. Collects once before, and says when it has. */
import { type LiveStream, StreamGroup, StreamIndex } from '#live/streams.ts'

class Brief implements LiveStream {
  readonly weight = new Array<number>(60).fill(0)

  end(): void {
    this.weight.length = 0
  }
}

const index = new StreamIndex()
const group = new StreamGroup({ session: 's', workspace: 'w', part: '8888' }, index)
const open = Array.from({ length: 8 }, () => new Brief())
for (const brief of open) group.add(brief)
globalThis.gc?.()
process.stdout.write('begun\n')
for (let turn = 0; turn < 2_000_000; turn += 1) {
  const place = turn % open.length
  const next = new Brief()
  const last = open[place]
  if (last) group.delete(last)
  open[place] = next
  group.add(next)
}

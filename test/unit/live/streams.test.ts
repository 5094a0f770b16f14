import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type LiveStream, StreamGroup, StreamIndex } from '#live/streams.ts'

const restarting = { code: 1012, reason: 'restart' } as const
const churn = fileURLToPath(new URL('./churn.ts', import.meta.url))

const stream = (): LiveStream & { ended: number } => ({
  ended: 0,
  end() {
    this.ended += 1
  },
})

function group(index: StreamIndex, session: string, workspace: string): StreamGroup {
  return new StreamGroup({ session, workspace, part: '8888' }, index)
}

describe('the index of what is live', () => {
  it('finds groups by session and by workspace for as long as they have a stream', () => {
    const index = new StreamIndex()
    const [one, two] = [group(index, 's1', 'w1'), group(index, 's1', 'w2')]
    const [first, second] = [stream(), stream()]
    one.add(first)
    two.add(second)
    expect(index.ofSession('s1')).toEqual([one, two])
    expect(index.ofWorkspace('w2')).toEqual([two])
    two.delete(second)
    expect([index.ofSession('s1'), index.ofWorkspace('w2'), index.all()]).toEqual([[one], [], [one]])
    two.add(second)
    expect(index.ofWorkspace('w2')).toEqual([two])
    expect(index.count().get('http')).toBe(2)
  })

  it('takes a session for used while somebody is on one of its streams, and still ends those that nobody is on', () => {
    const index = new StreamIndex()
    const one = group(index, 's1', 'w1')
    const [away, here] = [{ ...stream(), isAway: true }, stream()]
    one.add(away)
    expect([index.isInUse('s1'), index.isInUse('s2')]).toEqual([false, false])
    one.add(here)
    expect(index.isInUse('s1')).toBe(true)
    one.delete(here)
    expect(index.isInUse('s1')).toBe(false)
    for (const each of index.ofSession('s1')) each.end(restarting)
    expect(away.ended).toBe(1)
  })

  it('ends each stream once, those alone that are still there, and those that their end takes along as well', () => {
    const index = new StreamIndex()
    const one = group(index, 's1', 'w1')
    const [first, gone, last] = [stream(), stream(), stream()]
    for (const each of [first, gone, last]) one.add(each)
    one.delete(gone)
    expect(one.end(restarting)).toBe(2)
    expect([first.ended, gone.ended, last.ended, one.size]).toEqual([1, 0, 1, 0])
    expect(index.all()).toEqual([])
  })

  it('forgets groups that have no stream any more, and finds them again when they have', () => {
    const index = new StreamIndex()
    const groups = Array.from({ length: 50_000 }, (_, number) => group(index, `s${number}`, `w${number}`))
    const lasting = stream()
    groups[0]?.add(lasting)
    for (const each of groups.slice(1)) {
      const brief = stream()
      each.add(brief)
      each.delete(brief)
    }
    expect(index.size).toBeLessThanOrEqual(20_000)
    expect(index.all()).toEqual([groups[0]])
    groups[1]?.add(stream())
    expect(index.ofSession('s1')).toEqual([groups[1]])
  })

  it('leaves nothing of what is over for a full collection', async () => {
    // As at any gateway: what was there when the first full collection came is old from then on.
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--trace-gc', churn])
    const young = stdout.match(/Scavenge/g)?.length ?? 0
    const full = stdout.split('begun')[1]?.match(/Mark-Compact/g)?.length ?? 0
    expect(young).toBeGreaterThan(10)
    expect(full).toBe(0)
  })
})

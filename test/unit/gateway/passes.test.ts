import { describe, expect, test } from 'vitest'
import { type Decided, Passes } from '#gateway/passes.ts'
import { StreamIndex } from '#live/streams.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { port, session, share, workspace } from '#test/support/objects.ts'
import { Directory } from '#workspace/directory.ts'

function world() {
  const clock = fakeClock(Date.parse('2026-01-01T00:00:00Z'))
  const streams = new StreamIndex()
  const directory = new Directory({ clock, serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  directory.applyWorkspaces({ type: 'synced', objects: [workspace({ owner: 'alice' })] })
  const entry = directory.get({ namespace: 'team', name: 'nb' })
  if (!entry) throw new Error('the test has no workspace')
  const decidedFor = (who: string, fields: Partial<Decided> = {}): Decided => ({
    session: session(who),
    entry,
    port: port(),
    connectionType: 'web-ui',
    grant: { kind: 'owner' },
    validUntil: Number.POSITIVE_INFINITY,
    upstream: { key: 'nowhere', dial: () => Promise.reject(new Error('not dialled here')) },
    fixedHeaders: [],
    policy: { publicAuthority: '', hostname: '', publicPrefix: '/', upstreamPrefix: '/', isOwnCookie: () => false },
    ...fields,
  })
  return { clock, streams, passes: new Passes(streams, clock), entry, decidedFor }
}

const stream = () => ({ end: () => undefined })

describe('a pass', () => {
  test('is found again for its very session, generation and port alone', () => {
    const { passes, entry, decidedFor } = world()
    const decided = decidedFor('alice')
    const pass = passes.keep(decided, 7)
    expect(passes.find(decided.session, entry.uid, 8888, 7)).toBe(pass)
    expect(passes.find(decided.session, entry.uid, 8888, 8)).toBeUndefined()
    expect(passes.find(decided.session, entry.uid, 8501, 7)).toBeUndefined()
    expect(passes.find(decided.session, 'another', 8888, 7)).toBeUndefined()
    // The same session, renewed: its groups may be others now.
    expect(passes.find({ ...decided.session }, entry.uid, 8888, 7)).toBeUndefined()
  })

  test('ends with the session or the share that it rests on, to the millisecond', async () => {
    const { passes, clock, entry, decidedFor } = world()
    const until = clock.now() + 60_000
    const grant = { kind: 'share', share: share([workspace({})], {}), until } as const
    const decided = decidedFor('bob', { grant })
    const pass = passes.keep(decided, 1)
    await clock.advance(59_999)
    expect(passes.find(decided.session, entry.uid, 8888, 1)).toBe(pass)
    await clock.advance(1)
    expect(passes.find(decided.session, entry.uid, 8888, 1)).toBeUndefined()
  })

  test('made anew joins the group of the one before, whether that has streams or not', () => {
    const { passes, decidedFor } = world()
    const first = passes.keep(decidedFor('alice'), 1)
    expect(passes.keep(decidedFor('alice'), 2).group).toBe(first.group)
    first.group.add(stream())
    expect(passes.keep(decidedFor('alice'), 3).group).toBe(first.group)
    expect(passes.keep(decidedFor('bob'), 3).group).not.toBe(first.group)
  })

  test('that was forgotten among many leaves its group to its streams, and nothing else behind', () => {
    const { passes, streams, decidedFor } = world()
    const live = passes.keep(decidedFor('alice'), 1).group
    live.add(stream())
    const idle = passes.keep(decidedFor('bob'), 1).group
    for (let index = 0; index < 20_000; index += 1) passes.keep(decidedFor(`visitor-${index}`), 1)
    expect(passes.keep(decidedFor('alice'), 1).group).toBe(live)
    expect(passes.keep(decidedFor('bob'), 1).group).not.toBe(idle)
    expect(streams.all()).toEqual([live])
  })
})

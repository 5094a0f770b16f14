import { expect, test } from 'vitest'
import { type Listener, StatusNews } from '#gateway/status-news.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { person, session, workspace } from '#test/support/objects.ts'
import { Directory, type WorkspaceEntry } from '#workspace/directory.ts'

type Admitted = Awaited<ReturnType<Listener['admit']>>

test('what changes while it is asked whether somebody may still listen is told with no further change to wait for', async () => {
  const clock = fakeClock()
  const directory = new Directory({ clock, serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  const entryIn = (desiredStatus: string): WorkspaceEntry => {
    directory.applyWorkspaces({ type: 'synced', objects: [workspace({ owner: 'alice', spec: { desiredStatus } })] })
    const [entry] = directory.all()
    if (!entry) throw new Error('there is no workspace')
    return entry
  }
  let change = () => {}
  const standing = { kind: 'not-idle', reason: 'off', message: '' } as const
  const reading = { startedAt: undefined, clocks: {}, standing, stopsAt: undefined, end: undefined }
  const news = new StatusNews({
    activity: {
      reading: () => ({ ...reading, at: clock.now(), rule: { kind: 'off' } }),
      subscribe(_ref, listener) {
        change = listener
        return { [Symbol.dispose]: () => undefined }
      },
    },
    policy: { defaultAccessType: 'OwnerOnly', administrators: { groups: [], users: [] } },
    subscribeSessions: () => ({ [Symbol.dispose]: () => undefined }),
    closing: new AbortController().signal,
    clock,
  })
  const before = entryIn('Running')
  const asked: ((admitted: Admitted) => void)[] = []
  const alice = { ...session('alice'), identity: person('alice') }
  const listener: Listener = {
    session: alice,
    present: async () => alice,
    admit: () => new Promise<Admitted>((resolve) => asked.push(resolve)),
  }
  const left = new AbortController()
  const told: string[] = []
  const reply = news.open(before, listener)
  const listening = (async () => {
    for await (const text of reply?.news?.(left.signal) ?? []) told.push(text)
  })()
  const states = () => told.flatMap((text) => /"state":"(\w+)"/.exec(text)?.[1] ?? [])

  await expect.poll(() => asked.length).toBe(1)
  change()
  asked[0]?.({ ok: true, value: before })
  await expect.poll(states).toHaveLength(1)
  await expect.poll(() => asked.length).toBe(2)
  asked[1]?.({ ok: true, value: entryIn('Stopped') })
  await expect.poll(states).toEqual([before.state.phase, 'Stopped'])
  left.abort()
  await listening
})

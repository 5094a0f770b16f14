import { describe, expect, test } from 'vitest'
import { revokeOnChange, type SessionChange } from '#gateway/revocation.ts'
import type { Session } from '#identity/session.ts'
import { type EndReason, StreamGroup, StreamIndex } from '#live/streams.ts'
import { createLog } from '#observe/log.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { instance, session, share, workspace } from '#test/support/objects.ts'
import { type ScriptedReviewer, scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { sshPortsOf } from '#workspace/connections.ts'
import { Directory } from '#workspace/directory.ts'
import { Reviews } from '#workspace/reviews.ts'

const nb = workspace({
  owner: 'alice',
  spec: {
    ports: [
      { name: 'lab', port: 8888 },
      { name: 'app', port: 8501 },
    ],
  },
})
const given = share([nb], { expiresAt: '2026-01-01T00:01:00Z' })

const log = createLog({ level: 'error', clock: fakeClock(), sink: { write: () => undefined } })

/** alice owns a running workspace that she shared with bob for a minute; both and an administrator have it open. */
function world(makeReviews?: (clock: FakeClock) => Reviews) {
  const clock = fakeClock(Date.parse('2026-01-01T00:00:00Z'))
  const reviews = makeReviews?.(clock)
  const directory = new Directory({ clock, serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  directory.applyWorkspaces({ type: 'synced', objects: [nb] })
  directory.applyShares({ type: 'synced', objects: [given] })
  directory.applyInstances({ type: 'synced', instances: [instance(nb)] })
  const streams = new StreamIndex()
  const sessions = new Map<string, Session>()
  const listeners = new Set<(change: SessionChange) => void>()
  const revocation = revokeOnChange({
    directory,
    streams,
    clock,
    log,
    ...(reviews ? { reviews } : {}),
    tunnels: { connections: [], sshPorts: sshPortsOf([]), insecureDirectSsh: true, isByAgent: () => false },
    policy: { defaultAccessType: 'OwnerOnly', administrators: { groups: ['admins'], users: [] } },
    sessionOf: (name) => sessions.get(name),
    subscribeSessions(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
  })
  const ended: Record<string, number> = {}
  const open = (of: Session, label: string, part = '8888') => {
    sessions.set(of.name, of)
    const group = new StreamGroup({ session: of.name, workspace: nb.metadata.uid, part }, streams)
    group.add({
      end(reason: EndReason) {
        ended[label] = reason.code
      },
    })
  }
  open(session('alice'), 'alice')
  open(session('bob'), 'bob')
  open(session('carol', 'admins'), 'carol')
  const changeSession = (change: SessionChange) => {
    if (change.type === 'ended') sessions.delete(change.session.name)
    else sessions.set(change.session.name, change.session)
    for (const listener of listeners) listener(change)
  }
  return { clock, directory, streams, ended, open, changeSession, revocation }
}

describe('everything live ends with what it rested on, and nothing else does', () => {
  test('a revoked share ends its grantee’s streams with 1008', () => {
    const { directory, ended } = world()
    directory.applyShares({ type: 'deleted', object: given })
    expect(ended).toEqual({ bob: 1008 })
  })

  test('a share’s expiry does so at its very instant', async () => {
    const { clock, ended } = world()
    await clock.advance(59_999)
    expect(ended).toEqual({})
    await clock.advance(1)
    expect(ended).toEqual({ bob: 1008 })
  })

  test('a stop and a deletion end everybody’s with 1001', () => {
    const stopped = world()
    stopped.directory.applyWorkspaces({
      type: 'applied',
      object: { ...nb, spec: { ...nb.spec, desiredStatus: 'Stopped' } },
    })
    expect(stopped.ended).toEqual({ alice: 1001, bob: 1001, carol: 1001 })
    const deleted = world()
    deleted.directory.applyWorkspaces({ type: 'deleted', object: nb })
    expect(deleted.ended).toEqual({ alice: 1001, bob: 1001, carol: 1001 })
  })

  test('a workspace created again under the same name is another one', () => {
    const { directory, ended } = world()
    directory.applyWorkspaces({ type: 'applied', object: workspace({ owner: 'alice', uid: 'new' }) })
    expect(ended).toEqual({ alice: 1001, bob: 1001, carol: 1001 })
  })

  test('a logout ends that session alone', () => {
    const { changeSession, ended } = world()
    changeSession({ type: 'ended', session: session('alice') })
    expect(ended).toEqual({ alice: 1008 })
  })

  test('a lost group ends what rested on it', () => {
    const { changeSession, ended } = world()
    changeSession({ type: 'changed', session: session('carol') })
    expect(ended).toEqual({ carol: 1008 })
  })

  test('a port taken out of the workspace ends its streams', () => {
    const { directory, ended, open } = world()
    open(session('alice'), 'alice on app', '8501')
    const without = workspace({ owner: 'alice', spec: { ports: [{ name: 'lab', port: 8888 }] } })
    directory.applyWorkspaces({ type: 'applied', object: without })
    expect(ended).toEqual({ 'alice on app': 1008 })
  })

  test('a change that takes nothing away ends nothing', () => {
    const { directory, changeSession, ended } = world()
    directory.applyWorkspaces({ type: 'applied', object: { ...nb, spec: { ...nb.spec, displayName: 'New name' } } })
    changeSession({ type: 'changed', session: session('carol', 'admins', 'others') })
    expect(ended).toEqual({})
  })

  test('a stream is ended once and is out of the index', () => {
    const { directory, streams, ended } = world()
    directory.applyShares({ type: 'deleted', object: given })
    expect(streams.ofWorkspace(nb.metadata.uid).length).toBe(2)
    delete ended.bob
    directory.applyShares({ type: 'synced', objects: [] })
    expect(ended).toEqual({})
  })
})

describe('in a cluster', () => {
  function cluster(says: ScriptedReviewer['says'] = 'allowed') {
    const reviewer = scriptedReviewer(says)
    const { signal } = new AbortController()
    return { reviewer, ...world((clock) => new Reviews({ reviewer, clock, log, signal, most: 100 })) }
  }
  const isBob = ({ subject }: { subject: { username: string } }) => subject.username === 'bob'
  const second = 1_000

  /** Without the end of bob's share in it. */
  const forGood = (all: ReturnType<typeof cluster>) =>
    all.directory.applyShares({ type: 'synced', objects: [share([nb], {})] })

  test('a right taken away by RBAC alone ends its streams within 30 s, and nobody else’s', async () => {
    for (const open of [1, 7, 14, 16, 23, 59, 600]) {
      const all = cluster()
      forGood(all)
      await all.clock.advance(open * second)
      all.reviewer.says = (question) => (isBob(question) ? 'denied' : 'allowed')
      await all.clock.advance(30 * second)
      expect(all.ended).toEqual({ bob: 1008 })
    }
  })

  test('what is live keeps its reviews fresh, at about one question in 20 s for each person and namespace', async () => {
    const all = cluster()
    forGood(all)
    all.open(session('bob'), 'bob on app', '8501')
    await all.clock.advance(600 * second)
    expect(all.ended).toEqual({})
    expect(all.reviewer.asked.filter(isBob).length).toBeGreaterThan(20)
    expect(all.reviewer.asked.filter(isBob).length).toBeLessThan(45)
  })

  test('without an answer streams go on for five minutes, then they end', async () => {
    const all = cluster()
    forGood(all)
    await all.clock.advance(60 * second)
    all.reviewer.says = 'silent'
    await all.clock.advance(270 * second)
    expect(all.ended).toEqual({})
    await all.clock.advance(45 * second)
    expect(all.ended).toEqual({ alice: 1008, bob: 1008, carol: 1008 })
  })

  test('an API server that comes back in time ends nobody’s', async () => {
    const all = cluster()
    forGood(all)
    await all.clock.advance(60 * second)
    all.reviewer.says = 'unreachable'
    await all.clock.advance(200 * second)
    all.reviewer.says = 'allowed'
    await all.clock.advance(600 * second)
    expect(all.ended).toEqual({})
  })

  test('other groups are another question: asked at once, and a no ends what is open', async () => {
    const all = cluster()
    forGood(all)
    await all.clock.advance(10 * second)
    const asked = all.reviewer.asked.length
    all.reviewer.says = ({ subject }) => (subject.groups.includes('lost') ? 'denied' : 'allowed')
    all.changeSession({ type: 'changed', session: session('bob', 'lost') })
    expect(all.reviewer.asked).toHaveLength(asked + 1)
    await all.clock.advance(0)
    expect(all.ended).toEqual({ bob: 1008 })
  })

  test('nobody is asked about streams that end anyway', () => {
    const all = cluster()
    all.directory.applyShares({ type: 'deleted', object: given })
    expect(all.ended).toEqual({ bob: 1008 })
    expect(all.reviewer.asked.filter(isBob)).toEqual([])
  })

  test('nothing is asked any more once it is disposed', async () => {
    const all = cluster()
    await all.clock.advance(10 * second)
    all.revocation[Symbol.dispose]()
    const asked = all.reviewer.asked.length
    await all.clock.advance(600 * second)
    expect(all.reviewer.asked).toHaveLength(asked)
  })
})

import { describe, expect, test } from 'vitest'
import { sessionNameOf } from '#identity/session-id.ts'
import { type SessionSpec, sessionKind } from '#identity/session-record.ts'
import { openSessions, type SessionStore } from '#identity/session-store.ts'
import { type SessionChange, SessionTable } from '#identity/session-table.ts'
import { Secret } from '#settings/secret.ts'
import { identityWorld, loginOf, namespace } from '#test/support/identity-world.ts'

const minute = 60_000
const hour = 60 * minute

/** What a store tells: `ended alice expired`. */
function listen(sessions: SessionStore): string[] {
  const heard: string[] = []
  sessions.subscribe((change: SessionChange) => {
    const { username } = change.session.identity
    heard.push(change.type === 'ended' ? `ended ${username} ${change.why}` : `changed ${username}`)
  })
  return heard
}

describe('a session', () => {
  test('is known where it was made at once, and to the other replicas by their watch', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { session, id } = await one.sessions.create(loginOf('alice', { kind: 'cli', device: "alice's laptop" }))
    expect(one.sessions.get(session.name)).toBe(session)
    expect(session).toMatchObject({
      kind: 'cli',
      identity: { username: 'alice', uid: 'uid-alice', groups: ['ds'] },
      subject: 'sub-alice',
      expiresAt: world.clock.now() + hour,
      notAfter: world.clock.now() + 12 * hour,
    })
    await world.settle()
    expect(two.sessions.get(sessionNameOf(id))).toEqual(session)
  })

  test('is kept without its id and without a token in the clear', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const tokens = { refreshToken: new Secret('refresh-me-not'), idToken: new Secret('id-me-not') }
    const { session, id } = await sessions.create(loginOf('alice', { ...tokens, sid: 'sid-1' }))
    const record = await world.resources.get(sessionKind, { namespace, name: session.name })
    const text = JSON.stringify(record) + world.lines.join('')
    for (const secret of [id, 'refresh-me-not', 'id-me-not']) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(Buffer.from(secret).toString('base64url'))
    }
    expect(record?.metadata.name).toBe(sessionNameOf(id))
    if (!record) throw new Error('no record')
    expect(sessions.tokens(record).refreshToken?.reveal()).toBe('refresh-me-not')
    expect(sessions.tokens(record).idToken?.reveal()).toBe('id-me-not')
  })

  test("a token copied into another session's record opens to nothing", async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const alice = await sessions.create(loginOf('alice', { refreshToken: new Secret('of alice') }))
    const bob = await sessions.create(loginOf('bob', { refreshToken: new Secret('of bob') }))
    const stolen = sessions.record(alice.session.name)?.spec.refreshToken
    const record = sessions.record(bob.session.name)
    if (!stolen || !record) throw new Error('no record')
    const swapped = { ...record, spec: { ...record.spec, refreshToken: stolen, idToken: stolen } }
    expect(sessions.tokens(swapped)).toEqual({ refreshToken: undefined, idToken: undefined })
  })

  test.for([
    ['group', { groups: ['ds', 'system:masters'] }],
    ['name', { username: 'system:serviceaccount:kube-system:admin' }],
  ] as [string, Partial<SessionSpec>][])(
    "#109 is over, on every replica, once somebody writes a %s of Kubernetes' own into its record",
    async ([, spec]) => {
      await using world = identityWorld()
      const [one, two] = [await world.replica(), await world.replica()]
      const { session, id } = await one.sessions.create(loginOf('alice'))
      await world.settle()
      const heard = listen(two.sessions)
      const record = two.sessions.record(session.name)
      if (!record) throw new Error('no record')
      await world.resources.replace(sessionKind, { ...record, spec: { ...record.spec, ...spec } })
      await world.settle()
      expect([one.sessions.get(session.name), two.sessions.get(session.name)]).toEqual([undefined, undefined])
      expect(heard).toEqual(['ended alice altered'])
      expect(await (await world.replica()).sessions.look(sessionNameOf(id))).toMatchObject({ kind: 'ended' })
    },
  )

  test("#109 is none with a name of Kubernetes' own, whoever has sealed it", async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const { session } = await sessions.create(loginOf('alice'))
    const record = sessions.record(session.name)
    if (!record) throw new Error('no record')
    for (const spec of [{ groups: ['ds', 'system:masters'] }, { username: 'system:admin' }]) {
      const table = new SessionTable({ clock: world.clock, log: world.log })
      expect(table.apply({ ...record, spec: { ...record.spec, ...spec } }, 'watch')).toBe(false)
      expect([table.get(session.name), table.endOf(session.name)]).toEqual([undefined, 'untrusted'])
    }
  })

  test('keeps of a user agent 256 characters at most, and no control characters', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const raw = `Fire\u0000fox\r\n\u001b[31m\u202e${'x'.repeat(1_000)}`
    const { session } = await sessions.create(loginOf('alice', { userAgent: raw }))
    expect(session.userAgent).toHaveLength(256)
    expect(session.userAgent).toMatch(/^Firefox\[31mx+$/)
  })

  test('is found by what an issuer or an administrator knows of it', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const { session } = await sessions.create(loginOf('alice', { sid: 'sid-1' }))
    await sessions.create(loginOf('alice', { sid: 'sid-2' }))
    await sessions.create(loginOf('bob', { sid: 'sid-1', issuer: 'https://other.example.com' }))
    const found = sessions.find(({ spec }) => spec.sid === 'sid-1' && spec.issuer === session.issuer)
    expect(found.map((record) => record.metadata.name)).toEqual([session.name])
  })

  test('survives a restart', async () => {
    await using world = identityWorld()
    const before = await world.replica()
    const { session } = await before.sessions.create(loginOf('alice'))
    const after = await world.replica()
    expect(after.sessions.get(session.name)).toEqual(session)
  })
})

describe('time', () => {
  test('a session ends at expiresAt exactly, on every replica, and each says so once', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const heard = [listen(one.sessions), listen(two.sessions)]
    const { session } = await one.sessions.create(loginOf('alice'))
    await world.clock.advance(hour - 1)
    expect(two.sessions.get(session.name)).toEqual(session)
    expect(heard).toEqual([[], []])
    await world.clock.advance(1)
    expect(heard).toEqual([['ended alice expired'], ['ended alice expired']])
    expect(one.sessions.peek(session.name)).toEqual({ kind: 'ended', why: 'expired' })
    await world.clock.advance(hour)
    expect(heard[0]).toHaveLength(1)
  })

  test('an extended one lives another hour, and none lives past 12 h', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const heard = listen(sessions)
    const { session } = await sessions.create(loginOf('alice'))
    while (session.notAfter - world.clock.now() > hour) {
      await world.clock.advance(hour - minute)
      const record = sessions.record(session.name)
      if (!record) throw new Error('no record')
      const { spec } = await sessions.extend(record, {})
      expect(Date.parse(spec.expiresAt)).toBe(Math.min(world.clock.now() + hour, session.notAfter))
    }
    await world.clock.advance(session.notAfter - world.clock.now() - 1)
    expect(sessions.get(session.name)).toBeDefined()
    await world.clock.advance(1)
    expect(sessions.get(session.name)).toBeUndefined()
    expect(heard.at(-1)).toBe('ended alice expired')
  })

  test('a timer that comes late admits nobody', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const { session } = await sessions.create(loginOf('alice'))
    const sleeping = { now: world.clock.now, after: () => ({ [Symbol.dispose]: () => undefined }) }
    const table = new SessionTable({ clock: sleeping, log: world.log })
    const heard: string[] = []
    table.subscribe((change) => void heard.push(change.type))
    const record = sessions.record(session.name)
    if (!record) throw new Error('no record')
    table.apply(record, 'read')
    await world.clock.advance(hour)
    expect(heard).toEqual([])
    expect(table.get(session.name)).toBeUndefined()
    expect(heard).toEqual(['ended'])
  })

  test('one that was renewed elsewhere goes on, though it ran out here first', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { session } = await one.sessions.create(loginOf('alice'))
    await world.settle()
    const deaf = two.resources.hold('watch')
    const record = one.sessions.record(session.name)
    if (!record) throw new Error('no record')
    await world.clock.advance(59 * minute)
    await one.sessions.extend(record, {})
    await world.clock.advance(minute)
    expect(two.sessions.get(session.name)).toBeUndefined()
    deaf[Symbol.dispose]()
    await world.settle()
    expect(two.sessions.get(session.name)?.expiresAt).toBe(world.clock.now() + 59 * minute)
  })
})

describe('a change', () => {
  test('is told with what was before; a claim on the renewal is none', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { session } = await one.sessions.create(loginOf('alice'))
    await world.settle()
    const before = two.sessions.get(session.name)
    const changes: SessionChange[] = []
    two.sessions.subscribe((change) => void changes.push(change))
    const record = one.sessions.record(session.name)
    if (!record) throw new Error('no record')
    const until = new Date(world.clock.now() + minute).toISOString()
    const claimed = await one.sessions.replace({ ...record, spec: { ...record.spec, renewal: { by: 'one', until } } })
    await world.settle()
    expect(changes).toEqual([])
    expect(two.sessions.record(session.name)?.spec.renewal).toEqual({ by: 'one', until })
    expect(two.sessions.get(session.name)).toBe(before)
    const identity = { ...session.identity, groups: ['admins'] }
    await one.sessions.extend(claimed, { identity, refreshToken: new Secret('next') })
    await world.settle()
    expect(changes).toMatchObject([
      { type: 'changed', before: { identity: { groups: ['ds'] } }, session: { identity: { groups: ['admins'] } } },
    ])
    const after = two.sessions.record(session.name)
    if (!after) throw new Error('no record')
    expect(after.spec.renewal).toBeUndefined()
    expect(two.sessions.tokens(after).refreshToken?.reveal()).toBe('next')
  })

  test('of two who write the same version one gets a conflict', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { session } = await one.sessions.create(loginOf('alice'))
    await world.settle()
    const [first, second] = [one, two].map(({ sessions }) => sessions.record(session.name))
    if (!first || !second) throw new Error('no record')
    await world.clock.advance(minute)
    await one.sessions.extend(first, {})
    await expect(two.sessions.extend(second, {})).rejects.toMatchObject({ code: 'conflict' })
  })

  test('of what this replica has overwritten is not believed when the watch tells it late', async () => {
    await using world = identityWorld()
    const { sessions, resources } = await world.replica()
    const { session } = await sessions.create(loginOf('alice'))
    await world.settle()
    const deaf = resources.hold('watch')
    for (const groups of [['a'], ['b']]) {
      const record = sessions.record(session.name)
      if (!record) throw new Error('no record')
      await sessions.extend(record, { identity: { ...session.identity, groups } })
    }
    const heard = listen(sessions)
    deaf[Symbol.dispose]()
    await world.settle()
    expect(sessions.get(session.name)?.identity.groups).toEqual(['b'])
    expect(heard).toEqual([])
  })
})

describe('the end', () => {
  test('made here holds here at once, and on the other replicas by their watch', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { session } = await one.sessions.create(loginOf('alice'))
    await world.settle()
    const heard = [listen(one.sessions), listen(two.sessions)]
    const ending = one.sessions.end(session.name, 'logged-out')
    expect(one.sessions.get(session.name)).toBeUndefined()
    expect(await ending).toBe(true)
    await world.settle()
    expect(heard).toEqual([['ended alice logged-out'], ['ended alice deleted']])
    expect(two.sessions.peek(session.name)).toEqual({ kind: 'ended', why: 'deleted' })
    expect(await one.sessions.end(session.name, 'logged-out')).toBe(false)
  })

  test('by an administrator who deletes the record is an end like any other', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const heard = listen(sessions)
    const { session } = await sessions.create(loginOf('alice'))
    await world.settle()
    await world.resources.delete(sessionKind, { namespace, name: session.name })
    await world.settle()
    expect(heard).toEqual(['ended alice deleted'])
  })

  test('missed while the watch was away is found when it lists again', async () => {
    await using world = identityWorld()
    const { sessions, resources } = await world.replica()
    const heard = listen(sessions)
    const { session } = await sessions.create(loginOf('alice'))
    await world.settle()
    // Too many changes for the watch to resume: it has to list.
    const broken = resources.fail('watch')
    await world.resources.delete(sessionKind, { namespace, name: session.name })
    const { once } = await world.replica()
    for (let index = 0; index < 2_100; index += 1) await once.claim(`thing ${index}`, hour)
    expect(heard).toEqual([])
    broken[Symbol.dispose]()
    await world.clock.advance(30_000)
    expect(heard).toEqual(['ended alice deleted'])
  })

  test('is final: a read that was on its way does not bring a session back', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { session } = await one.sessions.create(loginOf('alice'))
    const record = one.sessions.record(session.name)
    await one.sessions.end(session.name, 'logged-out')
    await world.settle()
    if (!record) throw new Error('no record')
    await expect(two.sessions.replace(record)).rejects.toMatchObject({ code: 'not_found' })
    expect(await two.sessions.fetchRecord(session.name)).toBeUndefined()
    expect(two.sessions.get(session.name)).toBeUndefined()
  })

  test('while the store is away holds here, is reported, and is made good by the next collection', async () => {
    await using world = identityWorld()
    const { sessions, resources } = await world.replica()
    const { session } = await sessions.create(loginOf('alice'))
    const down = resources.fail('delete')
    await expect(sessions.end(session.name, 'logged-out')).rejects.toMatchObject({ code: 'store_unavailable' })
    down[Symbol.dispose]()
    expect(sessions.get(session.name)).toBeUndefined()
    expect(await sessions.fetchRecord(session.name)).toBeUndefined()
    expect(await sessions.collectExpired()).toBe(1)
    expect(await world.resources.get(sessionKind, { namespace, name: session.name })).toBeUndefined()
  })

  test('one listener that fails does not keep the others from hearing of it', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    sessions.subscribe(() => {
      throw new Error('a broken listener')
    })
    const heard = listen(sessions)
    const { session } = await sessions.create(loginOf('alice'))
    await sessions.end(session.name, 'revoked')
    expect(heard).toEqual(['ended alice revoked'])
    expect(world.lines.join('')).toContain('a broken listener')
  })

  test('of many that have run out is collected, and those renewed meanwhile stay', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const alice = await sessions.create(loginOf('alice'))
    await sessions.create(loginOf('bob'))
    await world.clock.advance(hour - minute)
    const record = sessions.record(alice.session.name)
    if (!record) throw new Error('no record')
    await sessions.extend(record, {})
    // Bob's ran out a minute ago: another replica's clock may say that it has not.
    await world.clock.advance(2 * minute)
    expect(await sessions.collectExpired()).toBe(0)
    await world.clock.advance(4 * minute)
    expect(await sessions.collectExpired()).toBe(1)
    const left = await world.resources.list(sessionKind, { namespace })
    expect(left.items.map((item) => item.spec.username)).toEqual(['alice'])
  })
})

describe('a locked person', () => {
  test('loses all sessions at once and gets no new one; others keep theirs', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const mallory = await one.sessions.create(loginOf('mallory'))
    await two.sessions.create(loginOf('mallory'))
    const alice = await one.sessions.create(loginOf('alice'))
    await world.settle()
    const heard = [listen(one.sessions), listen(two.sessions)]
    const locking = one.sessions.setLocked(['mallory'])
    expect(one.sessions.peek(mallory.session.name)).toEqual({ kind: 'ended', why: 'locked' })
    await locking
    await world.settle()
    expect(heard[0]).toEqual(['ended mallory locked', 'ended mallory locked'])
    expect(heard[1]).toEqual(['ended mallory deleted', 'ended mallory deleted'])
    expect(one.sessions.isLocked('mallory')).toBe(true)
    await expect(one.sessions.create(loginOf('mallory'))).rejects.toMatchObject({ code: 'forbidden' })
    expect(one.sessions.get(alice.session.name)).toBeDefined()
    await one.sessions.setLocked([])
    expect(one.sessions.get(mallory.session.name)).toBeUndefined()
    await one.sessions.create(loginOf('mallory'))
  })

  test('who logs in elsewhere, or just now, is refused here and collected', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const slow = one.resources.hold('create')
    const creating = one.sessions.create(loginOf('mallory'))
    await one.sessions.setLocked(['mallory'])
    slow[Symbol.dispose]()
    await expect(creating).rejects.toMatchObject({ code: 'forbidden' })
    const { session } = await two.sessions.create(loginOf('mallory'))
    await world.settle()
    expect(one.sessions.peek(session.name)).toEqual({ kind: 'ended', why: 'locked' })
    expect(await one.sessions.collectExpired()).toBe(1)
    await world.settle()
    expect(two.sessions.get(session.name)).toBeUndefined()
  })
})

test('a session made while the list was on its way is not taken for deleted', async () => {
  await using world = identityWorld()
  const { resources, keyRing } = await world.replica()
  const slow = resources.holdAnswers('list')
  const ending = new AbortController()
  const common = { resources, namespace, clock: world.clock, log: world.log, signal: ending.signal }
  const sessions = openSessions({ ...common, keyRing })
  const heard = listen(sessions)
  await world.settle()
  const { session } = await sessions.create(loginOf('alice'))
  slow[Symbol.dispose]()
  await sessions.ready
  await world.settle()
  expect(sessions.get(session.name)).toBeDefined()
  expect(heard).toEqual([])
  ending.abort()
})

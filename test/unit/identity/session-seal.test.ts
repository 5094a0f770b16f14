import { describe, expect, test } from 'vitest'
import { openKeyRing } from '#identity/key-ring.ts'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import type { Session } from '#identity/session.ts'
import { newSessionId, sessionNameOf } from '#identity/session-id.ts'
import { type SessionSpec, sessionKind, type WorkspaceSession } from '#identity/session-record.ts'
import { sealFinding } from '#identity/session-seal.ts'
import { openSessions, type SessionStore } from '#identity/session-store.ts'
import { Secret } from '#settings/secret.ts'
import { faultyResources } from '#test/support/faulty-resources.ts'
import { type IdentityWorld, identityWorld, loginOf, namespace, type Replica } from '#test/support/identity-world.ts'

const minute = 60_000
const hour = 60 * minute

interface Scene extends AsyncDisposable {
  readonly world: IdentityWorld
  readonly one: Replica
  readonly two: Replica
  readonly session: Session
  /** As the store has it. */
  stored(): Promise<WorkspaceSession>
  write(spec: Partial<SessionSpec>): Promise<void>
  /** Whether it is live on each replica that runs, and on one that starts now. */
  isLive(): Promise<readonly boolean[]>
}

/** Alice is logged in, on two replicas. */
async function openScene(): Promise<Scene> {
  const world = identityWorld()
  const [one, two] = [await world.replica(), await world.replica()]
  const login = loginOf('alice', { kind: 'cli', sid: 'sid-1', device: 'laptop', refreshToken: new Secret('refresh') })
  const { session } = await one.sessions.create(login)
  await world.settle()
  const stored = async () => {
    const record = await world.resources.get(sessionKind, { namespace, name: session.name })
    if (!record) throw new Error('no record')
    return record
  }
  return {
    ...{ world, one, two, session, stored },
    async write(spec) {
      const record = await stored()
      await world.resources.replace(sessionKind, { ...record, spec: { ...record.spec, ...spec } })
      await world.settle()
    },
    async isLive() {
      const replicas = [one, two, await world.replica()]
      return replicas.map(({ sessions }) => sessions.get(session.name) !== undefined)
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

const everywhere = [true, true, true]
const nowhere = [false, false, false]

const later = '2100-01-01T00:00:00Z'
/** Of every field that says who it is, and until when. */
const edits: readonly (readonly [keyof SessionSpec, Partial<SessionSpec>])[] = [
  ['kind', { kind: 'browser' }],
  ['issuer', { issuer: 'https://other.example.com' }],
  ['subject', { subject: 'sub-bob' }],
  ['username', { username: 'bob' }],
  ['uid', { uid: 'uid-bob' }],
  ['groups', { groups: ['ds', 'administrators'] }],
  ['sid', { sid: 'sid-2' }],
  ['userAgent', { userAgent: 'Safari' }],
  ['device', { device: "bob's" }],
  ['createdAt', { createdAt: later }],
  ['expiresAt', { expiresAt: later }],
  ['notAfter', { notAfter: later }],
]

describe('a session', () => {
  test.for(edits)('#111 whose %s somebody has changed is over on every replica, and stays over', async ([, edit]) => {
    await using scene = await openScene()
    const before = await scene.stored()
    const ended: string[] = []
    scene.two.sessions.subscribe((change) => void (change.type === 'ended' && ended.push(change.why)))
    await scene.write(edit)
    expect(await scene.isLive()).toEqual(nowhere)
    expect(ended).toEqual(['altered'])
    expect(scene.world.lines.join('')).toContain('"reason":"seal:altered"')
    await scene.write(before.spec)
    expect([scene.one, scene.two].map(({ sessions }) => sessions.peek(scene.session.name))).toEqual([
      { kind: 'ended', why: 'altered' },
      { kind: 'ended', why: 'altered' },
    ])
    expect(await scene.one.sessions.collectExpired()).toBe(1)
  })

  test('#111 ends when a field that it never had is put in', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    const { session } = await sessions.create(loginOf('alice'))
    await world.resources.patchSpec(sessionKind, { namespace, name: session.name }, { sid: 'sid-of-bob' })
    await world.settle()
    expect(sessions.peek(session.name)).toEqual({ kind: 'ended', why: 'altered' })
  })

  test('#111 without a seal is none: one written by hand, and one from before records were sealed', async () => {
    await using scene = await openScene()
    const { seal: _gone, ...spec } = (await scene.stored()).spec
    const name = sessionNameOf(newSessionId())
    await scene.world.resources.create(sessionKind, { metadata: { namespace, name }, spec })
    await scene.world.settle()
    const after = await scene.world.replica()
    for (const { sessions } of [scene.one, scene.two, after]) {
      expect(await sessions.look(name)).toEqual({ kind: 'ended', why: 'altered' })
    }
    expect(scene.world.lines.join('')).toContain('"reason":"seal:unsealed"')
    expect(await scene.isLive()).toEqual(everywhere)
  })

  test('#111 with the seal of another session, a part of one, or another spelling of its own is over', async () => {
    await using scene = await openScene()
    const { session: other } = await scene.one.sessions.create(loginOf('bob'))
    const own = (await scene.stored()).spec.seal ?? ''
    const foreign = scene.one.sessions.record(other.name)?.spec.seal ?? ''
    // The last character of 43 has two bits that mean nothing.
    const respelt = own.slice(0, -1) + spelling(own.at(-1) ?? '')
    for (const seal of [foreign, '', own.slice(0, -1), own.slice(0, 9), respelt, `${own}A`, ` ${own}`]) {
      const record = await scene.stored()
      expect(sealFinding(scene.one.keyRing, { ...record, spec: { ...record.spec, seal } })).toEqual({ kind: 'altered' })
    }
    await scene.write({ seal: foreign })
    expect(await scene.isLive()).toEqual(nowhere)
  })

  test('#111 under the name of another is over, whole as it is', async () => {
    await using scene = await openScene()
    const { spec } = await scene.stored()
    const id = newSessionId()
    await scene.world.resources.create(sessionKind, { metadata: { namespace, name: sessionNameOf(id) }, spec })
    await scene.world.settle()
    expect(await scene.two.sessions.look(sessionNameOf(id))).toEqual({ kind: 'ended', why: 'altered' })
  })

  test('goes on when a replica claims its renewal, and when tokens are gone', async () => {
    await using scene = await openScene()
    const until = new Date(scene.world.clock.now() + minute).toISOString()
    await scene.write({ renewal: { by: 'two', until } })
    await scene.write({ refreshToken: '' })
    expect(await scene.isLive()).toEqual(everywhere)
  })

  test('of a name that is half a character is what an API server makes of it', async () => {
    await using world = identityWorld()
    const { sessions, keyRing } = await world.replica()
    const { session } = await sessions.create(loginOf('al\ud800ice'))
    const record = sessions.record(session.name)
    if (!record) throw new Error('no record')
    const spec = JSON.parse(JSON.stringify(record.spec).replaceAll('\\ud800', '\ufffd'))
    expect(spec.username).toBe('al\ufffdice')
    expect(sealFinding(keyRing, { ...record, spec })).toEqual({ kind: 'intact' })
  })
})

describe('when keys change', () => {
  const kidOf = (record: WorkspaceSession | undefined) => record?.spec.seal?.slice(0, 8)

  test('a seal holds for as long as its key is in the ring, and a renewal seals with the newest', async () => {
    await using scene = await openScene()
    const { world, one, session } = scene
    const first = kidOf(await scene.stored())
    await one.keyRing.rotateNow()
    await world.clock.advance(minute)
    expect(await scene.isLive()).toEqual(everywhere)
    await one.sessions.extend(await scene.stored(), { identity: { ...session.identity, groups: ['other'] } })
    await world.settle()
    expect(kidOf(await scene.stored())).toBe(one.keyRing.current().kid)
    expect(kidOf(await scene.stored())).not.toBe(first)
    expect(await scene.isLive()).toEqual(everywhere)
    expect(scene.two.sessions.get(session.name)?.identity.groups).toEqual(['other'])
  })

  test('a session renewed for its whole twelve hours is never without a key, whenever it began', async () => {
    await using world = identityWorld()
    const { sessions } = await world.replica()
    await world.clock.advance(24 * hour - minute)
    const { session } = await sessions.create(loginOf('alice'))
    while (session.notAfter - world.clock.now() > hour) {
      await world.clock.advance(hour - minute)
      const record = sessions.record(session.name)
      if (!record) throw new Error('no record')
      await sessions.extend(record, {})
      expect((await world.replica()).sessions.get(session.name)).toBeDefined()
    }
  })

  test('a record sealed with a key that this replica has not heard of yet waits for it, and nobody is logged out', async () => {
    await using scene = await openScene()
    const { world, one, two, session } = scene
    // What no replica would do by itself, but one whose clock is ahead: use the key at once.
    const ending = new AbortController()
    const deaf = await deafToKeys(scene, ending.signal)
    await one.keyRing.rotateNow()
    await world.clock.advance(6_000)
    await one.sessions.extend(await scene.stored(), { identity: { ...session.identity, groups: ['other'] } })
    await world.settle()
    expect(deaf.get(session.name)?.identity.groups).toEqual(['ds'])
    await world.clock.advance(2_500)
    expect(deaf.get(session.name)?.identity.groups).toEqual(['other'])
    expect(two.sessions.get(session.name)?.identity.groups).toEqual(['other'])
    ending.abort()
  })

  test('#111 a record sealed with a key that never was is over as soon as the store says so', async () => {
    await using scene = await openScene()
    await scene.write({ username: 'bob', seal: `00000000.${'A'.repeat(43)}` })
    expect(scene.two.sessions.get(scene.session.name)?.identity.username).toBe('alice')
    await scene.world.clock.advance(2_500)
    expect(await scene.isLive()).toEqual(nowhere)
    expect(scene.world.lines.join('')).toContain('"reason":"seal:unknown-key"')
  })

  test('#111 while the store is away nothing is said of an unknown key, and the session is what it was', async () => {
    await using scene = await openScene()
    const { world, two, session } = scene
    await scene.write({ username: 'bob', seal: `00000000.${'A'.repeat(43)}` })
    const down = two.resources.fail('get')
    await world.clock.advance(10_000)
    expect(two.sessions.get(session.name)?.identity.username).toBe('alice')
    down[Symbol.dispose]()
    await world.clock.advance(5_000)
    expect(two.sessions.get(session.name)).toBeUndefined()
  })

  test('without any key no record is believed, and none is ended', async () => {
    await using scene = await openScene()
    const { world, one, two } = scene
    const { session: second } = await one.sessions.create(loginOf('bob'))
    const ring = await world.resources.get(keyRingKind, { namespace, name: keyRingName })
    if (!ring) throw new Error('no ring')
    const unmade = [one, two].map(({ resources }) => resources.fail('create'))
    await world.resources.delete(keyRingKind, { namespace, name: keyRingName })
    await world.settle()
    expect(two.keyRing.all()).toEqual([])
    await scene.write({ renewal: { by: 'one', until: later } })
    await world.clock.advance(30_000)
    expect([scene.session.name, second.name].map((name) => two.sessions.get(name) !== undefined)).toEqual([true, true])
    // The very ring comes back, from a copy.
    await world.resources.create(keyRingKind, { metadata: { namespace, name: keyRingName }, spec: ring.spec })
    for (const fault of unmade) fault[Symbol.dispose]()
    await world.clock.advance(5_000)
    expect(two.sessions.record(scene.session.name)?.spec.renewal).toMatchObject({ by: 'one' })
    expect(await scene.isLive()).toEqual(everywhere)
  })
})

/** Its sessions, with a key ring that hears only what it asks for. */
async function deafToKeys({ world }: Scene, signal: AbortSignal): Promise<SessionStore> {
  const resources = faultyResources(world.resources)
  const common = { namespace, clock: world.clock, log: world.log, signal }
  const keyRing = openKeyRing({ ...common, resources })
  await keyRing.ready
  resources.hold('watch')
  const sessions = openSessions({ ...common, resources: world.resources, keyRing })
  await sessions.ready
  return sessions
}

/** Another character that Node decodes to the same bytes at the end of 43. */
function spelling(last: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(last) ^ 1] ?? ''
}

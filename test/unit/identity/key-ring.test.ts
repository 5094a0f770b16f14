import { describe, expect, test } from 'vitest'
import { openKeyRing } from '#identity/key-ring.ts'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import { createSealer } from '#identity/seal.ts'
import { signSessionId, verifySessionValue } from '#identity/session-cookie.ts'
import { newSessionId } from '#identity/session-id.ts'
import { consoleScope, identityWorld, namespace } from '#test/support/identity-world.ts'

const hour = 3_600_000
const name = { namespace, name: keyRingName }

describe('the key ring', () => {
  test('makes its first key by itself, and replicas that start together agree on it', async () => {
    await using world = identityWorld()
    const [one, two] = await Promise.all([world.replica(), world.replica()])
    expect(one.keyRing.all()).toHaveLength(1)
    expect(two.keyRing.current().kid).toBe(one.keyRing.current().kid)
  })

  test('has no key before the store has answered, and says so', async () => {
    await using world = identityWorld()
    const { resources } = await world.replica()
    using _down = resources.fail('list', 'get')
    const ending = new AbortController()
    const ring = openKeyRing({ resources, namespace, clock: world.clock, log: world.log, signal: ending.signal })
    await world.settle()
    expect(() => ring.current()).toThrow(expect.objectContaining({ code: 'store_unavailable' }))
    ending.abort(new Error('shutting down'))
    await expect(ring.ready).rejects.toThrow('shutting down')
  })

  test('survives a restart: what was signed before is good after', async () => {
    await using world = identityWorld()
    const before = await world.replica()
    const value = signSessionId(before.keyRing, newSessionId(), consoleScope)
    const after = await world.replica()
    expect(verifySessionValue(after.keyRing, value, consoleScope)).toMatchObject({ kind: 'verified' })
  })

  test('rotates every 24 h, and keeps a key until 12 h after its successor signs', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    const [first] = keyRing.all()
    await world.clock.advance(24 * hour - 1)
    expect(keyRing.all()).toHaveLength(1)
    await world.clock.advance(1)
    expect(keyRing.all()).toHaveLength(2)
    // The successor is known for 5 s before anything is signed with it.
    expect(keyRing.current()).toBe(first)
    await world.clock.advance(5_000)
    expect(keyRing.current()).toBe(keyRing.all()[1])
    await world.clock.advance(12 * hour - 1)
    expect(keyRing.all()).toHaveLength(2)
    await world.clock.advance(1)
    expect(keyRing.all()).toHaveLength(1)
    expect(keyRing.find(first?.kid ?? '')).toBeUndefined()
  })

  test('a cookie signed at any time is good for the 12 h that a session can live', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    for (let step = 0; step < 8; step += 1) {
      const value = signSessionId(keyRing, newSessionId(), consoleScope)
      await world.clock.advance(12 * hour)
      expect(verifySessionValue(keyRing, value, consoleScope)).toMatchObject({ kind: 'verified' })
      await world.clock.advance(5 * hour + 1_234_567)
    }
  })

  test('a rotation that comes late keeps the old key for the cookies it has signed meanwhile', async () => {
    await using world = identityWorld()
    const { keyRing, resources } = await world.replica()
    const down = resources.fail('replace')
    await world.clock.advance(60 * hour)
    const late = signSessionId(keyRing, newSessionId(), consoleScope)
    down[Symbol.dispose]()
    await world.clock.advance(60_000)
    expect(keyRing.all()).toHaveLength(2)
    await world.clock.advance(11 * hour)
    expect(verifySessionValue(keyRing, late, consoleScope)).toMatchObject({ kind: 'verified' })
    await world.clock.advance(2 * hour)
    expect(verifySessionValue(keyRing, late, consoleScope)).toMatchObject({ kind: 'unknown-key' })
  })

  test('of several replicas one rotates, and all have the same keys', async () => {
    await using world = identityWorld()
    const replicas = await Promise.all([world.replica(), world.replica(), world.replica()])
    await world.clock.advance(24 * hour + 10_000)
    const kids = replicas.map(({ keyRing }) => keyRing.all().map((key) => key.kid))
    expect(kids[0]).toHaveLength(2)
    expect(kids[1]).toEqual(kids[0])
    expect(kids[2]).toEqual(kids[0])
  })

  test('the loser of a rotation reloads and has nothing left to do', async () => {
    await using world = identityWorld()
    const [one, two] = await Promise.all([world.replica(), world.replica()])
    const [own, other] = [one.resources.hold('replace'), two.resources.hold('replace')]
    await world.clock.advance(24 * hour)
    other[Symbol.dispose]()
    await world.settle()
    own[Symbol.dispose]()
    await world.settle()
    expect(one.keyRing.all()).toHaveLength(2)
    expect(one.keyRing.all().map((key) => key.kid)).toEqual(two.keyRing.all().map((key) => key.kid))
  })

  test('is not set back when the watch tells late what this replica has changed since', async () => {
    await using world = identityWorld()
    const { keyRing, resources } = await world.replica()
    const deaf = resources.hold('watch')
    await keyRing.rotateNow()
    await keyRing.rotateNow()
    // Lets the first of the two events through, and keeps the second.
    deaf[Symbol.dispose]()
    using _stillDeaf = resources.hold('watch')
    await world.settle()
    expect(keyRing.all()).toHaveLength(3)
  })

  test('rotateNow adds a key before its time and voids nothing', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    const value = signSessionId(keyRing, newSessionId(), consoleScope)
    await keyRing.rotateNow()
    await world.clock.advance(5_000)
    expect(keyRing.current().kid).not.toBe(value.split('.')[0])
    expect(verifySessionValue(keyRing, value, consoleScope)).toMatchObject({ kind: 'verified' })
  })

  test('#84 a key that an administrator takes out is refused at once, also where it was sealed with', async () => {
    await using world = identityWorld()
    const { keyRing, sealer } = await world.replica()
    await keyRing.rotateNow()
    const [old, kept] = keyRing.all()
    const value = signSessionId(keyRing, newSessionId(), consoleScope)
    const sealed = sealer.seal('test', 'text')
    const record = await world.resources.get(keyRingKind, name)
    if (!record) throw new Error('no ring')
    const keys = record.spec.keys.filter((key) => key.kid !== old?.kid)
    await world.resources.replace(keyRingKind, { ...record, spec: { keys } })
    await world.settle()
    expect(keyRing.all()).toEqual([kept])
    expect(verifySessionValue(keyRing, value, consoleScope)).toMatchObject({ kind: 'unknown-key' })
    expect(sealer.open('test', sealed)).toBeUndefined()
  })

  test('another secret under the same kid is another key', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    const value = signSessionId(keyRing, newSessionId(), consoleScope)
    const record = await world.resources.get(keyRingKind, name)
    if (!record) throw new Error('no ring')
    const keys = record.spec.keys.map((key) => ({ ...key, secret: Buffer.alloc(32, 7).toString('base64url') }))
    await world.resources.replace(keyRingKind, { ...record, spec: { keys } })
    await world.settle()
    expect(verifySessionValue(keyRing, value, consoleScope)).toEqual({ kind: 'bad-signature' })
  })

  test('a ring that is deleted voids every cookie, and a new one begins', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    const value = signSessionId(keyRing, newSessionId(), consoleScope)
    await world.resources.delete(keyRingKind, name)
    await world.settle()
    expect(keyRing.all()).toHaveLength(1)
    expect(verifySessionValue(keyRing, value, consoleScope)).toMatchObject({ kind: 'unknown-key' })
  })

  test('a kid that only another replica has seen is looked up, at most every 2 s', async () => {
    await using world = identityWorld()
    const [one, two] = await Promise.all([world.replica(), world.replica()])
    using _deaf = two.resources.hold('watch')
    await one.keyRing.rotateNow()
    const kid = one.keyRing.all()[1]?.kid ?? ''
    expect(two.keyRing.find(kid)).toBeUndefined()
    const reads = two.resources.calls('get')
    const answers = await Promise.all(['00000000', kid, kid].map((asked) => two.keyRing.lookUp(asked)))
    expect(answers.map((key) => key?.kid)).toEqual([undefined, kid, kid])
    await two.keyRing.lookUp('11111111')
    expect(two.resources.calls('get')).toBe(reads + 1)
    await world.clock.advance(2_000)
    await two.keyRing.lookUp('11111111')
    expect(two.resources.calls('get')).toBe(reads + 2)
  })

  test('each use has a key of its own, derived alike everywhere', async () => {
    await using world = identityWorld()
    const [one, two] = await Promise.all([world.replica(), world.replica()])
    const { cookies, sealing, assertions } = one.keyRing.current()
    const raw = [cookies.export(), sealing.export(), assertions.export({ format: 'der', type: 'pkcs8' }).subarray(-32)]
    expect(new Set(raw.map((bytes) => bytes.toString('hex'))).size).toBe(3)
    const sealed = createSealer({ keyRing: one.keyRing, clock: world.clock }).seal('test', 'text')
    expect(two.sealer.open('test', sealed)).toBe('text')
    expect(two.keyRing.current().jwk).toEqual(one.keyRing.current().jwk)
  })

  test('nothing of a key gets into the log', async () => {
    await using world = identityWorld()
    const { keyRing, resources } = await world.replica()
    await world.clock.advance(24 * hour - 1)
    using _down = resources.fail('replace', 'watch')
    await world.clock.advance(hour / 4)
    await keyRing.rotateNow().catch(() => undefined)
    const record = await world.resources.get(keyRingKind, name)
    expect(world.lines.join('')).toContain('could not be rotated')
    for (const key of record?.spec.keys ?? []) expect(world.lines.join('')).not.toContain(key.secret)
  })
})

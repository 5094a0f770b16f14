import { describe, expect, test } from 'vitest'
import { oneTimeKind, oneTimeName } from '#identity/one-time-record.ts'
import { usernameClaims } from '#identity/username-claim.ts'
import { identityWorld, namespace } from '#test/support/identity-world.ts'

const minute = 60_000

describe('once', () => {
  test('is true for exactly one of all who ask, on whatever replica', async () => {
    await using world = identityWorld()
    const replicas = [await world.replica(), await world.replica(), await world.replica()]
    const asking = replicas.flatMap(({ once }) => [once.claim('jti 1', minute), once.claim('jti 1', minute)])
    expect((await Promise.all(asking)).filter(Boolean)).toHaveLength(1)
    expect(await replicas[0]?.once.claim('jti 2', minute)).toBe(true)
  })

  test('holds across a restart, until its time has passed and no longer', async () => {
    await using world = identityWorld()
    const before = await world.replica()
    await before.once.claim('jti', minute)
    const after = await world.replica()
    await world.clock.advance(minute - 1)
    expect(await after.once.claim('jti', minute)).toBe(false)
    await world.clock.advance(1)
    expect(await after.once.claim('jti', minute)).toBe(true)
    expect(await after.once.claim('jti', minute)).toBe(false)
  })

  test('keeps any key under a legal name that does not show it', async () => {
    await using world = identityWorld()
    const { once } = await world.replica()
    for (const key of ['', 'https://idp.example.com|../x', '\u0000', 'x'.repeat(10_000)]) {
      expect(await once.claim(key, minute)).toBe(true)
      expect(await once.claim(key, minute)).toBe(false)
    }
    const { items } = await world.resources.list(oneTimeKind, { namespace })
    expect(items.every((item) => /^[a-z2-7]{52}$/.test(item.metadata.name))).toBe(true)
    expect(JSON.stringify(items)).not.toContain('idp.example.com')
  })

  test('when the store is away is an error, not a yes', async () => {
    await using world = identityWorld()
    const { once, resources } = await world.replica()
    using _down = resources.fail('create')
    await expect(once.claim('jti', minute)).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test('a claim that two make of one that has run out is still given once', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    await one.once.claim('jti', minute)
    await world.clock.advance(minute)
    const slow = two.resources.hold('delete')
    const second = two.once.claim('jti', minute)
    await world.settle()
    expect(await one.once.claim('jti', minute)).toBe(true)
    slow[Symbol.dispose]()
    expect(await second).toBe(false)
  })

  test('what has run out is collected, and nothing else', async () => {
    await using world = identityWorld()
    const { once } = await world.replica()
    const claims = usernameClaims({ resources: world.resources, namespace })
    await once.claim('short', minute)
    await once.claim('long', 10 * minute)
    await claims.claim('alice', 'https://idp', 'sub-1')
    await world.clock.advance(minute)
    expect(await once.collectExpired()).toBe(1)
    const { items } = await world.resources.list(oneTimeKind, { namespace })
    expect(items.map((item) => item.metadata.name).sort()).toEqual(
      [oneTimeName('once', 'long'), oneTimeName('username', 'alice')].sort(),
    )
  })
})

describe('a username', () => {
  test('belongs to the first who logs in with it, until an administrator releases it', async () => {
    await using world = identityWorld()
    const claims = usernameClaims({ resources: world.resources, namespace })
    expect(await claims.claim('alice', 'https://idp', 'sub-1')).toBe('ok')
    expect(await claims.claim('alice', 'https://idp', 'sub-1')).toBe('ok')
    expect(await claims.claim('alice', 'https://idp', 'sub-2')).toBe('taken')
    expect(await claims.claim('alice', 'https://other', 'sub-1')).toBe('taken')
    expect(await claims.claim('bob', 'https://other', 'sub-1')).toBe('ok')
    expect(await claims.release('alice')).toBe(true)
    expect(await claims.release('alice')).toBe(false)
    expect(await claims.claim('alice', 'https://idp', 'sub-2')).toBe('ok')
    expect(await claims.claim('alice', 'https://idp', 'sub-1')).toBe('taken')
  })

  test('that two claim at the same time goes to one of them', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const claim = (resources: typeof one.resources, subject: string) =>
      usernameClaims({ resources, namespace }).claim('alice', 'https://idp', subject)
    const answers = await Promise.all([claim(one.resources, 'sub-1'), claim(two.resources, 'sub-2')])
    expect(answers.toSorted()).toEqual(['ok', 'taken'])
  })

  // List item 47: (issuer, subject) is compared part by part.
  test('is not shared by two people whose issuer and subject read the same in a row', async () => {
    await using world = identityWorld()
    const claims = usernameClaims({ resources: world.resources, namespace })
    expect(await claims.claim('alice', 'https://idp/a', 'bc')).toBe('ok')
    expect(await claims.claim('alice', 'https://idp/ab', 'c')).toBe('taken')
  })
})

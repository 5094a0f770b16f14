import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import { openSshAuthorities, sshAuthorityName } from '#identity/ssh-authority.ts'
import { identityWorld, namespace } from '#test/support/identity-world.ts'

const hour = 3_600_000
const day = 24 * hour

async function authorityWorld() {
  const world = identityWorld()
  const ending = new AbortController()
  const { resources, clock, log } = world
  const open = () => openSshAuthorities({ resources, namespace, clock, log, signal: ending.signal })
  return { ...world, open, end: () => ending.abort() }
}

describe('the authority of SSH certificates', () => {
  test('is made at the first start, agreed on by replicas, and the same after a restart', async () => {
    const world = await authorityWorld()
    const replicas = [world.open(), world.open()]
    await Promise.all(replicas.map((ring) => ring.ready))
    const later = world.open()
    await later.ready
    const keys = [...replicas, later].map((ring) => ring.current().people.publicKey.toString('hex'))
    expect(new Set(keys).size).toBe(1)
    world.end()
  })

  test('signs people and hosts with different keys, neither of which is one of another installation', async () => {
    const [one, two] = await Promise.all([authorityWorld(), authorityWorld()])
    const rings = [one.open(), two.open()]
    await Promise.all(rings.map((ring) => ring.ready))
    const keys = rings.flatMap((ring) => [ring.current().people, ring.current().hosts])
    expect(new Set(keys.map(({ publicKey }) => publicKey.toString('hex'))).size).toBe(4)
    one.end()
    two.end()
  })

  test('has a successor after 90 days, which signs nothing for a day, and outlives its last certificate of a host', async () => {
    const world = await authorityWorld()
    const ring = world.open()
    await ring.ready
    const [first] = ring.all()
    await world.clock.advance(90 * day)
    expect(ring.all()).toHaveLength(2)
    expect(ring.current()).toBe(first)
    await world.clock.advance(day - 1)
    expect(ring.current()).toBe(first)
    await world.clock.advance(1)
    expect(ring.current()).toBe(ring.all()[1])
    // Signed a moment ago for a day, and trusted for two.
    await world.clock.advance(2 * day - 1)
    expect(ring.all()).toContain(first)
    await world.clock.advance(1)
    expect(ring.all()).not.toContain(first)
    world.end()
  })

  test('lives in a Secret of its own beside that of the sessions, and neither takes the other for its own', async () => {
    const world = await authorityWorld()
    const replica = await world.replica()
    const ring = world.open()
    await ring.ready
    const { items } = await world.resources.list(keyRingKind, { namespace })
    expect(items.map(({ metadata }) => metadata.name).sort()).toEqual([keyRingName, sshAuthorityName].sort())
    expect(ring.current().kid).not.toBe(replica.keyRing.current().kid)
    expect(ring.find(replica.keyRing.current().kid)).toBeUndefined()
    world.end()
  })

  test('tells nobody its keys: not the log, and not whoever prints it', async () => {
    const world = await authorityWorld()
    const ring = world.open()
    await ring.ready
    const record = await world.resources.get(keyRingKind, { namespace, name: sshAuthorityName })
    const secrets = (record?.spec.keys ?? []).map(({ secret }) => secret)
    expect(secrets).toHaveLength(1)
    const { people, hosts } = ring.current()
    const privates = [people, hosts].map(({ privateKey }) => privateKey.export({ format: 'jwk' }).d ?? '')
    const said = world.lines.join('') + inspect(ring.current(), { depth: 9 }) + JSON.stringify(ring.current())
    for (const secret of [...secrets, ...privates]) expect(said).not.toContain(secret)
    world.end()
  })
})

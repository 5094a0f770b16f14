import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bearerOf, signSessionId } from '#identity/session-cookie.ts'
import { newSessionId } from '#identity/session-id.ts'
import { printable } from '#observe/printable.ts'
import { consoleScope, identityWorld } from '#test/support/identity-world.ts'

describe('a sealed text', () => {
  test('opens to what it was, for its purpose and what it belongs to alone', async () => {
    await using world = identityWorld()
    const { sealer } = await world.replica()
    const text = fc.string({ unit: 'grapheme' })
    const context = fc.record({ associatedData: fc.array(fc.string(), { maxLength: 3 }) })
    fc.assert(
      fc.property(fc.string(), text, context, fc.string(), context, (purpose, plain, bound, otherPurpose, other) => {
        const sealed = sealer.seal(purpose, plain, bound)
        expect(sealer.open(purpose, sealed, bound)).toBe(plain)
        if (otherPurpose !== purpose) expect(sealer.open(otherPurpose, sealed, bound)).toBeUndefined()
        const isSame = JSON.stringify(other.associatedData) === JSON.stringify(bound.associatedData)
        if (!isSame) expect(sealer.open(purpose, sealed, other)).toBeUndefined()
      }),
    )
  })

  test('what it belongs to is a list, not a concatenation', async () => {
    await using world = identityWorld()
    const { sealer } = await world.replica()
    const sealed = sealer.seal('p', 'text', { associatedData: ['a', 'bc'] })
    expect(sealer.open('p', sealed, { associatedData: ['ab', 'c'] })).toBeUndefined()
    expect(sealer.open('p', sealed, { associatedData: ['a,bc'] })).toBeUndefined()
    const [kid = ''] = sealed.split('.')
    // Nor can a part of it pose as the purpose.
    expect(sealer.open('a', sealer.seal('p', 'text', { associatedData: ['a', kid] }))).toBeUndefined()
  })

  test('opens to nothing once a character is changed, lost or added', async () => {
    await using world = identityWorld()
    const { sealer } = await world.replica()
    const sealed = sealer.seal('p', 'a refresh token', { associatedData: ['name'] })
    const open = (text: string) => sealer.open('p', text, { associatedData: ['name'] })
    expect(open(sealed)).toBe('a refresh token')
    for (let at = 0; at < sealed.length; at += 1) {
      expect(open(sealed.slice(0, at))).toBeUndefined()
      for (const other of ['A', 'b', '-', '.', '=', ' ', 'é']) {
        if (sealed[at] !== other) expect(open(sealed.slice(0, at) + other + sealed.slice(at + 1))).toBeUndefined()
      }
    }
    expect(open(`${sealed}A`)).toBeUndefined()
    expect(open(`${sealed}.`)).toBeUndefined()
    expect(open(`${sealed}\n`)).toBeUndefined()
  })

  test('whatever comes from outside gives nothing, and never throws', async () => {
    await using world = identityWorld()
    const { sealer, keyRing } = await world.replica()
    const { kid } = keyRing.current()
    const part = fc.oneof(fc.string(), fc.constant(kid), fc.base64String(), fc.stringMatching(/^[A-Za-z0-9_-]*$/))
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        expect(sealer.open('p', parts.join('.'))).toBeUndefined()
      }),
    )
    expect(sealer.open('p', `${kid}.${'A'.repeat(24)}.${'A'.repeat(1_000_000)}`)).toBeUndefined()
  })

  test('one with an expiry opens until that instant, and the expiry cannot be moved', async () => {
    await using world = identityWorld()
    const { sealer } = await world.replica()
    const sealed = sealer.seal('p', 'text', { expiresAt: world.clock.now() + 30_000 })
    const [kid, head = '', body] = sealed.split('.')
    const later = Buffer.from(head, 'base64url')
    later.writeUIntBE(world.clock.now() + 60_000, 12, 6)
    const never = Buffer.from(later)
    never.writeUIntBE(0, 12, 6)
    await world.clock.advance(29_999)
    expect(sealer.open('p', sealed)).toBe('text')
    for (const forged of [later, never]) {
      expect(sealer.open('p', `${kid}.${forged.toString('base64url')}.${body}`)).toBeUndefined()
    }
    await world.clock.advance(1)
    expect(sealer.open('p', sealed)).toBeUndefined()
  })

  test('the same text twice is sealed differently, and neither shows it', async () => {
    await using world = identityWorld()
    const { sealer } = await world.replica()
    const [one, two] = [sealer.seal('p', 'secret-text'), sealer.seal('p', 'secret-text')]
    expect(one).not.toBe(two)
    expect(Buffer.from(one, 'base64url').toString('latin1')).not.toContain('secret-text')
  })
})

test('what the key ring makes has forms that the last scrub of a log line takes out', async () => {
  await using world = identityWorld()
  const { sealer, keyRing } = await world.replica()
  const made = [
    sealer.seal('p', ''),
    sealer.seal('p', 'text', { expiresAt: world.clock.now() }),
    signSessionId(keyRing, newSessionId(), consoleScope),
    bearerOf(keyRing, newSessionId(), consoleScope.authority).reveal(),
  ]
  for (const secret of made) expect(printable(`got ${secret}, and failed`)).toBe('got [redacted], and failed')
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { person, workspace } from '#test/support/objects.ts'
import { decideAccess } from '#workspace/access.ts'
import { readOwnerStamp } from '#workspace/owner-stamp.ts'
import { ownerOf, portsOf } from '#workspace/workspace.ts'

/** As Go's encoding/json writes a string, without its quotes. */
function stampOf(username: string): string {
  const json = JSON.stringify(username).slice(1, -1)
  return json.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

describe('the stamp that names an owner', () => {
  test('is read as the name it was made of, whatever that is', () => {
    const name = fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: 'binary', minLength: 1 }))
    fc.assert(fc.property(name, (username) => readOwnerStamp(stampOf(username)) === username))
  })

  test('of one person is never read as the name of another one', () => {
    const name = fc.string({ unit: fc.constantFrom('a', '\\', '"', '<', 'u', '0', '3', 'c', '&'), minLength: 1 })
    fc.assert(
      fc.property(name, name, (one, other) => one === other || readOwnerStamp(stampOf(one)) !== other),
      { numRuns: 1_000 },
    )
  })

  test.each(['', '"', 'a"b', '\\', 'CORP\\alice', 'a\nb', '\\ud83', '{"a":1}', '\\u0000\n'])(
    '%j names nobody',
    (stamp) => {
      expect(readOwnerStamp(stamp)).toBeUndefined()
    },
  )

  test('makes the person whose name JSON escapes the owner of what he made', () => {
    const made = workspace({ owner: 'R\\u0026D \\u003cbob\\u003e' })
    expect(ownerOf(made)).toBe('R&D <bob>')
    const policy = { defaultAccessType: 'OwnerOnly', administrators: { groups: [], users: [] } } as const
    const wanted = { port: portsOf(made)[0], connectionType: 'web-ui' }
    const decide = (name: string) => decideAccess({ workspace: made, shares: [] }, person(name), wanted, policy, 0)
    expect(decide('R&D <bob>')).toMatchObject({ allowed: true, grant: { kind: 'owner' } })
    expect(decide('R\\u0026D \\u003cbob\\u003e')).toMatchObject({ allowed: false })
  })
})

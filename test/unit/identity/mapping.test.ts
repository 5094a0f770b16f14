import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Claims } from '#identity/claims.ts'
import { type MappingRules, mapClaims, mostGroups } from '#identity/mapping.ts'

const rules: MappingRules = {
  usernameClaim: 'preferred_username',
  usernamePrefix: '',
  groupsClaim: 'groups',
  groupsPrefix: '',
}
const map = (claims: Claims, more: Partial<MappingRules> = {}) =>
  mapClaims({ sub: 's1', ...claims }, { ...rules, ...more })
const identityOf = (claims: Claims, more: Partial<MappingRules> = {}) => {
  const mapping = map(claims, more)
  return mapping.kind === 'mapped' ? mapping.identity : mapping.reason
}
const groupsOf = (groups: unknown, more: Partial<MappingRules> = {}) => {
  const mapping = map({ preferred_username: 'alice', groups }, more)
  return mapping.kind === 'mapped' ? mapping.identity.groups : mapping.reason
}
const nameOf = (name: unknown) => {
  const identity = identityOf({ preferred_username: name })
  return typeof identity === 'string' ? identity : identity.username
}

test('[JK3.1] the username comes from sub, email or preferred_username, with a prefix; groups from a list, one string or inside an object', () => {
  const claims = {
    ...{ sub: 's1', email: 'a@corp.com', email_verified: true, preferred_username: 'alice' },
    ...{ groups: ['x', 'y'], group: 'x', realm_access: { roles: ['x'] } },
  }
  const github = { usernamePrefix: 'github:', groupsPrefix: 'github:' }
  const named = (usernameClaim: string) => identityOf(claims, { ...github, usernameClaim })
  expect(named('sub')).toMatchObject({ username: 'github:s1' })
  expect(named('email')).toMatchObject({ username: 'github:a@corp.com' })
  expect(named('preferred_username')).toMatchObject({ username: 'github:alice' })
  const grouped = (groupsClaim: string) => identityOf(claims, { ...github, groupsClaim })
  expect(grouped('groups')).toMatchObject({ groups: ['github:x', 'github:y'] })
  expect(grouped('group')).toMatchObject({ groups: ['github:x'] })
  expect(grouped('realm_access.roles')).toMatchObject({ groups: ['github:x'] })
})

test('[JK3.2] names of Kubernetes and empty names are refused, as user and as group', () => {
  for (const name of ['system:masters', 'system:admin', 'system:']) {
    expect(nameOf(name)).toBe('username_reserved')
    expect(groupsOf([name, 'ok'])).toEqual(['ok'])
  }
  for (const name of ['', null, undefined]) expect(nameOf(name)).toBe('username_missing')
  expect(nameOf('   ')).toBe('username_malformed')
  expect(groupsOf(['', ' ', 'ok'])).toEqual(['ok'])
})

describe('the username', () => {
  test('comes from the claim that the administrator chose, with the prefix', () => {
    expect(identityOf({ preferred_username: 'alice' })).toEqual({
      kind: 'person',
      username: 'alice',
      uid: 's1',
      groups: [],
    })
    expect(identityOf({ sub: '42' }, { usernameClaim: 'sub', usernamePrefix: 'github:' })).toMatchObject({
      username: 'github:42',
    })
    expect(identityOf({ profile: { login: 'alice' } }, { usernameClaim: 'profile.login' })).toMatchObject({
      username: 'alice',
    })
    expect(
      identityOf({ 'https://x.example/name': 'alice' }, { usernameClaim: 'https://x.example/name' }),
    ).toMatchObject({
      username: 'alice',
    })
  })

  test.each([
    [undefined, 'username_missing'],
    [null, 'username_missing'],
    ['', 'username_missing'],
    [42, 'username_malformed'],
    [['alice'], 'username_malformed'],
    [{ toString: 'alice' }, 'username_malformed'],
    ['system:admin', 'username_reserved'],
    ['system:', 'username_reserved'],
    [' alice', 'username_malformed'],
    ['alice ', 'username_malformed'],
    ['alice\n', 'username_malformed'],
    ['ali\u0000ce', 'username_malformed'],
    ['ali\u200bce', 'username_malformed'],
    ['\u202ealice', 'username_malformed'],
    ['ali\u00a0ce', 'username_malformed'],
    ['ﬁona', 'username_malformed'],
    ['ａｌｉｃｅ', 'username_malformed'],
    ['\u0301alice', 'username_malformed'],
    ['\ud800', 'username_malformed'],
    ['a'.repeat(254), 'username_malformed'],
    ['é'.repeat(127), 'username_malformed'],
  ])('%j is refused: %s', (name, reason) => {
    expect(nameOf(name)).toBe(reason)
  })

  test('is reserved also when only the prefix makes it so', () => {
    expect(identityOf({ preferred_username: 'masters' }, { usernamePrefix: 'system:' })).toBe('username_reserved')
    expect(identityOf({ preferred_username: 'stem:masters' }, { usernamePrefix: 'sy' })).toBe('username_reserved')
  })

  test('is one name in both Unicode forms', () => {
    expect(nameOf('A\u030angström')).toBe('\u00c5ngström')
    expect(nameOf('\u00c5ngström')).toBe('\u00c5ngström')
  })

  test('never begins with system:, never holds a control character, whatever the claim', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string().map((tail) => `system:${tail}`),
        ),
        (name) => {
          const mapped = identityOf({ preferred_username: name, groups: [name] })
          if (typeof mapped === 'string') return
          expect(mapped.username).not.toMatch(/^system:|\p{C}|^\s|\s$/u)
          expect(mapped.username.normalize('NFKC')).toBe(mapped.username)
        },
      ),
    )
  })

  test('a claim that only a prototype has is missing', () => {
    expect(identityOf({}, { usernameClaim: 'constructor.name' })).toBe('username_missing')
    expect(identityOf({}, { usernameClaim: '__proto__' })).toBe('username_missing')
  })

  test('without a subject there is nobody', () => {
    for (const sub of [undefined, '', 7, 'x'.repeat(256)])
      expect(identityOf({ sub, preferred_username: 'a' })).toBe('subject_missing')
  })
})

describe('an email as username', () => {
  const email = (claims: Claims) => {
    const identity = identityOf(claims, { usernameClaim: 'email' })
    return typeof identity === 'string' ? identity : identity.username
  }

  test.each([[undefined], [false], ['false'], ['true'], [0], [1], [null], [{}]])(
    '[JK3.3] counts only if email_verified is true, not %j',
    (verified) => {
      expect(email({ email: 'a@corp.com', email_verified: verified })).toBe('email_unverified')
    },
  )

  test('of a verified address has one spelling of its domain', () => {
    expect(email({ email: 'a@CORP.com', email_verified: true })).toBe('a@corp.com')
  })

  test.each([
    'a@evil@corp.com',
    'a@corp.com\n',
    'a@cоrp.com',
    'a@corp',
    '@corp.com',
    'a@',
    'a@corp.com.',
    'a@.corp.com',
    'a@corp..com',
    'a@ corp.com',
  ])('%j is refused', (address) => {
    expect(email({ email: address, email_verified: true })).toBe('username_malformed')
  })
})

describe('groups', () => {
  test('come as a list, as one string, or from inside an object, with the prefix', () => {
    expect(groupsOf(['a', 'b'])).toEqual(['a', 'b'])
    expect(groupsOf('admins')).toEqual(['admins'])
    expect(groupsOf('a,b')).toEqual(['a,b'])
    expect(groupsOf(['org:ds'], { groupsPrefix: 'github:' })).toEqual(['github:org:ds'])
    expect(
      identityOf(
        { preferred_username: 'alice', realm_access: { roles: ['r'] } },
        { groupsClaim: 'realm_access.roles' },
      ),
    ).toMatchObject({
      groups: ['r'],
    })
  })

  test('that are absent are none', () => {
    expect(groupsOf(undefined)).toEqual([])
    expect(groupsOf(null)).toEqual([])
  })

  test.each([[42], [true], [{ a: 1 }], [['a', 7]], [[['a']]], [[null]]])('%j is refused, not skipped', (groups) => {
    expect(groupsOf(groups)).toBe('groups_malformed')
  })

  test('are refused as a whole when there are more than the limit', () => {
    const names = Array.from({ length: mostGroups + 1 }, (_, index) => `g${index}`)
    expect(groupsOf(names)).toBe('groups_too_many')
    expect(groupsOf(names.slice(1))).toHaveLength(mostGroups)
  })

  test('of Kubernetes, and malformed ones, are left out and told', () => {
    expect(map({ preferred_username: 'alice', groups: ['system:masters', 'ok', '', 'x ', 'ok', 'e\u0301'] })).toEqual({
      kind: 'mapped',
      identity: { kind: 'person', username: 'alice', uid: 's1', groups: ['ok', '\u00e9'] },
      dropped: [
        { group: 'system:masters', reason: 'reserved' },
        { group: '', reason: 'malformed' },
        { group: 'x ', reason: 'malformed' },
      ],
    })
  })

  test.each<[Claims, Partial<MappingRules>]>([
    [{ _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example' } } }, {}],
    [{ _claim_names: { realm_access: 'src1' } }, { groupsClaim: 'realm_access.roles' }],
    [{ hasgroups: true }, {}],
  ])('that are elsewhere are a refusal: %j', (claims, more) => {
    expect(identityOf({ preferred_username: 'alice', ...claims }, more)).toBe('groups_overage')
  })

  test('that are here make a pointer harmless', () => {
    expect(groupsOf(['a'])).toEqual(['a'])
    expect(identityOf({ preferred_username: 'alice', groups: ['a'], _claim_names: { groups: 'src1' } })).toMatchObject({
      groups: ['a'],
    })
  })
})

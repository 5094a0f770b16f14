import { describe, expect, test } from 'vitest'
import { person, port, share, workspace } from '#test/support/objects.ts'
import { type AccessPolicy, decideAccess, mayModify, mayShare, type Subject } from '#workspace/access.ts'
import type { ShareSpec } from '#workspace/share.ts'

const now = Date.parse('2026-01-01T00:00:00Z')
const policy: AccessPolicy = { defaultAccessType: 'OwnerOnly', administrators: { groups: ['admins'], users: [] } }
const wanted = { port: port(), connectionType: 'web-ui' }
const nb = workspace({ owner: 'alice' })
const only = (subject: Partial<Subject> = {}): Subject => ({ workspace: nb, shares: [], ...subject })
const decide = (subject: Subject, who: string, ...groups: string[]) =>
  decideAccess(subject, person(who, ...groups), wanted, policy, now)

describe('grants', () => {
  test('the owner is let in as owner, others are not', () => {
    expect(decide(only(), 'alice')).toMatchObject({ allowed: true, grant: { kind: 'owner' } })
    expect(decide(only(), 'bob')).toEqual({ allowed: false, reason: 'no-grant' })
  })

  test('a workspace without an owner has none, even for an empty name', () => {
    expect(decide(only({ workspace: workspace({}) }), '')).toMatchObject({ allowed: false })
    expect(decide(only({ workspace: workspace({ owner: '' }) }), '')).toMatchObject({ allowed: false })
  })

  test('Public lets everybody open it, and nobody else start it', () => {
    const open = only({ workspace: workspace({ owner: 'alice', spec: { accessType: 'Public' } }) })
    expect(decide(open, 'bob')).toMatchObject({ allowed: true, grant: { kind: 'public' } })
    expect(mayModify(open, person('bob'), policy, now)).toBe(false)
    expect(mayModify(open, person('alice'), policy, now)).toBe(true)
  })

  test('no accessType means what the administrator says', () => {
    const lax: AccessPolicy = { ...policy, defaultAccessType: 'Public' }
    expect(decideAccess(only(), person('bob'), wanted, lax, now)).toMatchObject({ allowed: true })
    const closed = only({ workspace: workspace({ owner: 'alice', spec: { accessType: 'OwnerOnly' } }) })
    expect(decideAccess(closed, person('bob'), wanted, lax, now)).toMatchObject({ allowed: false })
  })

  test('administrators are let in by group', () => {
    expect(decide(only(), 'carol', 'admins')).toMatchObject({ allowed: true, grant: { kind: 'administrator' } })
    expect(decide(only(), 'carol', 'Admins')).toMatchObject({ allowed: false })
  })
})

describe('what admission does not keep true', () => {
  const shared = only({ shares: [share([nb], { grantees: [{ kind: 'User', name: 'bob' }], access: 'modify' })] })
  const full = { owners: true, shares: true, starts: true }
  const under = (trust: AccessPolicy['trust']): AccessPolicy => ({ ...policy, ...(trust ? { trust } : {}) })
  const allowed = (who: string, trust: AccessPolicy['trust'], ...groups: string[]) => [
    decideAccess(shared, person(who, ...groups), wanted, under(trust), now).allowed,
    mayModify(shared, person(who, ...groups), under(trust), now),
    mayShare(shared, person(who, ...groups), under(trust), now),
  ]

  test('grants nothing: owners where anybody may write himself down as one', () => {
    expect(allowed('alice', full)).toEqual([true, true, true])
    expect(allowed('alice', { ...full, owners: false })).toEqual([false, false, false])
    expect(allowed('bob', { ...full, owners: false })).toEqual([true, true, false])
  })

  test('grants nothing: shares where anybody may write one, an owner made by a share included', () => {
    expect(allowed('bob', { ...full, shares: false })).toEqual([false, false, false])
    expect(allowed('alice', { ...full, shares: false })).toEqual([true, true, true])
    const owned = only({ shares: [share([nb], { grantees: [{ kind: 'User', name: 'bob' }], access: 'own' })] })
    expect(mayShare(owned, person('bob'), under(full), now)).toBe(true)
    expect(mayShare(owned, person('bob'), under({ ...full, shares: false }), now)).toBe(false)
  })

  test('starts nothing, for administrators neither: our own account could change more than that', () => {
    expect(allowed('alice', { ...full, starts: false })).toEqual([true, false, true])
    expect(allowed('carol', { ...full, starts: false }, 'admins')).toEqual([true, false, true])
  })
})

describe('shares', () => {
  test('a share lets in the people and groups it names', () => {
    const grantees = [
      { kind: 'User' as const, name: 'bob' },
      { kind: 'Group' as const, name: 'ds' },
    ]
    const shared = only({ shares: [share([nb], { grantees })] })
    expect(decide(shared, 'bob')).toMatchObject({ allowed: true, grant: { kind: 'share' } })
    expect(decide(shared, 'dave', 'ds')).toMatchObject({ allowed: true })
    expect(decide(shared, 'ds')).toMatchObject({ allowed: false })
    expect(decide(shared, 'eve', 'bob')).toMatchObject({ allowed: false })
  })

  test('a share ends at its very instant', () => {
    const shared = only({ shares: [share([nb], { expiresAt: '2026-01-01T00:01:00Z' })] })
    const at = (time: number) => decideAccess(shared, person('bob'), wanted, policy, time).allowed
    expect([at(now + 59_999), at(now + 60_000)]).toEqual([true, false])
  })

  test('of several shares the most lasting one is the grant', () => {
    const shares = [share([nb], { expiresAt: '2026-01-01T00:01:00Z' }), share([nb], {})]
    expect(decide(only({ shares }), 'bob')).toMatchObject({ grant: { until: undefined } })
  })

  test('a share of one port opens no other', () => {
    const shared = only({ shares: [share([nb], { ports: ['app'] })] })
    const on = (name: string) => decideAccess(shared, person('bob'), { ...wanted, port: port({ name }) }, policy, now)
    expect(on('app')).toMatchObject({ allowed: true })
    expect(on('http')).toEqual({ allowed: false, reason: 'port-not-granted' })
  })

  test('a share that names no kinds is for all but ports as they are; Public is for browsers', () => {
    const kinds = ['web-ui', 'ssh-remote', 'vscode-remote', 'ssh-over-websocket', 'port-forward']
    const kindsOf = (subject: Subject, who: string, ...groups: string[]) =>
      kinds.filter(
        (connectionType) =>
          decideAccess(subject, person(who, ...groups), { ...wanted, connectionType }, policy, now).allowed,
      )
    const open = only({ workspace: workspace({ owner: 'alice', spec: { accessType: 'Public' } }) })
    expect(kindsOf(only({ shares: [share([nb], {})] }), 'bob')).toEqual(kinds.slice(0, 4))
    expect(kindsOf(only({ shares: [share([nb], { connectionTypes: ['port-forward'] })] }), 'bob')).toEqual(
      kinds.slice(4),
    )
    expect(kindsOf(open, 'bob')).toEqual(['web-ui'])
    expect([kindsOf(open, 'alice'), kindsOf(open, 'carol', 'admins')]).toEqual([kinds, kinds])
  })

  test('a share of one connection type opens no other', () => {
    const shared = only({ shares: [share([nb], { connectionTypes: ['vscode-remote'] })] })
    expect(decide(shared, 'bob')).toEqual({ allowed: false, reason: 'connection-type-not-granted' })
  })

  test('connect does not modify, modify does, neither shares on, own does all', () => {
    const may = (access: 'connect' | 'modify' | 'own') => {
      const shared = only({ shares: [share([nb], { access })] })
      return [mayModify(shared, person('bob'), policy, now), mayShare(shared, person('bob'), policy, now)]
    }
    expect(may('connect')).toEqual([false, false])
    expect(may('modify')).toEqual([true, false])
    expect(may('own')).toEqual([true, true])
  })

  test('one that makes an owner and is narrowed as well opens what it is narrowed to, and no more', () => {
    const rightsBy = (spec: Partial<ShareSpec>) => {
      const shared = only({ shares: [share([nb], { ...spec, access: 'own' })] })
      const opens = (name: string, connectionType: string) =>
        decideAccess(shared, person('bob'), { port: port({ name }), connectionType }, policy, now).allowed
      const may = [mayModify(shared, person('bob'), policy, now), mayShare(shared, person('bob'), policy, now)]
      return [opens('app', 'web-ui'), opens('app', 'ssh-remote'), opens('http', 'web-ui'), ...may]
    }
    expect(rightsBy({ ports: ['app'] })).toEqual([true, true, false, false, false])
    expect(rightsBy({ connectionTypes: ['web-ui'] })).toEqual([true, false, true, false, false])
    expect(rightsBy({ ports: ['app'], connectionTypes: ['web-ui'] })).toEqual([true, false, false, false, false])
    expect(rightsBy({})).toEqual([true, true, true, true, true])
  })

  test('a machine is a grantee by its whole name, a person of that name is not', () => {
    const grantees = [{ kind: 'ServiceAccount' as const, name: 'bot', namespace: 'ci' }]
    const shared = only({ shares: [share([nb], { grantees })] })
    const bot = { ...person('system:serviceaccount:ci:bot'), kind: 'machine' as const }
    expect(decideAccess(shared, bot, wanted, policy, now).allowed).toBe(true)
    expect(decide(shared, 'system:serviceaccount:ci:bot').allowed).toBe(false)
  })
})

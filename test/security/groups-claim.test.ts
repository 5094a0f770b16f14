/** A groups claim that can't be read is a refusal or no group at all, never a check that is skipped (CVE-2021-21411). */
import { expect, test } from 'vitest'
import type { Claims } from '#identity/claims.ts'
import type { Faults } from '#test/support/faulty-issuer.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'

const saying = (change: Claims): Faults => ({ claims: (claims) => ({ ...claims, ...change }) })
/** OpenID Connect Core 1.0 section 5.6.2. */
const elsewhere: Faults = {
  claims: ({ groups: _groups, iss, ...claims }) => ({
    ...{ ...claims, iss },
    ...{ _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: `${iss}/elsewhere` } } },
  }),
}

async function scene() {
  const made = await faultyIssuerWorld()
  // Nobody's but the administrators': only their group lets anybody in.
  const { url, app } = await made.world.workspace({ name: 'nb', owner: 'somebody' })
  const statusWith = async (faults: Faults) => {
    made.issuer.faults = faults
    return (await made.world.browser().open(url)).status
  }
  return { made, app, statusWith, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() }
}

test('#43 groups that are missing, or one long name, are no membership', async () => {
  await using s = await scene()
  const none = [
    undefined,
    null,
    [],
    '',
    'ds,admins',
    'admins ',
    ' admins',
    'ADMINS',
    ['Admins'],
    ['admins\n'],
    ['', 'ds'],
    ['system:masters'],
  ]
  for (const groups of none) expect(await s.statusWith(saying({ groups })), JSON.stringify(groups)).toBe(403)
  expect(s.app.bytes()).toBe(0)
  for (const groups of ['admins', ['ds', 'admins']]) expect(await s.statusWith(saying({ groups }))).toBe(200)
})

test('#43 groups in a form that is none, or more of them than are looked at, make no session', async () => {
  await using s = await scene()
  const many = Array.from({ length: 5_000 }, (_, index) => `g${index}`)
  const refused = [
    ...[7, true, { admins: true }, ['admins', 7], [['admins']], [null]].map(
      (groups) => [groups, 'groups_malformed'] as const,
    ),
    [[...many, 'admins'], 'groups_too_many'] as const,
  ]
  for (const [groups, reason] of refused) {
    expect(await s.statusWith(saying({ groups })), reason).toBe(400)
    expect(s.made.world.audit.at(-1)).toMatchObject({ event: 'deny', reason: `login:${reason}` })
  }
  expect(s.made.sessions()).toEqual([])
  expect(s.app.bytes()).toBe(0)
})

test('#43 groups that are said to be elsewhere are a refusal, and that place is never asked', async () => {
  await using s = await scene()
  for (const faults of [elsewhere, saying({ groups: undefined, hasgroups: true })]) {
    expect(await s.statusWith(faults)).toBe(400)
    expect(s.made.world.audit.at(-1)).toMatchObject({ event: 'deny', reason: 'login:groups_overage' })
  }
  expect(s.made.sessions()).toEqual([])
  expect(s.made.issuer.requests).not.toContain('/elsewhere')
})

test('#43 or they are what the issuer’s own userinfo says', async () => {
  await using s = await scene()
  expect(await s.statusWith({ ...elsewhere, userinfo: { sub: 'sub-alice' } })).toBe(400)
  expect(await s.statusWith({ ...elsewhere, userinfo: { sub: 'sub-alice', groups: ['ds'] } })).toBe(403)
  expect(await s.statusWith({ ...elsewhere, userinfo: { sub: 'sub-alice', groups: ['admins'] } })).toBe(200)
  expect(s.made.issuer.requests).not.toContain('/elsewhere')
})

/** What userinfo says of somebody else is not believed of the one who logs in (OpenID Connect Core 1.0 section 5.3.2). */
import { expect, test } from 'vitest'
import type { Claims } from '#identity/claims.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'

/** Then userinfo is asked. */
const withoutGroups = ({ groups: _groups, ...rest }: Claims) => rest

test('#41 userinfo about another subject, or about nobody, ends the login without a session', async () => {
  await using made = await faultyIssuerWorld()
  const about = [
    ['login:userinfo_subject', { sub: 'sub-mallory', groups: ['admins'] }],
    ['login:userinfo_subject', { sub: 'SUB-ALICE', groups: ['admins'] }],
    ['login:userinfo_subject', { sub: 'sub-alice ', groups: ['admins'] }],
    ['login:issuer_answer_malformed', { sub: ['sub-alice'], groups: ['admins'] }],
    ['login:issuer_answer_malformed', { groups: ['admins'] }],
  ] as const
  for (const [reason, userinfo] of about) {
    const outcome = await made.logIn({ claims: withoutGroups, userinfo: { ...userinfo } })
    expect(outcome, JSON.stringify(userinfo)).toMatchObject({ status: 400, reason, made: [] })
  }
  expect(made.issuer.requests.filter((path) => path === '/userinfo')).toHaveLength(about.length)
})

test('#41 userinfo of the right subject completes what the ID token leaves out, and overrules nothing of it', async () => {
  await using made = await faultyIssuerWorld()
  const userinfo = {
    sub: 'sub-alice',
    groups: ['from-userinfo'],
    preferred_username: 'mallory',
    iss: 'https://evil.test',
  }
  const { made: sessions } = await made.logIn({ claims: withoutGroups, userinfo })
  expect(sessions.map(({ spec }) => [spec.username, spec.groups, spec.issuer])).toEqual([
    ['alice', ['from-userinfo'], made.issuer.url],
  ])
})

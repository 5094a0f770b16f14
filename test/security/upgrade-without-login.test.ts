/** A socket for somebody who has not logged in, or not any more, or not for this workspace: a status before a byte goes anywhere, never a 101. */
import { describe, expect, test } from 'vitest'
import { parseSessionName } from '#identity/session-id.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import {
  openTenants,
  requestText,
  type Tenant,
  type Tenants,
  useTenants,
  websocketFields,
} from '#test/support/tenants.ts'

function upgradeOf(
  tenants: Tenants,
  at: Tenant,
  more: { readonly cookie?: string; readonly fields?: readonly string[] },
) {
  const fields = [...websocketFields, 'Origin', `http://${at.authority}`, ...(more.fields ?? [])]
  return tenants.attack(
    requestText({ target: `${at.prefix}api/kernels/x/channels`, host: at.authority, ...more, fields }),
  )
}

const loginNeeded = (reason: string) => ({ status: 401, reasons: [`login-needed:${reason}`], upstreamBytes: 0 })

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#56 without a cookie, or with one that is not ours, an upgrade gets 401', async () => {
    const { a, b } = tenants()
    const [name = ''] = a.cookie.split('=', 1)
    const value = a.cookie.slice(name.length + 1).replace(/;.*/, '')
    const flipped = value.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
    expect(await upgradeOf(tenants(), a, {})).toEqual(loginNeeded('none'))
    expect(await upgradeOf(tenants(), a, { cookie: 'other=1' })).toEqual(loginNeeded('none'))
    expect(await upgradeOf(tenants(), a, { cookie: `${name}=` })).toEqual(loginNeeded('malformed'))
    expect(await upgradeOf(tenants(), a, { cookie: `${name}=${value}x` })).toEqual(loginNeeded('malformed'))
    expect(await upgradeOf(tenants(), a, { cookie: `${name}=${flipped}` })).toEqual(loginNeeded('bad-signature'))
    expect(await upgradeOf(tenants(), a, { cookie: b.cookie })).toEqual(loginNeeded('bad-signature'))
    const bearer = ['Authorization', `Bearer gatehouse_${value}`]
    expect(await upgradeOf(tenants(), a, { fields: bearer })).toEqual(loginNeeded('bad-signature'))
  })

  test('#56 with a cookie that is good there, an upgrade to a workspace of somebody else gets 403', async () => {
    const { alice, b } = tenants()
    expect((await alice.open(b.url)).status).toBe(403)
    const cookie = alice.cookieHeader(b.url) ?? ''
    expect(await upgradeOf(tenants(), b, { cookie })).toEqual({ status: 403, reasons: ['no-grant'], upstreamBytes: 0 })
  })

  test('#56 an upgrade to our own pages gets 404, logged in or not', async () => {
    const { ask, world, bob } = tenants()
    const host = `localhost:${world.port}`
    const cookie = bob.tab().cookieHeader(`${world.origin}/`) ?? ''
    for (const target of ['/', '/.gatehouse/api/v1/workspaces/team/b/events', '/.gatehouse/whoami']) {
      const fields = [...websocketFields, 'Origin', `http://${host}`]
      expect((await ask(requestText({ target, host, fields }))).status).toBe(404)
      expect((await ask(requestText({ target, host, fields, cookie }))).status).toBe(404)
    }
  })
})

test('#56 with the cookie of a session that has run out, or was ended, an upgrade gets 401', async () => {
  const clock = fakeClock(Date.now())
  await using tenants = await openTenants({ clock })
  const { a, b, world } = tenants
  const { sessions } = world.open.identities
  const [ofBob] = sessions.find(({ spec }) => spec.username === 'bob')
  const name = parseSessionName(ofBob?.metadata.name ?? '')
  expect(name && (await sessions.end(name, 'revoked'))).toBe(true)
  const ended = await upgradeOf(tenants, b, { cookie: b.cookie })
  expect(ended).toMatchObject({ status: 401, upstreamBytes: 0, reasons: [expect.stringMatching(/^login-needed:/)] })
  await clock.advance(61 * 60_000)
  const expired = await upgradeOf(tenants, a, { cookie: a.cookie })
  expect(expired).toMatchObject({ status: 401, upstreamBytes: 0, reasons: [expect.stringMatching(/^login-needed:/)] })
})

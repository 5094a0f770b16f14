import { describe, expect, test } from 'vitest'
import type { Claims } from '#identity/claims.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import { api, paths } from '#surface/urls.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { createWorld } from '#test/support/world.ts'
import { cookieFor } from '../gateway/scene.ts'

const text = (body: string) => body.replace(/<style>[\s\S]*?<\/style>|<[^>]*>/g, ' ').replace(/\s+/g, ' ')

test('[JK2.8] the whoami page tells a person who he is here; a program gets the same as JSON', async () => {
  await using world = await createWorld()
  const carol = await world.as('carol')
  const page = await carol.open(`${world.origin}${paths.whoami}`)
  expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
  for (const said of ['carol', 'admins', 'demo-carol', world.identityProvider.issuer])
    expect(text(page.body)).toContain(said)
  const headers = cookieFor(carol, `${world.origin}/`)
  for (const path of [paths.whoami, api.whoami]) {
    const json = await plainRequest(world.origin + path, { headers })
    expect([json.status, json.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    const view = JSON.parse(json.body)
    expect(view).toMatchObject({
      kind: 'person',
      username: 'carol',
      groups: ['admins'],
      issuer: world.identityProvider.issuer,
      subject: 'demo-carol',
      session: { kind: 'browser' },
    })
    expect(Date.parse(view.session.notAfter) - Date.parse(view.session.createdAt)).toBe(12 * 3_600_000)
    expect(Date.parse(view.session.expiresAt) - Date.parse(view.session.createdAt)).toBe(3_600_000)
  }
  expect((await plainRequest(world.origin + api.whoami)).status).toBe(401)
  const stranger = await world.browser().open(`${world.origin}${paths.whoami}`)
  expect(stranger.url.origin).toBe(world.identityProvider.issuer)
})

const claims: Claims = {
  ...{ email: 'a@corp.com', email_verified: true, preferred_username: 'alice' },
  ...{ groups: ['x', 'y'], group: 'x', realm_access: { roles: ['x'] } },
}
const github = { usernamePrefix: 'github:', groupsPrefix: 'github:' }

async function identityBy(settings: Partial<IssuerSettings>) {
  await using made = await faultyIssuerWorld({ issuer: settings })
  const browser = made.world.browser()
  await made.logIn({ claims: (good) => ({ ...good, ...claims }) }, browser)
  const page = await browser.open(`${made.world.origin}${paths.whoami}`)
  const { username, groups } = JSON.parse((await browser.fetch(made.world.origin + api.whoami)).body)
  for (const said of [username, ...groups]) expect(text(page.body)).toContain(said)
  return { username, groups }
}

describe('the mapping', () => {
  test('[JK3.1] [JK3.4] by the claim the administrator chose: sub, email or preferred_username with a prefix, groups as a list, one string or nested; the page shows what came of it', async () => {
    const groups = ['github:x', 'github:y']
    expect(await identityBy({ ...github, usernameClaim: 'sub' })).toEqual({ username: 'github:sub-alice', groups })
    expect(await identityBy({ ...github, usernameClaim: 'email' })).toEqual({ username: 'github:a@corp.com', groups })
    expect(await identityBy({ ...github, usernameClaim: 'preferred_username' })).toEqual({
      username: 'github:alice',
      groups,
    })
    for (const groupsClaim of ['group', 'realm_access.roles'])
      expect(await identityBy({ ...github, groupsClaim })).toEqual({ username: 'github:alice', groups: ['github:x'] })
    expect(await identityBy({})).toEqual({ username: 'alice', groups: ['x', 'y'] })
  })

  test('[JK3.4] names and groups are shown as they are after mapping, never as the issuer sent them, and as text', async () => {
    await using made = await faultyIssuerWorld({ issuer: github })
    const browser = made.world.browser()
    const odd = { preferred_username: '<b>A\u030a</b>', groups: ['<i>', 'system:masters', 'x & y'] }
    await made.logIn({ claims: (good) => ({ ...good, ...odd }) }, browser)
    const page = await browser.open(`${made.world.origin}${paths.whoami}`)
    expect(page.body).toContain('github:&lt;b&gt;\u00c5&lt;/b&gt;')
    expect(page.body).toContain('github:&lt;i&gt;')
    expect(page.body).toContain('github:x &amp; y')
    expect(page.body).toContain('github:system:masters')
    expect(page.body).not.toContain('<b>')
  })
})

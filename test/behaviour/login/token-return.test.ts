/** What becomes, at the real provider, of the refresh token of a session that has ended here. */
import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { commandLineSecret } from '#test/support/command-line.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi } from '../gateway/scene.ts'

function recordOf({ open }: World, username: string, kind: 'browser' | 'cli' = 'browser') {
  const [record] = open.identities.sessions.find(({ spec }) => spec.username === username && spec.kind === kind)
  if (!record) throw new Error(`${username} has no ${kind} session`)
  return record
}

/** As far as Gatehouse goes: the browser is not led on to the provider. */
async function logOut(world: World, browser: ScriptedBrowser): Promise<void> {
  const page = await browser.open(`${world.origin}/`)
  const form = page.forms.find(({ action }) => action === paths.logout)
  const body = new URLSearchParams([...(form?.fields ?? [])]).toString()
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const answer = await browser.navigate(world.origin + paths.logout, { method: 'POST', body, headers, from: page })
  expect(answer.redirect?.origin).toBe(world.identityProvider.issuer)
}

const revoke = async (world: World, kind: 'browser' | 'cli') => {
  const name = recordOf(world, 'alice', kind).metadata.name
  expect((await callApi(world, await world.as('carol'), 'DELETE', api.session(name))).status).toBe(204)
}

describe('the refresh token of a session is given back', () => {
  test.each<[string, (world: World, alice: ScriptedBrowser) => Promise<unknown>]>([
    ['at a logout, wherever the browser goes then', logOut],
    ['when an administrator ends it', (world) => revoke(world, 'browser')],
    ['when its person is locked', (world) => world.open.identities.sessions.setLocked(['alice'])],
  ])('%s, and nobody else’s', async (_when, end) => {
    await using world = await createWorld()
    const [alice] = [await world.as('alice'), await world.as('bob'), await world.as('carol')]
    const before = world.identityProvider.refreshTokens()
    expect(before['demo-alice']).toBe(1)
    await end(world, alice)
    await expect.poll(() => world.identityProvider.refreshTokens()['demo-alice']).toBe(undefined)
    expect(world.identityProvider.refreshTokens()).toMatchObject({ 'demo-bob': 1, 'demo-carol': expect.any(Number) })
  })
})

describe('sessions of one login at the provider, which takes back all of it at once,', () => {
  const renewal = async (world: World, browser: ScriptedBrowser) => {
    const before = recordOf(world, 'alice').spec.expiresAt
    await browser.open(`${world.origin}/`)
    await expect.poll(() => recordOf(world, 'alice').spec.expiresAt).not.toBe(before)
  }

  test('live on when another one of them ends; the last one gives back', async () => {
    const clock = fakeClock(Date.now())
    using _date = dateFollows(clock)
    await using world = await createWorld({ clock })
    const alice = await world.as('alice')
    await commandLineSecret(world, alice)
    expect(world.identityProvider.refreshTokens()['demo-alice']).toBe(2)
    await revoke(world, 'cli')
    await clock.advance(51 * 60_000)
    await renewal(world, alice)
    await revoke(world, 'browser')
    await expect.poll(() => world.identityProvider.refreshTokens()['demo-alice']).toBe(undefined)
  })

  test('live on when they replace one another in a browser', async () => {
    const clock = fakeClock(Date.now())
    using _date = dateFollows(clock)
    await using world = await createWorld({ clock })
    const alice = await world.as('alice')
    const first = recordOf(world, 'alice').metadata.name
    await clock.advance(1_000)
    await alice.open(`${world.origin}${paths.login}?to=%2F`)
    expect(recordOf(world, 'alice').metadata.name).not.toBe(first)
    await clock.advance(51 * 60_000)
    await renewal(world, alice)
  })
})

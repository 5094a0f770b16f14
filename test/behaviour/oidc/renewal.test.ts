import { describe, expect, test } from 'vitest'
import { type LoginGateway, loginGateway } from '#test/support/login-gateway.ts'

const minute = 60_000
const hour = 60 * minute

async function loggedIn(gateway: LoginGateway, user = 'dave') {
  const browser = gateway.browser()
  await browser.open(`${gateway.origin}/`)
  await browser.login(user, gateway.provider.password)
  const [record] = gateway.replica.sessions.find(({ spec }) => spec.username === user)
  if (!record) throw new Error('no session')
  const session = () => gateway.replica.sessions.find(({ metadata }) => metadata.name === record.metadata.name)[0]
  return { browser, name: record.metadata.name, session }
}

describe('a session at the real provider', () => {
  test('in use for six hours is renewed again and again, each time with a new refresh token', async () => {
    await using gateway = await loginGateway()
    const { browser, session } = await loggedIn(gateway)
    const sealed = new Set<string | undefined>()
    for (let step = 0; step < 7; step++) {
      sealed.add(session()?.spec.refreshToken)
      const before = session()?.spec.expiresAt
      await gateway.world.clock.advance(51 * minute)
      expect((await browser.open(`${gateway.origin}/`)).status).toBe(200)
      await expect.poll(() => session()?.spec.expiresAt).not.toBe(before)
    }
    expect(sealed.size).toBe(7)
  })

  test('has the groups that the person has now', async () => {
    await using gateway = await loginGateway()
    const { browser, session } = await loggedIn(gateway)
    expect(session()?.spec.groups).toEqual(['ds'])
    gateway.provider.admin.setGroups('dave', ['qa', 'admins'])
    await gateway.world.clock.advance(51 * minute)
    await browser.open(`${gateway.origin}/`)
    await expect.poll(() => session()?.spec.groups).toEqual(['qa', 'admins'])
  })

  test('ends when the provider has taken the grant back', async () => {
    await using gateway = await loginGateway()
    const { browser, session } = await loggedIn(gateway)
    gateway.provider.admin.revokeGrants('dave')
    await gateway.world.clock.advance(51 * minute)
    await browser.open(`${gateway.origin}/`)
    await expect.poll(() => session()).toBeUndefined()
    expect(gateway.sessions()).toEqual([])
  })

  test('[JK11.4] lives to its end while the provider is away, and not a moment longer', async () => {
    await using gateway = await loginGateway()
    const { browser, session } = await loggedIn(gateway)
    const before = session()?.spec.expiresAt
    await gateway.provider.admin.stopListening()
    await gateway.world.clock.advance(51 * minute)
    expect((await browser.open(`${gateway.origin}/`)).status).toBe(200)
    await gateway.world.clock.advance(9 * minute - 1)
    expect((await browser.open(`${gateway.origin}/`)).status).toBe(200)
    expect(session()?.spec.expiresAt).toBe(before)
    await gateway.world.clock.advance(1)
    expect(session()).toBeUndefined()
    expect((await browser.navigate(`${gateway.origin}/`)).status).toBe(302)
  })

  test('asks once, however many requests come at once', async () => {
    await using gateway = await loginGateway()
    const { browser, session } = await loggedIn(gateway)
    await gateway.world.clock.advance(51 * minute)
    const before = session()?.spec.expiresAt
    // A second use of one refresh token would make the provider take back the whole grant.
    await Promise.all(Array.from({ length: 50 }, () => browser.tab().navigate(`${gateway.origin}/`)))
    await expect.poll(() => session()?.spec.expiresAt).not.toBe(before)
    await gateway.world.clock.advance(51 * minute)
    const again = session()?.spec.expiresAt
    await browser.open(`${gateway.origin}/`)
    await expect.poll(() => session()?.spec.expiresAt).not.toBe(again)
  })

  test('ends after twelve hours, whatever the provider says', async () => {
    await using gateway = await loginGateway()
    const { browser, session } = await loggedIn(gateway)
    for (let passed = 0; passed < 12 * hour; passed += 45 * minute) {
      expect(session()).toBeDefined()
      const before = session()?.spec.expiresAt
      await browser.open(`${gateway.origin}/`)
      const rest = Date.parse(before ?? '') - gateway.world.clock.now()
      const canGrow = before !== session()?.spec.notAfter
      if (rest <= 10 * minute && canGrow) await expect.poll(() => session()?.spec.expiresAt).not.toBe(before)
      await gateway.world.clock.advance(45 * minute)
      if (rest > 10 * minute && session() === undefined) break
    }
    await gateway.world.clock.advance(45 * minute)
    expect(session()).toBeUndefined()
  })
})

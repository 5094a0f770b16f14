import { describe, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { type LoginGateway, loginGateway } from '#test/support/login-gateway.ts'

async function loggedIn(gateway: LoginGateway, user = 'alice') {
  const browser = gateway.browser()
  await browser.open(`${gateway.origin}/`)
  await browser.login(user, gateway.provider.password)
  return browser
}

describe('logging out here', () => {
  test('ends the session here and at the provider, and comes back', async () => {
    await using gateway = await loginGateway()
    const browser = await loggedIn(gateway)
    const page = await browser.open(`${gateway.origin}${paths.logout}`)
    expect(page.url.pathname).toBe(paths.loggedOut)
    expect(page.body).toBe('logged out')
    expect(gateway.sessions()).toEqual([])
    const again = await browser.open(`${gateway.origin}/`)
    expect(again.forms[0]?.fields.has('password')).toBe(true)
  })

  test('ends this browser’s session alone', async () => {
    await using gateway = await loginGateway()
    const [laptop, phone] = [await loggedIn(gateway), await loggedIn(gateway)]
    await laptop.open(`${gateway.origin}${paths.logout}`)
    expect(gateway.sessions()).toEqual(['alice browser'])
    expect((await phone.navigate(`${gateway.origin}/`)).status).toBe(200)
  })

  test('works here while the provider is away', async () => {
    await using gateway = await loginGateway()
    const browser = await loggedIn(gateway)
    await gateway.provider.admin.stopListening()
    await browser.navigate(`${gateway.origin}${paths.logout}`)
    expect(gateway.sessions()).toEqual([])
  })
})

describe('logging out at the provider', () => {
  test('ends the session here by its back channel', async () => {
    await using gateway = await loginGateway()
    const [browser, other] = [await loggedIn(gateway), await loggedIn(gateway)]
    await browser.open(`${gateway.provider.issuer}/logout`)
    await browser.submit()
    expect(gateway.sessions()).toEqual(['alice browser'])
    expect((await browser.navigate(`${gateway.origin}/`)).status).toBe(302)
    expect((await other.navigate(`${gateway.origin}/`)).status).toBe(200)
  })

  test('of a person by an administrator there ends all sessions of that person here, and nobody else’s', async () => {
    await using gateway = await loginGateway()
    await loggedIn(gateway)
    await loggedIn(gateway)
    await loggedIn(gateway, 'bob')
    await gateway.provider.admin.endSessions('alice')
    expect(gateway.sessions()).toEqual(['bob browser'])
  })
})

import { expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { freePort } from '#test/support/free-port.ts'
import { testIdentityProvider } from '#test/support/identity-provider.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'

/** Two real providers with the same people, told apart by prefixes. */
async function scene() {
  await using stack = new AsyncDisposableStack()
  const port = await freePort()
  const second = stack.use(await testIdentityProvider({ clientOrigin: `http://localhost:${port}` }))
  const world = stack.use(
    await createWorld({
      port,
      clientSecrets: new Map([['corp', second.clientSecret]]),
      settings(settings) {
        const [first] = settings.oidc
        if (!first) throw new Error('no issuer')
        const one = { ...first, displayName: 'One', usernamePrefix: 'one:', groupsPrefix: 'one:' }
        const corp = {
          ...first,
          id: 'corp',
          displayName: 'Corp',
          issuer: second.issuer,
          usernamePrefix: 'corp:',
          groupsPrefix: 'corp:',
        }
        return { ...settings, oidc: [one, corp] }
      },
    }),
  )
  const running = stack.move()
  return { world, second, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

test('[JK2.7] two issuers at once: the person chooses, each vouches for its own people, who are never mixed up', async () => {
  await using s = await scene()
  const { world, second } = s
  const { url } = await world.workspace({ name: 'nb', owner: 'corp:alice' })
  const at = async (name: string, issuer: string) => {
    const browser = world.browser()
    const choice = await browser.open(`${url}lab?x=1`)
    expect([choice.status, choice.url.pathname]).toEqual([200, paths.login])
    const links = [...choice.body.matchAll(/href="([^"]*issuer=[^"]*)">([^<]*)</g)]
    expect(links.map(([, , text]) => text)).toEqual(['One', 'Corp'])
    const link = links.find(([, , text]) => text === name)?.[1]?.replaceAll('&amp;', '&') ?? ''
    expect((await browser.open(new URL(link, choice.url))).url.origin).toBe(issuer)
    await browser.login('alice', second.password)
    return browser
  }
  const corp = await at('Corp', second.issuer)
  expect([corp.page.status, corp.page.url.href]).toEqual([200, `${url}lab?x=1`])
  const one = await at('One', world.identityProvider.issuer)
  expect([one.page.status, one.page.url.href]).toEqual([403, `${url}lab?x=1`])
  const whoami = async (browser: typeof corp) => {
    await browser.open(`${world.origin}/`)
    return JSON.parse((await browser.fetch(world.origin + api.whoami)).body)
  }
  expect(await whoami(corp)).toMatchObject({ username: 'corp:alice', issuer: second.issuer, subject: 'demo-alice' })
  expect(await whoami(one)).toMatchObject({
    username: 'one:alice',
    issuer: world.identityProvider.issuer,
    subject: 'demo-alice',
  })

  // What one of them ends or answers says nothing about the other.
  await corp.open(url)
  using socket = await openSocket(corp, url)
  await world.identityProvider.admin.endSessions('alice')
  expect((await one.navigate(`${world.origin}/`)).status).toBe(302)
  expect(socket.isOpen()).toBe(true)
  expect((await corp.navigate(url)).status).toBe(200)
})

test('an answer of one issuer is none to an attempt at the other', async () => {
  await using s = await scene()
  const { world, second } = s
  const browser = world.browser()
  const start = (issuer: string) => browser.navigate(`${world.origin}${paths.login}?issuer=${issuer}`)
  const attempt = (await start('test')).redirect?.searchParams.get('state') ?? ''
  await start('corp')
  await browser.follow()
  let page = await browser.submitOnly({ username: 'alice', password: second.password })
  while (page.redirect && page.redirect.pathname !== paths.callback) page = await browser.navigate(page.redirect)
  const mixed = new URL(page.redirect ?? '')
  mixed.searchParams.set('state', attempt)
  expect((await browser.navigate(mixed)).status).toBe(400)
  expect(world.audit.at(-1)).toMatchObject({ event: 'deny', reason: 'login:issuer_mismatch' })
  mixed.searchParams.set('iss', world.identityProvider.issuer)
  await start('test')
  const fresh = browser.page.redirect?.searchParams.get('state') ?? ''
  mixed.searchParams.set('state', fresh)
  expect((await browser.navigate(mixed)).status).toBe(400)
  expect(world.audit.at(-1)).toMatchObject({ event: 'deny', reason: 'login:code_refused' })
  expect(world.open.identities.sessions.find(() => true)).toEqual([])
})

import { expect, test } from 'vitest'
import { api, loginPath } from '#surface/urls.ts'
import { operatedGateway } from '#test/behaviour/gateway/operated-gateway.ts'
import { createScriptedBrowser } from '#test/support/browser-session.ts'

const deep = '/.gatehouse/open/team/nb?to=%2Flab%2Ftree%2Fa.ipynb'

test.each([
  ['the first', false],
  // Whose name is known to be his, so that it fails one step later.
  ['a later', true],
])(
  '%s login of somebody that the store can not keep is told with 503, and goes on at the same deep link once it is back',
  async (_which, wasHere) => {
    await using world = await operatedGateway()
    const { origin, resources, issuer } = world
    world.isHeld[Symbol.dispose]()
    const readiness = () =>
      fetch(`${world.operations}/readyz`).then(
        ({ status }) => status,
        () => 0,
      )
    await expect.poll(readiness).toBe(200)
    if (wasHere) {
      const before = createScriptedBrowser()
      await before.open(origin + deep)
      expect((await before.login('alice', issuer.password)).url.origin).toBe(origin)
    }
    const browser = createScriptedBrowser()
    await browser.open(origin + deep)
    const down = resources.fail('create')
    const refused = await browser.login('alice', issuer.password)
    const again = loginPath({ issuer: 'test', to: deep })
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5'])
    expect(refused.body).toContain('<code>store_unavailable</code>')
    expect(refused.body).toContain(`href="${again.replaceAll('&', '&amp;')}"`)
    expect((await browser.fetch(origin + api.whoami)).status).toBe(401)
    down[Symbol.dispose]()
    const page = await browser.open(origin + again)
    expect(page.url.pathname + page.url.search).toBe(deep)
    expect((await browser.fetch(origin + api.whoami)).status).toBe(200)
  },
)

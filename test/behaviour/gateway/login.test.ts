import { expect, test } from 'vitest'
import { createWorld } from '#test/support/world.ts'

test('[SP1.2] after the login the app answers at the original deep link; without a cookie everything but a navigation gets 401', async () => {
  await using world = await createWorld()
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const deep = `${url}lab/tree/a%20b.ipynb?reset&x=%2F`
  const browser = world.browser()
  await browser.open(deep)
  const page = await browser.login('alice', world.identityProvider.password)
  expect(page.status).toBe(200)
  expect(page.url.href).toBe(deep)
  expect(JSON.parse(page.body)).toMatchObject({ app: 'team/nb', url: '/lab/tree/a%20b.ipynb?reset&x=%2F' })
  expect(app.requests.length).toBe(1)
})

import { expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { askRaw } from '#test/support/raw-http.ts'
import { createWorld } from '#test/support/world.ts'
import { cookieFor } from './scene.ts'

test('strangers cannot fill the audit trail, whatever they are refused for; what is refused to people is there line by line', async () => {
  const clock = fakeClock(Date.now())
  await using world = await createWorld({ clock })
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const bob = await world.as('bob')
  await bob.open(url)
  await clock.advance(2_000)
  const before = world.lines.length
  const written = (event: string, reason: string) =>
    world.lines
      .slice(before)
      .map((line) => JSON.parse(line))
      .filter((line) => line.event === event && line.reason === reason)
  const headers = cookieFor(bob, url)
  for (let time = 0; time < 30; time++) {
    await plainRequest(url)
    await plainRequest(`${world.origin}/.gatehouse/api/v1/workspaces`)
    await askRaw(world.port, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')
    expect((await plainRequest(url, { headers })).status).toBe(403)
  }
  const reasons = ['login-needed:none', 'login-needed', 'duplicate_field']
  for (const reason of reasons) expect.soft(written('deny', reason), reason).toHaveLength(10)
  expect(written('deny', 'no-grant')).toHaveLength(30)
  await clock.advance(1_000)
  for (const reason of reasons) expect.soft(written('deny-more', reason), reason).toMatchObject([{ count: 20 }])
  expect(written('deny-more', 'no-grant')).toEqual([])
})

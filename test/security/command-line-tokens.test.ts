/** A token that speaks for a person is the secret of a command line of his; there are no others. What is over, changed or brought by another way is none. */
import { describe, expect, test } from 'vitest'
import type { Settings } from '#settings/settings.ts'
import { api, paths } from '#surface/urls.ts'
import { callApi, modes, revocationBound } from '#test/behaviour/gateway/scene.ts'
import { bearerOf } from '#test/support/command-line-login.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type WorldOptions } from '#test/support/world.ts'

/** Alice's workspace, and a command line that she has let in. */
async function scene(options: WorldOptions = {}) {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await createWorld(options))
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const headers = await bearerOf(world, 'alice')
  const secret = headers.Authorization.slice('Bearer '.length)
  const running = stack.move()
  /** At the API and at the workspace. */
  const statuses = async (asked: Record<string, string> = headers) => [
    (await plainRequest(world.origin + api.whoami, { headers: asked })).status,
    (await plainRequest(url, { headers: asked })).status,
  ]
  return { world, url, app, headers, secret, statuses, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

describe.each(modes)('in %s mode', (mode) => {
  test('#52 one is listed with its device and revoked in the browser: its next request is refused and its streams end', async () => {
    await using s = await scene({ mode })
    const { world, url, headers } = s
    const alice = await world.as('alice')
    using socket = await openSocket(undefined, url, { headers })
    using events = await liveRequest(`${url}events`, { headers })
    expect((await alice.open(`${world.origin}${paths.whoami}`)).body).toContain('the laptop of a test')
    const { sessions } = JSON.parse((await alice.fetch(world.origin + api.sessions)).body)
    const [line] = sessions.filter(({ kind }: { kind: string }) => kind === 'cli')
    const began = performance.now()
    expect((await callApi(world, alice, 'DELETE', api.session(line.name))).status).toBe(204)
    expect(await socket.closed).toMatchObject({ code: 1008 })
    await events.ended
    expect(performance.now() - began).toBeLessThan(revocationBound)
    const before = s.app.bytes()
    expect(await s.statuses()).toEqual([401, 401])
    expect(s.app.bytes()).toBe(before)
    expect((await alice.open(url)).status).toBe(200)
  })
})

test('#52 one is no cookie, works by no other scheme, in no query, not with a letter changed, and in no log', async () => {
  await using s = await scene()
  const { world, secret } = s
  const value = secret.slice('gatehouse_'.length)
  const name = world.open.identities.authenticator.cookieName({
    kind: 'console',
    authority: new URL(world.origin).host,
    path: '/',
  })
  const tries: readonly Record<string, string>[] = [
    { Cookie: `${name}=${value}` },
    { Cookie: `${name}=${secret}` },
    { Authorization: secret },
    { Authorization: `Basic ${Buffer.from(`alice:${secret}`).toString('base64')}` },
    { Authorization: `Bearer ${value}` },
    { Authorization: `Bearer ${secret}x` },
    { Authorization: `Bearer ${secret.slice(0, -1)}` },
    { Authorization: `Bearer ${secret.toUpperCase()}` },
    { 'X-Auth-Token': secret },
  ]
  for (const headers of tries) expect(await s.statuses(headers), JSON.stringify(headers)).toEqual([401, 401])
  for (const query of [`token=${secret}`, `access_token=${secret}`, `bearer=${secret}`])
    expect((await plainRequest(`${s.url}?${query}`)).status).toBe(401)
  expect(s.app.bytes()).toBe(0)
  expect(await s.statuses()).toEqual([200, 200])
  expect(world.lines.join('\n')).not.toContain(value)
})

test('#52 one of somebody who is locked is none from then on', async () => {
  await using s = await scene()
  expect(await s.statuses()).toEqual([200, 200])
  await s.world.open.identities.sessions.setLocked(['alice'])
  const before = s.app.bytes()
  expect(await s.statuses()).toEqual([401, 401])
  expect(s.app.bytes()).toBe(before)
})

test('#52 one that has run out is none', async () => {
  const clock = fakeClock()
  using _ = dateFollows(clock)
  const short = (of: Settings): Settings => ({ ...of, sessions: { ...of.sessions, horizon: 5 * 60_000 } })
  await using s = await scene({ clock, settings: short })
  expect(await s.statuses()).toEqual([200, 200])
  await clock.advance(6 * 60_000)
  const before = s.app.bytes()
  expect(await s.statuses()).toEqual([401, 401])
  expect(s.app.bytes()).toBe(before)
})

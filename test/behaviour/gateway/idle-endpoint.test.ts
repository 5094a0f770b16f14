/** Idle shutdown by an endpoint of the app, over a real store and a real app that is asked over HTTP; only the clock is one of the test. */
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '#lib/clock.ts'
import { askApp } from '#operator/app-inquiry.ts'
import { type Ask, type IdleWorld, openIdleWorld } from '#test/support/idle-world.ts'

const minute = 60_000
const endpoint = { enabled: true, idleTimeoutInMinutes: 30, detection: { httpGet: { path: '/api/idle', port: 8888 } } }
/** For one that never answers. */
const hurried: Clock = { ...systemClock, after: (delay, run) => systemClock.after(delay / 20, run) }

async function appWith(answer: (response: ServerResponse) => void, clock: Clock = systemClock) {
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/api/idle')) return answer(response)
    response.statusCode = 404
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // An address of a listening server is no text and not null.
  const { port } = server.address() as AddressInfo
  const ask: Ask = (entry, policy, signal) => {
    const dial = async () => connect({ host: '127.0.0.1', port })
    return askApp({ dial, publicPath: () => '/', clock, signal }, entry, policy.endpoint)
  }
  return {
    ask,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** An answer comes over a real socket, for which the clock of the test does not wait. */
function eventually<T>(world: IdleWorld, read: () => Promise<T> | T) {
  return expect.poll(
    async () => {
      await world.clock.advance(0)
      return read()
    },
    { timeout: 15_000, interval: 20 },
  )
}

const lastActive = (at: number) => (response: ServerResponse) =>
  response.end(JSON.stringify({ lastActiveTimestamp: new Date(at).toISOString() }))

test('[SP10.1] /api/idle says 31 minutes ago, the timeout is 30, and nobody came by: stopped once, with one event IdleShutdown', async () => {
  await using world = await openIdleWorld({ idleShutdown: endpoint })
  const start = world.clock.now()
  await using app = await appWith(lastActive(start - 45_000))
  await using _ = world.lead(world.openReplica('a'), app.ask)
  await world.pass(30)
  expect(await world.desired()).toBe('Running')
  await world.pass(0.3)
  await eventually(world, world.desired).toBe('Stopped')
  await world.pass(10)
  expect(world.resources.calls('patchSpec')).toBe(1)
  expect(world.events.length).toBe(1)
  expect(world.lines.filter((line) => line.includes('"reason":"IdleShutdown"')).length).toBe(1)
})

test('[SP10.2] 29 minutes ago leaves it untouched', async () => {
  await using world = await openIdleWorld({ idleShutdown: endpoint })
  let asked = 0
  await using app = await appWith((response) => {
    asked += 1
    lastActive(world.clock.now() - 29 * minute)(response)
  })
  await using leader = world.lead(world.openReplica('a'), app.ask)
  await world.pass(31)
  await eventually(world, () => asked).toBeGreaterThan(0)
  await eventually(world, () => leader.why()?.kind).toBe('not-idle')
  expect(world.resources.calls('patchSpec')).toBe(0)
})

test.each<[name: string, answer: (response: ServerResponse) => void, why: RegExp]>([
  ['404', (response) => void response.writeHead(404).end(), /answered 404/],
  ['500', (response) => void response.writeHead(500).end(), /answered 500/],
  ['no answer', () => undefined, /did not answer .* within 10 s/],
  ['invalid JSON', (response) => void response.end('{'), /no JSON/],
])('[SP10.3] %s: it is not stopped, what is kept of it says why, and it is asked again', async (name, answer, why) => {
  await using world = await openIdleWorld({ idleShutdown: endpoint })
  let asked = 0
  await using app = await appWith(
    (response) => {
      asked += 1
      answer(response)
    },
    name === 'no answer' ? hurried : systemClock,
  )
  await using leader = world.lead(world.openReplica('a'), app.ask)
  await world.pass(31)
  await eventually(world, () => JSON.stringify(leader.why())).toMatch(why)
  await world.pass(2)
  await eventually(world, () => asked).toBeGreaterThan(1)
  const record = async () => (await world.recordOf('a'))?.spec.verdict?.message ?? ''
  await eventually(world, record).toMatch(why)
  expect(await world.desired()).toBe('Running')
  expect(world.resources.calls('patchSpec')).toBe(0)
})

/** Frames of HTTP/2 that nobody would send, on the real listener: they cost their own connection at most, and nothing of them stays. */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { type Http2Client, openHttp2Client } from '#test/support/http2-client.ts'
import { answerOf, type Field, openFrames, preface, settings, types } from '#test/support/http2-frames.ts'
import { goodGet, useHttp2Tenants } from '#test/support/http2-tenants.ts'
import { requestText, type Tenants } from '#test/support/tenants.ts'
import { Chance } from './chance.ts'
import { makeHttp2Case } from './http2-cases.ts'

/** With what HTTP/1.1 has, two minutes in all. `npm run fuzz:http2` takes longer, on new ground. */
const span = Number(process.env.GATEHOUSE_FUZZ_HTTP2_SECONDS ?? 15) * 1_000
const seed = process.env.GATEHOUSE_FUZZ_SEED ?? 'gatehouse'
const lanes = 6
/** For how long nothing must have come, and in how many turns of this process: one that waits for a processor answers nobody meanwhile. */
const quiet = 25
const quietTurns = 20
/** Cases of a lane between two looks at everybody else. */
const lookEvery = 20

const tenants = useHttp2Tenants()

const openSockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length

/** How many of its requests were answered with 200. */
async function play({ world, a }: Tenants, origin: string): Promise<number> {
  const chance = new Chance(origin)
  const good = (path: string): readonly Field[] =>
    goodGet(a).map(([name, value]) => (name === ':path' ? [name, path] : [name, value]))
  const pieces = makeHttp2Case(chance, good)
  using connection = await openFrames(world.port)
  if (chance.isTrue(0.95)) connection.send(preface)
  if (chance.isTrue(0.95)) connection.send(settings([1, 0]))
  for (const piece of pieces) {
    if (connection.isEnded()) break
    connection.send(piece)
    await setImmediate()
  }
  let seen = -1
  while (!connection.isEnded() && connection.frames.length > seen) {
    seen = connection.frames.length
    await sleep(quiet)
    for (let turn = 0; turn < quietTurns; turn += 1) await setImmediate()
  }
  const heads = connection.frames.filter(({ type }) => type === types.headers).map(({ stream }) => stream)
  return new Set(heads.filter((stream) => answerOf(connection.frames, stream) === 200)).size
}

/** By a connection that was there before, and by new ones of either protocol. */
async function othersAreRight({ world, a, b, ask }: Tenants, bob: Http2Client, origin: string): Promise<void> {
  const path = `/bob/${origin}`
  const fields = { ':method': 'GET', ':scheme': 'http', ':authority': b.authority, ':path': path, cookie: b.cookie }
  using fresh = await openHttp2Client(`http://127.0.0.1:${world.port}`)
  for (const client of [bob, fresh]) {
    const { status, body } = await client.ask(fields)
    expect([origin, status, JSON.parse(body)]).toMatchObject([origin, 200, { app: 'team/b', url: path }])
  }
  const plain = await ask(requestText({ target: '/fuzzed/plain', host: a.authority, cookie: a.cookie }))
  expect([origin, plain.status, JSON.parse(plain.body)]).toMatchObject([origin, 200, { app: 'team/a' }])
}

test('#76 whatever frames come, everybody else is answered right, no request is made of what was none, and nothing stays open', {
  timeout: span + 60_000,
}, async () => {
  const all = tenants()
  const { world, a, b } = all
  const before = openSockets()
  let cases = 0
  let answered = 0
  {
    using bob = await openHttp2Client(`http://127.0.0.1:${world.port}`)
    const over = performance.now() + span
    const lane = async () => {
      for (let own = 1; performance.now() < over; own += 1) {
        const origin = `${seed}:${cases++}`
        answered += await play(all, origin)
        if (own % lookEvery === 0) await othersAreRight(all, bob, origin)
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    await othersAreRight(all, bob, 'last')
  }
  // Or it was a test of refusals alone.
  expect(answered, `of ${cases} cases`).toBeGreaterThan(cases / 10)
  const his = b.app.requests.filter(({ url }) => !url.startsWith('/bob/'))
  expect(his.map(({ url }) => url)).toEqual(['/'])
  const strange = a.app.requests.slice(1).filter((echo) => {
    const isHers =
      headersOf(echo, 'X-Forwarded-User').join() === 'alice' && headersOf(echo, 'Host').join() === a.authority
    // Of the bytes of a body.
    return !isHers || echo.url === '/fuzzed/smuggled'
  })
  expect(strange).toEqual([])
  expect(world.lines.filter((line) => line.includes('"level":"error"'))).toEqual([])
  await world.until(() => world.open.streams.all().length === 0, 'nothing counts as open')
  await expect.poll(openSockets).toBeLessThanOrEqual(before + 2)
})

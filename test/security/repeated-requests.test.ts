/**
 * A request that differs in little from the one before it on its connection. What was read of that one may be used again for the very same
 * fields alone, and what was decided is decided anew.
 */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { openTenants, requestText, type Tenants, useTenants } from '#test/support/tenants.ts'

/** The statuses of requests that follow each other on one connection, each of them sent when the one before it is answered. */
async function statuses({ world }: Tenants, requests: readonly string[]): Promise<number[]> {
  using connection = await openRaw(world.port)
  const seen: number[] = []
  for (const request of requests) {
    connection.send(request)
    seen.push((await connection.answer()).status)
  }
  return seen
}

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })
  const usual = () => {
    const { a } = tenants()
    return { target: `${a.prefix}x`, host: a.authority, cookie: a.cookie, fields: ['X-Own', 'one'] }
  }
  const good = () => requestText(usual())

  test('#112 another cookie, host, origin, method or target is seen at once, and so is what it was before', async () => {
    const { a, b } = tenants()
    const bent = a.cookie.replace(/\.(.)/, (_, first) => (first === 'A' ? '.B' : '.A'))
    const others: readonly (readonly [request: string, status: number])[] = [
      [requestText({ ...usual(), cookie: bent }), 401],
      [requestText({ ...usual(), cookie: b.cookie }), 401],
      [requestText({ ...usual(), cookie: 'x=1' }), 401],
      [requestText({ ...usual(), fields: ['Origin', 'http://evil.test'] }), 403],
      [requestText({ ...usual(), fields: ['Sec-Fetch-Site', 'same-site'] }), 403],
      [requestText({ ...usual(), method: 'POST', fields: ['X-Own', 'one', 'Content-Length', '0'] }), 403],
      [requestText({ ...usual(), target: `${b.prefix}x`, host: b.authority }), 401],
    ]
    for (const [request, status] of others) {
      const seen = await statuses(tenants(), [good(), good(), request, good(), request])
      expect(seen, request).toEqual([200, 200, status, 200, status])
    }
    // With this one the connection ends.
    const foreign = requestText({ ...usual(), host: `evil.${a.authority}` })
    expect(await statuses(tenants(), [good(), good(), foreign])).toEqual([200, 200, mode === 'host' ? 404 : 421])
  })

  test('#112 every field goes on as it was sent this time, and what is ours does not, whoever asked before', async () => {
    const { a } = tenants()
    const ask = (fields: readonly string[], cookie = a.cookie) => requestText({ ...usual(), cookie, fields })
    const asked = [ask(['X-Own', 'one']), ask(['X-Own', 'two']), ask(['X-Own', 'two'], `${a.cookie}; mine=1`), good()]
    expect(await statuses(tenants(), asked)).toEqual([200, 200, 200, 200])
    const seen = a.app.requests.slice(-4)
    expect(seen.flatMap((echo) => headersOf(echo, 'x-own'))).toEqual(['one', 'two', 'two', 'one'])
    expect(seen.map((echo) => headersOf(echo, 'cookie'))).toEqual([[], [], ['mine=1'], []])
    expect(seen.flatMap((echo) => headersOf(echo, 'x-forwarded-user'))).toEqual(Array(4).fill('alice'))
  })

  test('#112 what one connection said is nothing to another', async () => {
    const { a, world } = tenants()
    using first = await openRaw(world.port)
    using second = await openRaw(world.port)
    for (const [own, other] of [
      ['1', '2'],
      ['1', '3'],
      ['4', '3'],
    ] as const) {
      first.send(requestText({ ...usual(), fields: ['X-Own', own] }))
      second.send(requestText({ ...usual(), cookie: 'x=1', fields: ['X-Own', other] }))
      expect([(await first.answer()).status, (await second.answer()).status]).toEqual([200, 401])
      expect(headersOf(a.app.requests.at(-1) ?? { rawHeaders: [] }, 'x-own')).toEqual([own])
    }
  })
})

test('#112 the same bytes again are refused as soon as their session is over', async () => {
  await using tenants = await openTenants()
  const { a, world } = tenants
  using connection = await openRaw(world.port)
  const request = requestText({ target: '/', host: a.authority, cookie: a.cookie })
  const ask = async () => {
    connection.send(request)
    return (await connection.answer()).status
  }
  expect([await ask(), await ask()]).toEqual([200, 200])
  await world.open.identities.sessions.setLocked(['alice'])
  const reached = tenants.upstreamBytes()
  expect([await ask(), tenants.upstreamBytes() - reached]).toEqual([401, 0])
})

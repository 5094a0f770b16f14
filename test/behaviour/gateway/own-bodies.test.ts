/** Bodies that are sent to Gatehouse itself: who waits to be told to go on, and how long they may be. */
import { expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText } from '#test/support/tenants.ts'
import { createWorld, type World } from '#test/support/world.ts'

const bodyBytes = 1024

async function scene() {
  const world = await createWorld({
    settings: (settings) => ({ ...settings, limits: { ...settings.limits, bodyBytes } }),
  })
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice' })
  return { world, ref, alice: await world.as('alice') }
}

interface Post {
  readonly target: string
  readonly by?: ScriptedBrowser
  readonly length?: number
  readonly fields?: readonly string[]
}

/** As the console's own script sends it. */
function post(world: World, { target, by, length = 2, fields = [] }: Post): string {
  const host = new URL(world.origin).host
  const cookie = by?.cookieHeader(world.origin)
  return requestText({
    method: 'POST',
    target,
    host,
    ...(cookie === undefined ? {} : { cookie }),
    fields: ['Origin', world.origin, 'Content-Type', 'application/json', 'Content-Length', String(length), ...fields],
  })
}

const waiting = ['Expect', '100-continue']

test('a body to Gatehouse itself may be as long as the setting says, told beforehand or not, and not a byte longer', async () => {
  const { world, ref, alice } = await scene()
  await using _ = world
  const target = api.shares(ref)
  const send = async (length: number, framing: 'length' | 'chunks') => {
    using raw = await openRaw(world.port)
    const body = JSON.stringify('x'.repeat(length - 2))
    const head = post(world, { target, by: alice, length })
    if (framing === 'length') raw.send(head + body)
    else {
      raw.send(head.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked'))
      raw.send(`${length.toString(16)}\r\n${body}\r\n0\r\n\r\n`)
    }
    const { status, body: said } = await raw.answer()
    return [status, JSON.parse(said).code]
  }
  for (const framing of ['length', 'chunks'] as const) {
    expect(await send(bodyBytes, framing), framing).toEqual([422, 'unprocessable'])
    expect(await send(bodyBytes + 1, framing), framing).toEqual([413, 'too_large'])
  }
})

test('a client that waits for 100 Continue gets it when its body is wanted, and goes on on the same connection', async () => {
  const { world, ref, alice } = await scene()
  await using _ = world
  using raw = await openRaw(world.port)
  for (const _time of [1, 2]) {
    raw.send(post(world, { target: api.shares(ref), by: alice, fields: waiting }))
    expect(await raw.bytes(25)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    raw.send('{}')
    const answer = await raw.answer()
    expect([answer.interim, answer.status]).toEqual([[100], 422])
  }
})

interface Refused {
  readonly target?: string
  readonly isStranger?: boolean
  readonly isForeign?: boolean
  readonly length?: number
}

const refused: readonly (readonly [why: string, status: number, request: Refused])[] = [
  ['nobody is logged in', 401, { isStranger: true }],
  ['a page of another origin asks', 403, { isForeign: true }],
  ['there is no such route', 404, { target: '/.gatehouse/nothing' }],
  ['the method is not allowed', 405, { target: paths.jwks }],
  ['the body is to be too long', 413, { length: bodyBytes + 1 }],
]

test.each(refused)(
  'without 100 Continue it gets the refusal, and the connection ends, where %s',
  async (_, status, how) => {
    const { world, ref, alice } = await scene()
    await using _world = world
    const { target = api.shares(ref), length = 2 } = how
    const bytes = post(world, { target, length, fields: waiting, ...(how.isStranger ? {} : { by: alice }) })
    using raw = await openRaw(world.port)
    raw.send(how.isForeign ? bytes.replace(`Origin: ${world.origin}`, 'Origin: http://evil.test') : bytes)
    const answer = await raw.answer()
    expect([answer.interim, answer.status]).toEqual([[], status])
    expect(await raw.rest()).toBe('')
  },
)

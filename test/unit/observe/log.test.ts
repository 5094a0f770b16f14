import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import { createLog, type LogLevel } from '#observe/log.ts'
import { longestField, printable, printablePath, scrub } from '#observe/printable.ts'
import { Secret } from '#settings/secret.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'

function world(level: LogLevel = 'debug') {
  const sink = memoryLines()
  return { sink, log: createLog({ level, clock: fakeClock(), sink }) }
}

const jwt = `eyJhbGciOiJFZERTQSJ9.${'cGF5bG9hZA'.repeat(9)}.${'c2lnbmF0dXJl'.repeat(4)}`
const cookie = `k7.${'Ab0-_'.repeat(9)}.${'Zy9_-'.repeat(9)}`
const token = `gatehouse_${'s3cret'.repeat(5)}`

describe('a log line', () => {
  test('is one JSON object with the time, the level and the message', () => {
    const { sink, log } = world()
    log.info({ workspace: 'alice/notebook', port: 8888 }, 'opened')
    expect(sink.entries).toEqual([
      { level: 'info', time: '2026-01-01T00:00:00.000Z', workspace: 'alice/notebook', port: 8888, message: 'opened' },
    ])
    expect(sink.text.endsWith('}\n')).toBe(true)
  })

  test('below the level is not written', () => {
    const { sink, log } = world('warn')
    log.info({}, 'quiet')
    log.warn({}, 'loud')
    expect(sink.entries.map((entry) => entry.message)).toEqual(['loud'])
  })

  test('of what anybody can cause is written a few times, and then how many more there were', async () => {
    const sink = memoryLines()
    const clock = fakeClock()
    const log = createLog({ level: 'info', clock, sink })
    for (let time = 0; time < 50; time++) {
      log.warnOfMany({ component: 'identity', reason: 'state_unknown' }, `a login was refused: ${time}`)
      log.child({ name: 'x' }).warnOfMany({ component: 'identity', reason: 'state_unknown' }, 'the same')
    }
    log.warnOfMany({ component: 'identity', reason: 'locked' }, 'another')
    log.warn({ component: 'identity', reason: 'state_unknown' }, 'not one of these')
    expect(sink.entries).toHaveLength(12)
    await clock.advance(1_000)
    expect(sink.entries.slice(12)).toMatchObject([
      { level: 'warn', component: 'identity', reason: 'state_unknown', count: 90 },
    ])
  })

  test('holds listed fields alone, so a header or a body handed over by mistake is dropped', () => {
    const { sink, log } = world()
    const head = { headers: { cookie: 'a=b' }, authorization: 'x', body: 'y', __proto__: 'z', requestId: 'r-1' }
    log.info(Object.fromEntries(Object.entries(head)), 'request')
    expect(Object.keys(sink.entries[0] ?? {}).toSorted()).toEqual(['level', 'message', 'requestId', 'time'])
  })

  test('has the fields of its parents', () => {
    const { sink, log } = world()
    log.child({ component: 'gateway' }).child({ requestId: 'r-1' }).info({ status: 200 }, 'done')
    expect(sink.entries[0]).toMatchObject({ component: 'gateway', requestId: 'r-1', status: 200 })
  })

  test('shows the path of a target and never its query', () => {
    const { sink, log } = world()
    log.info({ path: '/.gatehouse/callback?code=abc&state=def', address: 'https://idp.test/token?x=1' }, 'answered')
    expect(sink.entries[0]).toMatchObject({ path: '/.gatehouse/callback', address: 'https://idp.test/token' })
  })

  test('names errors by code with their causes, and shows the stack of unforeseen ones alone', () => {
    const { sink, log } = world()
    const cause = new Error(`refused ${jwt}`)
    log.error({ error: new GatewayError('issuer_unavailable', 'no answer', { cause }) }, 'login failed')
    log.error({ error: new TypeError('x is not a function') }, 'broken')
    expect(sink.entries[0]?.error).toEqual({
      name: 'GatewayError',
      code: 'issuer_unavailable',
      message: 'no answer',
      cause: 'refused [redacted]',
    })
    expect(sink.entries[1]?.error).toMatchObject({ name: 'TypeError', stack: expect.stringContaining('log.test.ts') })
  })

  test.each([
    ['a token of ours', token],
    ['a session cookie', cookie],
    ['a JWT', jwt],
    ['an unsigned JWT', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.'],
  ])('does not show %s, wherever it stands', (_, secret) => {
    const { sink, log } = world()
    log
      .child({ name: secret })
      .warn({ user: secret, error: new Error(`bad ${secret}`), reason: `${secret},` }, `got ${secret}`)
    expect(sink.text).not.toContain(secret.slice(-12))
  })

  test.each([
    'ticket=abcdef123',
    'https://x.test/cb?code=abcdef123&state=abcdef123',
    'refresh_token=abcdef123',
    '{"client_secret":"abcdef123"}',
    'Authorization: Bearer abcdef123',
    'authorization=Basic abcdef123',
    'Cookie: a=1; b=abcdef123',
    'Set-Cookie: __Host-x=abcdef123; Path=/',
    'with Bearer abcdef123 it failed',
    '-----BEGIN PRIVATE KEY-----\nabcdef123\n-----END PRIVATE KEY-----',
  ])('takes the secret out of %j', (text) => {
    expect(printable(text)).not.toContain('abcdef123')
  })

  test('keeps ordinary words', () => {
    for (const text of [
      'decode=1',
      'workspace alice/notebook',
      'notebook-mfwgsy3f.ws.example.com',
      'v1.2.3',
      'a.b.c',
    ]) {
      expect(scrub(text)).toBe(text)
    }
  })

  test('of a name of a megabyte stays short and says how long it was', () => {
    const { sink, log } = world()
    log.info({ user: 'x'.repeat(1_000_000) }, 'y'.repeat(1_000_000))
    expect(sink.text.length).toBeLessThan(3 * longestField)
    expect(sink.text).toContain('(1000000 characters)')
  })

  test('can not be forged or made to talk to a terminal', () => {
    const { sink, log } = world()
    log.info({ user: 'eve\n{"level":"info"}\r\u001b[31mred\u009b2J\u202egnp.exe\u2028' }, 'login')
    expect(sink.text.split('\n')).toHaveLength(2)
    expect(sink.entries[0]?.user).toBe('eve\\n{"level":"info"}\\r\\u{1b}[31mred\\u{9b}2J\\u{202e}gnp.exe\\u{2028}')
  })

  test('is fit to print for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => {
        const shown = printable(text)
        return !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(shown) && shown.length < longestField + 40
      }),
    )
  })

  test('hides a secret that the length limit would cut in two', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9000 }), (before) => {
        const shown = printable(`${'x '.repeat(before / 2)}${cookie} ${jwt}`)
        return !shown.includes('Zy9') && !shown.includes('c2lnbmF0')
      }),
    )
  })

  test('hides a secret at the end of what is looked at, behind one that took up most of it', () => {
    for (let spare = 0; spare < 120; spare += 7) {
      const long = `eyJhbGci0.${'p'.repeat(8192 - 11 - spare)}`
      expect(printable(`${long} ${cookie} and more`)).not.toContain('b0-_')
    }
  })

  test('takes little time for hostile text', () => {
    const hostile = ['.', 'a.', '-', 'eyJ.', 'code=', 'a'].map((part) => part.repeat(1_000_000 / part.length))
    const started = performance.now()
    for (const text of hostile) printable(text)
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

test('the path of a target without a query is the target', () => {
  expect(printablePath('/lab/tree')).toBe('/lab/tree')
})

test('a secret prints as [redacted] whatever is done to print it', () => {
  const secret = new Secret('correct horse')
  const shown = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ secret }, { depth: 9 }),
  ]
  for (const text of shown) expect(text).toContain('[redacted]')
  expect(shown.join()).not.toContain('horse')
  expect(Object.values(secret)).toEqual([])
  expect(secret.reveal()).toBe('correct horse')
})

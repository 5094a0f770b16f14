import { expect, test } from 'vitest'
import { createAudit } from '#observe/audit.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'

const actor = { user: 'bob', session: 's1', requestId: 'r-1', client: '192.0.2.7' }

test('an event is one JSON line with its time, its actor and what happened', () => {
  const sink = memoryLines()
  const clock = fakeClock()
  const audit = createAudit({ sink, clock })
  audit.record({ event: 'allow', ...actor, workspace: 'alice/notebook', port: 8888, grant: 'share:x' })
  audit.record({
    event: 'stream-closed',
    ...actor,
    workspace: 'alice/notebook',
    port: 8888,
    grant: 'share:x',
    kind: 'websocket',
    reason: 'revoked',
    duration: 1500,
    bytesIn: 10,
    bytesOut: 2000,
  })
  expect(sink.entries).toEqual([
    {
      time: '2026-01-01T00:00:00.000Z',
      event: 'allow',
      ...actor,
      workspace: 'alice/notebook',
      port: 8888,
      grant: 'share:x',
    },
    expect.objectContaining({ event: 'stream-closed', bytesIn: 10, bytesOut: 2000, duration: 1500 }),
  ])
})

test('a name from outside can neither forge a line nor fill the disk', () => {
  const sink = memoryLines()
  const audit = createAudit({ sink, clock: fakeClock() })
  const user = `eve\n{"event":"login"}\u001b[2J${'x'.repeat(100_000)}`
  audit.record({ event: 'deny', ...actor, user, reason: 'no-grant', workspace: undefined, port: undefined })
  expect(sink.entries).toHaveLength(1)
  expect(sink.text.length).toBeLessThan(1000)
  expect(sink.text).not.toContain('\u001b')
})

test('grantees are a list, and an expiry is a date', () => {
  const sink = memoryLines()
  createAudit({ sink, clock: fakeClock() }).record({
    event: 'share-created',
    ...actor,
    workspace: 'alice/notebook',
    share: 'x',
    grantees: ['User:bob\n'],
    access: 'connect',
    ports: undefined,
    connectionTypes: undefined,
    expiresAt: 0,
  })
  expect(sink.entries[0]).toMatchObject({ grantees: ['User:bob\\n'], expiresAt: '1970-01-01T00:00:00.000Z' })
  expect(sink.entries[0]).not.toHaveProperty('ports')
})

test('refusals of nobody in particular are bounded for each reason; those of somebody never are', async () => {
  const sink = memoryLines()
  const clock = fakeClock()
  const audit = createAudit({ sink, clock })
  const stranger = { ...actor, user: undefined, session: undefined, workspace: undefined, port: undefined }
  for (let time = 0; time < 500; time++) {
    audit.record({ event: 'deny', ...stranger, reason: 'login-needed' })
    audit.record({ event: 'deny', ...actor, workspace: 'alice/notebook', port: 8888, reason: 'no-grant' })
  }
  audit.record({ event: 'deny', ...stranger, reason: 'bad_request' })
  const reasons = () => Map.groupBy(sink.entries, ({ event, reason }) => `${event} ${reason}`)
  expect(reasons().get('deny login-needed')).toHaveLength(10)
  expect(reasons().get('deny no-grant')).toHaveLength(500)
  expect(reasons().get('deny bad_request')).toHaveLength(1)
  await clock.advance(1_000)
  expect(sink.entries.at(-1)).toEqual({
    time: '2026-01-01T00:00:01.000Z',
    event: 'deny-more',
    reason: 'login-needed',
    count: 490,
  })
  expect(reasons().get('deny-more login-needed')).toHaveLength(1)
})

test('what was left out is written at the end', () => {
  const sink = memoryLines()
  {
    using audit = createAudit({ sink, clock: fakeClock() })
    const nobody = { user: undefined, session: undefined, requestId: undefined, client: undefined }
    for (let time = 0; time < 12; time++)
      audit.record({ event: 'deny', ...nobody, workspace: undefined, port: undefined, reason: 'bad_request' })
  }
  expect(sink.entries.at(-1)).toMatchObject({ event: 'deny-more', count: 2 })
})

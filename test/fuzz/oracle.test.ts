/** The oracle notices what it is there for. */
import { describe, expect, test } from 'vitest'
import { Chance } from './chance.ts'
import { plainly } from './dialects.ts'
import { makeCase } from './generator.ts'
import { isJoinOf, judge } from './oracle.ts'
import type { SeenRequest } from './recorder.ts'
import { renderCase } from './request-case.ts'
import { shrinkCase } from './shrink.ts'

const host = 'nb.localhost:8800'

function seen(fields: Partial<SeenRequest> = {}): SeenRequest {
  const own = { method: 'GET', target: '/k0', fields: [['host', host]] as const, body: '', trailers: [] }
  return { ...own, isComplete: true, malformed: undefined, ...fields }
}

const played = (...requests: readonly SeenRequest[]) => ({ requests, statuses: [], answered: [] })

function kinds(ours: readonly SeenRequest[], nginx: readonly SeenRequest[], haproxy: readonly SeenRequest[]) {
  const findings = judge({ gatehouse: played(...ours), nginx: played(...nginx), haproxy: played(...haproxy) }, host)
  return findings.map(({ kind }) => kind)
}

describe('a finding is', () => {
  const post = seen({ method: 'POST', target: '/k1', body: 'hello' })
  test('what both refuse', () => expect(kinds([seen()], [], [])).toEqual(['forwarded-what-both-refuse']))
  test('another body', () => {
    expect(kinds([post], [{ ...post, body: '' }], [{ ...post, body: 'hell' }])).toEqual(['split-differently'])
  })
  test('requests of which each is known, and no division with all', () => {
    expect(kinds([seen(), post], [seen()], [post])).toEqual(['split-differently'])
  })
  test('a request twice that came once', () => {
    expect(kinds([seen(), seen()], [seen()], [seen()])).toEqual(['split-differently'])
  })
  test('a piece of a body that nobody else saw', () => {
    const cut = { ...post, isComplete: false, body: 'other' }
    expect(kinds([cut], [post], [post])).toEqual(['split-differently'])
    expect(kinds([{ ...cut, body: 'hel' }], [post], [])).toEqual([])
  })
  test('a field or trailer that both drop', () => {
    const fields = [...seen().fields, ['x-a', 'evil']] as const
    expect(kinds([seen({ fields })], [seen()], [seen()])).toEqual(['field-smuggled'])
    expect(kinds([seen({ fields })], [seen()], [seen({ fields })])).toEqual([])
    expect(kinds([seen({ trailers: [['x-t', 'evil']] })], [seen()], [seen()])).toEqual(['field-smuggled'])
  })
  test("a field of the gateway's with the client's value, and another host", () => {
    const fields = [...seen().fields, ['x_forwarded_user', 'evil']] as const
    expect(kinds([seen({ fields })], [seen({ fields })], [])).toEqual(['forged'])
    const foreign = seen({ fields: [['host', 'evil.test']] })
    expect(kinds([foreign], [foreign], [foreign])).toEqual(['forged'])
  })
  test('what cannot be read', () => expect(kinds([seen({ malformed: 'x' })], [], [])).toEqual(['malformed']))
  test('answers in another order', () => {
    const requests = [seen(), seen({ target: '/k1' })]
    const gatehouse = { requests, statuses: [], answered: ['/k1', '/k0'] }
    const others = { nginx: played(...requests), haproxy: played(...requests) }
    expect(judge({ gatehouse, ...others }, host).map(({ kind }) => kind)).toEqual(['answers-mixed'])
  })
})

describe('no finding is', () => {
  test('to be stricter', () => expect(kinds([seen()], [seen(), seen({ target: '/k1' })], [])).toEqual([]))
  test('the absolute form of the same', () => {
    expect(kinds([seen({ target: '/?a' })], [], [seen({ target: `http://${host}?a` })])).toEqual([])
  })
})

test('a connection is known in parts where it is the parts and nothing else', () => {
  const [one, two, last] = [seen(), seen({ target: '/k1' }), seen({ target: '/last' })]
  expect(isJoinOf([one, two, last], [one, last], [two, last])).toBe(true)
  expect(isJoinOf([one, last], [one, last], [two, last])).toBe(false)
})

test('a seed makes the same case again, and another one another', () => {
  expect(makeCase(new Chance('a:1'))).toEqual(makeCase(new Chance('a:1')))
  expect(makeCase(new Chance('a:1'))).not.toEqual(makeCase(new Chance('a:2')))
})

test('a case is filled in, and counts what is filled in', () => {
  const head = ['POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n']
  const body = ['{hex}', '\r\n', '{cookie}', '\r\n']
  const setting = { host: 'h', base: '/w', cookie: 'x'.repeat(20) }
  const [text = ''] = renderCase({ messages: [{ head, body }], cuts: [] }, setting)
  expect(text).toContain(`Host: h\r\nContent-Length: 26\r\n\r\n14\r\n${'x'.repeat(20)}\r\nGET /w/last`)
})

test('a case in a dialect has a plain form, a plain one has none', () => {
  const plain = {
    messages: [{ head: ['GET http://{host}/?a HTTP/1.1\r\nHost: {host}\r\n\r\n'], body: ['x'] }],
    cuts: [],
  }
  expect(plainly(plain)).toBeUndefined()
  const head = ['\r', 'GET ', 'http://{host}', '?a HTTP/1.1\r\n', 'Host:', '\t {host}', ' \t\r\n\r\n']
  expect(plainly({ messages: [{ head, body: ['x'] }], cuts: [] })).toEqual(plain)
})

test('a case shrinks to what it takes', async () => {
  const needed = { head: ['GET', ' ', '/', '\0', '\r\n', 'a', ': ', 'b'], body: ['x', 'y'] }
  const whole = { messages: [needed, { head: ['z'], body: [] }], cuts: [0.5] }
  const small = await shrinkCase(whole, async ({ messages }) => messages.some(({ head }) => head.includes('\0')))
  expect(small).toEqual({ messages: [{ head: ['\0'], body: [] }], cuts: [] })
})

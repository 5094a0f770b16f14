import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RequestHeads } from '#http/end-to-end.ts'
import { readRequestHead } from '#http/request-head.ts'
import { RequestMemory } from '#http/request-memory.ts'

const heads = new RequestHeads((name) => name.startsWith('__Host-gatehouse'))
const limits = { httpVersion: '1.1', mostFields: 50 }
const plain = () => ['Host', 'nb.example.com', 'Cookie', '__Host-gatehouse=a; mine=1', 'Accept', '*/*']

describe('the fields of a connection', () => {
  test('are read once as long as they are the same', () => {
    const memory = new RequestMemory()
    const head = memory.read(plain(), limits)
    const outgoing = memory.outgoing(heads, { rawHeaders: plain(), isAuthorizationOurs: false })
    expect(memory.read(plain(), limits)).toBe(head)
    expect(memory.outgoing(heads, { rawHeaders: plain(), isAuthorizationOurs: false })).toBe(outgoing)
    expect(outgoing.lines).toBe('Host: nb.example.com\r\nAccept: */*\r\nCookie: mine=1\r\n')
  })

  test('are read again when they come under another version, another limit, or for somebody else to build', () => {
    const memory = new RequestMemory()
    memory.read(plain(), limits)
    expect(memory.read(plain(), { ...limits, httpVersion: '1.0' })).toMatchObject({ httpVersion: '1.0' })
    expect(memory.read(plain(), { ...limits, httpVersion: '2.0' })).toMatchObject({ fault: 'http_version' })
    expect(memory.read(plain(), { ...limits, mostFields: 2 })).toMatchObject({ fault: 'too_many_fields' })
    const raw = ['Host', 'a', 'Authorization', 'Bearer x', 'Cookie', 'mine=1']
    const built = (by: RequestHeads, isAuthorizationOurs: boolean) =>
      memory.outgoing(by, { rawHeaders: raw, isAuthorizationOurs }).lines
    expect(built(heads, false)).toContain('Bearer')
    expect(built(heads, true)).not.toContain('Bearer')
    expect(built(heads, false)).toContain('Bearer')
    expect(built(new RequestHeads((name) => name === 'mine'), false)).not.toContain('mine')
  })

  test('are not remembered where they are long, nor after something else came', () => {
    const memory = new RequestMemory()
    const long = () => ['Host', 'a', 'Cookie', 'x'.repeat(5_000)]
    expect(memory.read(long(), limits)).not.toBe(memory.read(long(), limits))
    const head = memory.read(plain(), limits)
    memory.read(['Host', 'b'], limits)
    expect(memory.read(plain(), limits)).not.toBe(head)
    expect(memory.read(plain(), limits)).toEqual(head)
  })
})

const name = fc.constantFrom('Host', 'host', 'Cookie', 'Origin', 'Authorization', 'Connection', 'X-A', 'Content-Length')
const value = fc.constantFrom('a', 'b', 'A', '', '1', '__Host-gatehouse=1; c=d', 'close', 'X-A', 'bad\u0001')
const fields = fc.array(fc.tuple(name, value), { maxLength: 5 }).map((pairs) => pairs.flat())
/** The same but for one name, one value or nothing, and now and then something else. */
const change = fc.record({ at: fc.nat(14), name, value, other: fc.option(fields, { freq: 9 }) })
const asked = fc.record({ change, httpVersion: fc.constantFrom('1.1', '1.0'), ours: fc.boolean(), times: fc.nat(2) })

test('whatever came before, a request is read as if it were the first', () => {
  fc.assert(
    fc.property(fields, fc.array(asked, { maxLength: 12 }), (first, requests) => {
      const memory = new RequestMemory()
      for (const { change: one, httpVersion, ours, times } of requests) {
        const raw = (one.other ?? first).map((text, index) => {
          if (index !== one.at) return text
          return index % 2 === 0 ? one.name : one.value
        })
        for (let count = 0; count <= times; count += 1) {
          const as = { httpVersion, mostFields: 4 }
          const incoming = { rawHeaders: [...raw], isAuthorizationOurs: ours }
          expect(memory.read([...raw], as)).toEqual(readRequestHead(raw, as))
          expect(memory.outgoing(heads, incoming)).toEqual(heads.build(incoming))
        }
      }
    }),
  )
})

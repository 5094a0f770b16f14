import { describe, expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import { type Dialer, DialGate } from '#proxy/dial-gate.ts'
import { UpstreamConnection } from '#proxy/upstream-connection.ts'

function dialers(gate: DialGate, key: string, count: number) {
  const went: number[] = []
  const failed: number[] = []
  const all = Array.from({ length: count }, (_, index): Dialer => {
    return { go: () => void went.push(index), giveUp: () => void failed.push(index) }
  })
  const entered = all.map((dialer) => gate.enter(key, dialer))
  return { all, went, failed, atOnce: entered.filter(Boolean).length }
}

describe('the gate of an upstream', () => {
  test('lets so many dial at once, and the others in their order as those before them leave', () => {
    const gate = new DialGate()
    const { went, atOnce } = dialers(gate, 'a', 200)
    expect(atOnce).toBe(64)
    expect(went).toHaveLength(64)
    for (let index = 0; index < 200; index += 1) gate.leave('a')
    expect(went).toEqual(Array.from({ length: 200 }, (_, index) => index))
    expect(dialers(gate, 'a', 64).atOnce).toBe(64)
  })

  test('holds up nobody at another one', () => {
    const gate = new DialGate()
    dialers(gate, 'a', 200)
    expect(dialers(gate, 'b', 10).went).toHaveLength(10)
  })

  test('tells all who wait when nobody answers there, and lets the next ones through again', () => {
    const gate = new DialGate()
    const { failed, went } = dialers(gate, 'a', 70)
    gate.giveUp('a', new GatewayError('upstream_unreachable', 'no answer'))
    expect(failed).toEqual([64, 65, 66, 67, 68, 69])
    gate.leave('a')
    expect(went).toHaveLength(64)
    expect(dialers(gate, 'a', 2).atOnce).toBe(1)
  })

  test('a connection that somebody has done with goes to who has waited longest of those it will do for, once', () => {
    const gate = new DialGate()
    const used: string[] = []
    const sharer = (name: string): Dialer => ({ go: () => {}, giveUp: () => {}, use: () => void used.push(name) })
    const connection = Object.create(UpstreamConnection.prototype) as UpstreamConnection // Nobody looks at it.
    expect(gate.offer('a', connection)).toBe(false)
    dialers(gate, 'a', 66)
    expect([gate.isWaitedFor('a'), gate.offer('a', connection)]).toEqual([false, false])
    const [left, first, second] = [sharer('left'), sharer('first'), sharer('second')]
    for (const each of [left, first, second]) expect(gate.enter('a', each)).toBe(false)
    expect(gate.withdraw('a', left)).toBe(true)
    expect([gate.isWaitedFor('a'), gate.isWaitedFor('b')]).toEqual([true, false])
    expect(gate.offer('a', connection)).toBe(true)
    expect(used).toEqual(['first'])
    gate.giveUp('a', new GatewayError('upstream_unreachable', 'no answer'))
    expect([gate.isWaitedFor('a'), gate.offer('a', connection)]).toEqual([false, false])
    expect(used).toEqual(['first'])
  })

  test('passes over who waits no longer', () => {
    const gate = new DialGate()
    const { all, went } = dialers(gate, 'a', 66)
    expect(all.map((dialer) => gate.withdraw('a', dialer)).filter(Boolean)).toHaveLength(2)
    gate.leave('a')
    expect(went).toHaveLength(64)
  })
})

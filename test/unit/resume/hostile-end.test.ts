/** An other end that means ill, on both sides of a break: one stream ends by it, and what is kept for it stays bounded. */
import { duplexPair, Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Carrier } from '#resume/carrier.ts'
import { dataFrame, firstLimit, ResumeFault, writeAck, writeHello } from '#resume/frames.ts'
import { HeldStreams, mostAway, mostHeld, settled } from '#resume/held-streams.ts'
import { ResumeEnd } from '#resume/resume-end.ts'
import { ResumedStream } from '#resume/resumed-stream.ts'
import { Stock } from '#resume/stock.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

async function turns(many = 30): Promise<void> {
  for (let number = 0; number < many; number += 1) await turn()
}

const nothing = () => undefined
const hooks = { onData: nothing, onEnd: nothing, onSay: nothing, onFreed: nothing, onOver: nothing }
const parts = { window: firstLimit, isFirstToLeave: false, ...hooks }

/** A connection of a pod, and what its other side in the pod is. */
function heldScene() {
  const clock = fakeClock()
  const held = new HeldStreams(clock)
  const add = (number = 0, person = 0) => {
    const [socket, app] = duplexPair()
    app.on('error', () => undefined)
    const words = { aim: 'open' as const, key: Buffer.alloc(32, number), person: Buffer.alloc(16, person) }
    const carrier = held.add(words, 8888, socket)?.carrier
    carrier?.on('error', () => undefined)
    return { app, words, carrier }
  }
  return { clock, held, add }
}

interface Step {
  readonly isHello: boolean
  readonly more: number
  readonly writes: number
  readonly before: number
  readonly after: number
}

/** Of what the other side does: it comes again or stays, says that so many more have come, and asks for so many frames before and after. */
const said: fc.Arbitrary<Step> = fc.record({
  isHello: fc.boolean(),
  more: fc.constantFrom(0, 1, 99),
  writes: fc.nat(3),
  before: fc.nat(2),
  after: fc.nat(2),
})

/** Throws what the end throws. */
function converse(end: ResumeEnd, steps: readonly Step[]): void {
  let written = 0
  let received = 0
  for (const { isHello, more, writes, before, after } of steps) {
    end.write(Buffer.alloc(writes))
    written += writes
    received = Math.min(received + more, written)
    if (isHello) end.attach(false)
    for (let number = 0; number < before; number += 1) end.next()
    end.receive(isHello ? writeHello({ sent: 0, received, limit: 99 }) : writeAck({ received, limit: 99 }))
    for (let number = 0; number < after; number += 1) end.next()
  }
}

test('#156 whatever the other side says to have received, on whichever connection, it is sent what follows or is at fault', () => {
  const property = fc.property(fc.array(said, { maxLength: 12 }), (steps) => {
    const end = new ResumeEnd(parts)
    end.attach(true)
    try {
      converse(end, [{ isHello: true, more: 0, writes: 5, before: 0, after: 2 }, ...steps])
    } catch (error) {
      expect(error).toBeInstanceOf(ResumeFault)
      expect(end.over).toBe('reset')
    }
  })
  fc.assert(property, { numRuns: 2_000 })
})

test('#156 who comes back from the beginning and says that all has come is at fault, and his stream alone is over', async () => {
  const { held, add } = heldScene()
  const { app, words, carrier } = add()
  app.write('what was said at first.')
  carrier?.resume().write(writeHello({ sent: 0, received: 0, limit: firstLimit }))
  await turns()
  carrier?.destroy()
  const next = held.resume({ ...words, aim: 'resume' }, 8888)?.carrier
  next?.on('error', () => undefined).resume()
  next?.write(
    Buffer.concat([
      writeHello({ sent: 0, received: 0, limit: firstLimit }),
      writeAck({ received: 23, limit: firstLimit }),
    ]),
  )
  await turns()
  expect([held.size, next?.destroyed]).toEqual([0, true])
})

test('#156 what goes wrong while there is something to say breaks that connection, and not the process', async () => {
  class Faulty extends ResumeEnd {
    fails = false
    override next() {
      if (this.fails) throw new RangeError('a position that is not kept')
      return super.next()
    }
  }
  const end = new Faulty(parts)
  const carrier = new Carrier(end, nothing)
  end.attach(true)
  carrier.resume()
  await turns()
  end.fails = true
  carrier.wake()
  await turns()
  expect([carrier.destroyed, carrier.errored?.message]).toEqual([true, 'a position that is not kept'])
})

test('to end one connection costs nobody else his, however many wait', async () => {
  const { clock, held, add } = heldScene()
  const away = Array.from({ length: mostAway }, (_, number) => add(number, number))
  for (const { carrier } of away) carrier?.destroy()
  const last = add(mostAway, 99)
  await turns()
  await clock.advance(settled)
  held.end(last.words)
  await clock.advance(settled)
  expect(held.size).toBe(mostAway)
  expect(away.every(({ words }) => held.resume(words, 8888))).toBe(true)
  expect(held.resume(last.words, 8888)).toBeUndefined()
})

test('who leaves while nothing can be said to the other side is over when that connection breaks', async () => {
  const [far] = duplexPair()
  far.on('error', () => undefined)
  const stream = new ResumedStream({
    ...{ readable: far, writable: far, clock: fakeClock(), window: firstLimit, isFirstToLeave: true },
    onAway: () => expect.fail(),
    onOver() {},
  })
  // Nobody reads it, so nothing is asked for.
  const carrier = stream.attach(true)
  stream.leave()
  await turns()
  expect(stream.over).toBeUndefined()
  carrier.destroy()
  await turns()
  expect([stream.over, far.destroyed]).toEqual(['reset', true])
})

/** What is said by somebody who counts on it that each byte keeps more alive than itself. */
const crumb = Buffer.concat([dataFrame(1).fill(7, 3)])
const ballast = Buffer.concat(Array.from({ length: 1_000 }, () => writeAck({ received: 0, limit: firstLimit })))

test.each([
  ['as many as there may be in a frame each', Buffer.concat(Array.from({ length: 4_096 }, () => crumb)), 50, 204_800],
  ['each with what is read along with it', Buffer.concat([crumb, ballast]), 100, 100],
])('#156 bytes that an app does not read cost what they are: %s', async (_, message, times, size) => {
  const kept: Buffer[] = []
  const taking = Promise.withResolvers<void>()
  const writable = new Writable({
    highWaterMark: 1,
    write(piece: Buffer, _encoding, done) {
      kept.push(piece)
      void taking.promise.then(() => done())
    },
  })
  const [readable] = duplexPair()
  const clock = fakeClock()
  const stock = new Stock(0)
  const stream = new ResumedStream({
    ...{
      readable,
      writable,
      clock,
      window: 1_048_576,
      isFirstToLeave: false,
      stock: stock.of(''),
      onAway: nothing,
      onOver: nothing,
    },
  })
  const carrier = stream.attach(true)
  carrier.resume().write(writeHello({ sent: 0, received: 0, limit: firstLimit }))
  for (let time = 0; time < times; time += 1) carrier.write(Buffer.from(message))
  await turns()
  expect([carrier.destroyed, stock.held]).toEqual([false, size])
  taking.resolve()
  await turns(300)
  const buffers = new Set(kept.map(({ buffer }) => buffer))
  const held = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)
  expect([Buffer.concat(kept).length, stock.held]).toEqual([size, 0])
  expect([kept.length <= 10, held < size + 150_000]).toEqual([true, true])
})

test("#156 what an app did not read is nobody's any more when its connection ends", async () => {
  const { held, add } = heldScene()
  const { carrier, words } = add()
  const data = dataFrame(60_000).fill(7, 3)
  carrier?.resume().write(Buffer.concat([writeHello({ sent: 0, received: 0, limit: firstLimit }), data, data, data]))
  await turns()
  expect(held.stocked).toBeGreaterThan(60_000)
  held.end(words)
  await turns()
  expect(held.stocked).toBe(0)
})

test('#156 one person has three quarters of the places and of what is kept, and the rest is for whoever else comes', async () => {
  const { held, add } = heldScene()
  const mine = Array.from({ length: mostHeld }, (_, number) => add(number, 1))
  expect(mine.filter(({ carrier }) => carrier).length).toBe((mostHeld * 3) / 4)
  const chunk = Buffer.alloc(65_536)
  // To clients who acknowledge nothing, so that nothing of it is ever free.
  const fill = ({ app, carrier }: ReturnType<typeof add>) => {
    carrier?.resume()
    for (let said = 0; said < 80; said += 1) app.write(chunk)
  }
  for (const one of mine.slice(0, 8)) fill(one)
  await turns(200)
  const before = held.stocked
  fill(add(mostHeld, 2))
  await turns(200)
  expect([before < 22_000_000, held.stocked - before > 3_000_000]).toEqual([true, true])
})

test('who was never told of a connection begins anew by its name, and has the new one', async () => {
  const { held, add } = heldScene()
  const first = add(7)
  first.app.resume()
  const second = add(7)
  second.carrier?.resume().write(writeHello({ sent: 0, received: 0, limit: firstLimit }))
  await turns()
  const third = add(7)
  await turns()
  expect([first.carrier?.destroyed, first.app.readableEnded, held.size]).toEqual([true, true, 1])
  expect([second.carrier?.destroyed, third.carrier]).toEqual([false, undefined])
})

/** The other side says much and breaks off, all of which comes at once: what it had said gets to this side, and no end behind it. */
import { randomBytes } from 'node:crypto'
import { type Duplex, duplexPair } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { dataFrame, dataHead, resumeWindow, writeBye, writeHello } from '#resume/frames.ts'
import { ResumedStream } from '#resume/resumed-stream.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

const words = [20_000, 65_533, 1, 30_000].map((length) => randomBytes(length))

function saidAtOnce(): Buffer {
  const frames = words.map((word) => {
    const frame = dataFrame(word.length)
    word.copy(frame, dataHead)
    return frame
  })
  return Buffer.concat([writeHello({ sent: 0, received: 0, limit: 1 }), ...frames, writeBye('reset')])
}

/** The person's own side, and the connection by which all comes. */
function scene(isFirstToLeave: boolean) {
  const clock = fakeClock()
  const [local, far] = duplexPair()
  local.on('error', () => undefined)
  const stream = new ResumedStream({
    ...{ readable: far, writable: far, clock, window: resumeWindow, isFirstToLeave },
    onAway() {},
    onOver() {},
  })
  return { clock, local, far, stream, carrier: stream.attach(true) }
}

async function turns(): Promise<void> {
  for (let number = 0; number < 40; number += 1) await turn()
}

function gotBy(local: Duplex): Buffer[] {
  const got: Buffer[] = []
  local.on('data', (piece: Buffer) => got.push(piece))
  return got
}

test.each([
  ['a command', true],
  ['an agent', false],
])('to the last byte, at %s', async (_, isFirstToLeave) => {
  const { local, far, stream, carrier } = scene(isFirstToLeave)
  const got = gotBy(local)
  carrier.write(saidAtOnce())
  await turns()
  expect(stream.over).toBe('reset')
  expect(Buffer.concat(got).equals(Buffer.concat(words))).toBe(true)
  expect([far.destroyed, far.writableEnded]).toEqual([true, false])
})

test('however late it is taken, but not for ever', async () => {
  const late = scene(true)
  late.carrier.write(saidAtOnce())
  await turns()
  expect(late.far.destroyed).toBe(false)
  const got = gotBy(late.local)
  await turns()
  expect(Buffer.concat(got).equals(Buffer.concat(words))).toBe(true)
  expect(late.far.destroyed).toBe(true)

  const never = scene(true)
  never.carrier.write(saidAtOnce())
  await turns()
  await never.clock.advance(10_000)
  expect(never.far.destroyed).toBe(true)
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  dataFrame,
  FrameReader,
  firstLimit,
  type Hearing,
  longestData,
  ResumeFault,
  resumeWindow,
  writeAck,
  writeBye,
  writeEnd,
  writeHello,
} from '#resume/frames.ts'
import { Meter } from '#resume/meter.ts'
import { ResumeEnd } from '#resume/resume-end.ts'

/** One end, what it got, and what is on its way to the other one. */
interface Side {
  readonly end: ResumeEnd
  readonly got: Buffer[]
  readonly hasHeardEnd: () => boolean
  readonly over: () => string | undefined
  wire: Buffer
  /** Bytes of data that it has sent, again or not. */
  sent: number
  /** Bytes that came and were not taken. */
  untaken: number
}

function side(isFirstToLeave: boolean, window = firstLimit): Side {
  const got: Buffer[] = []
  let over: string | undefined
  const end: ResumeEnd = new ResumeEnd({
    ...{ window, isFirstToLeave },
    onData(bytes) {
      got.push(Buffer.from(bytes))
      own.untaken += bytes.length
    },
    onEnd() {},
    onSay() {},
    onFreed() {},
    onOver(why) {
      over = why
    },
  })
  const nothing = Buffer.alloc(0)
  const own: Side = {
    ...{ end, got, wire: nothing, sent: 0, untaken: 0 },
    ...{ hasHeardEnd: () => end.hasHeardEnd, over: () => over },
  }
  return own
}

/** What it has to say goes on its wire. */
function say(from: Side, most = Number.POSITIVE_INFINITY): boolean {
  const frames = [from.wire]
  for (let said = 0; said < most; said += 1) {
    const frame = from.end.next()
    if (frame === undefined) break
    if (frame[0] === 1) from.sent += frame.length - 3
    frames.push(frame)
  }
  from.wire = Buffer.concat(frames)
  return frames.length > 1
}

function carry(from: Side, to: Side, most = Number.POSITIVE_INFINITY): boolean {
  const piece = from.wire.subarray(0, Math.min(most, from.wire.length))
  from.wire = from.wire.subarray(piece.length)
  if (piece.length > 0) to.end.receive(piece)
  return piece.length > 0
}

function take(one: Side): boolean {
  const { untaken } = one
  one.untaken = 0
  if (untaken > 0) one.end.take(untaken)
  return untaken > 0
}

/** Both come together anew; one of them may not have known that it was alone. */
function meet(client: Side, agent: Side, isFirst = false): void {
  for (const one of [client, agent]) {
    one.wire = Buffer.alloc(0)
    one.end.attach(isFirst)
  }
}

function settle(client: Side, agent: Side): void {
  for (let moves = true; moves; ) {
    const moved = [say(client), say(agent), carry(client, agent), carry(agent, client), take(client), take(agent)]
    moves = moved.includes(true)
  }
}

/** Different at every position. */
function text(from: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => ((from + at) * 31 + ((from + at) >> 8)) & 0xff))
}

type Step =
  | { readonly kind: 'write' | 'say' | 'carry'; readonly who: 0 | 1; readonly amount: number }
  | { readonly kind: 'take' | 'end' | 'away'; readonly who: 0 | 1 }
  | { readonly kind: 'meet' }

const who = fc.constantFrom(0 as const, 1 as const)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('write' as const), who, amount: fc.integer({ min: 1, max: 3_000 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('say' as const), who, amount: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('carry' as const), who, amount: fc.integer({ min: 1, max: 2_000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('away' as const, 'end' as const), who }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'meet' as const }) },
)

/** Two sides, and what was written on each. */
class Pair {
  readonly sides = [side(true), side(false)] as const
  readonly written: [number, number] = [0, 0]
  readonly #hasEnded = [false, false]

  do(step: Step): void {
    const [client, agent] = this.sides
    if (step.kind === 'meet') meet(client, agent)
    else if (step.kind === 'write') this.#write(step.who, step.amount)
    else this.#move(step, this.sides[step.who], this.sides[step.who === 0 ? 1 : 0])
  }

  #write(who: 0 | 1, amount: number): void {
    if (this.#hasEnded[who]) return
    this.sides[who].end.write(text(this.written[who], amount))
    this.written[who] += amount
  }

  #move(step: Exclude<Step, { kind: 'meet' }>, own: Side, other: Side): void {
    if (step.kind === 'say') say(own, step.amount)
    else if (step.kind === 'carry') carry(own, other, step.amount)
    else if (step.kind === 'take') take(own)
    else if (step.kind === 'away') own.end.detach()
    else {
      own.end.end()
      this.#hasEnded[step.who] = true
    }
  }

  /** At last nothing breaks any more. */
  finish(): void {
    const [client, agent] = this.sides
    if (client.over() !== undefined) {
      carry(client, agent)
      return
    }
    meet(client, agent)
    for (const one of this.sides) one.end.end()
    settle(client, agent)
  }
}

test('whatever breaks at whatever byte, what was written comes out once, whole and in order, and both know when it is over', () => {
  const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const pair = new Pair()
    const [client, agent] = pair.sides
    meet(client, agent, true)
    for (const one of steps) pair.do(one)
    pair.finish()
    expect(Buffer.concat(agent.got).equals(text(0, pair.written[0]))).toBe(true)
    expect(Buffer.concat(client.got).equals(text(0, pair.written[1]))).toBe(true)
    expect([client.hasHeardEnd(), client.over(), agent.hasHeardEnd()]).toEqual([true, 'done', true])
  })
  fc.assert(property, { numRuns: 400 })
})

test('of what was on its way at most the window is sent twice, and no more is kept than was written', () => {
  const [client, agent] = [side(true), side(false, resumeWindow)]
  meet(client, agent, true)
  settle(client, agent)
  const chunk = Buffer.alloc(1_000_000, 7)
  for (let written = 0; written < 9; written += 1) client.end.write(chunk)
  say(client)
  expect(client.sent).toBe(resumeWindow)
  // The head of a frame and two bytes of it arrive.
  carry(client, agent, 5)
  meet(client, agent)
  settle(client, agent)
  expect(client.sent).toBe(9_000_000 + resumeWindow - 2)
  expect([client.end.kept < 131_072, Buffer.concat(agent.got).length]).toEqual([true, 9_000_000])
})

test('who is not taken from is sent no more than it has permitted, and what it says itself goes on', () => {
  const [client, agent] = [side(true), side(false)]
  meet(client, agent, true)
  settle(client, agent)
  client.end.write(Buffer.alloc(3 * firstLimit))
  agent.end.write(Buffer.alloc(2 * firstLimit))
  for (let round = 0; round < 20; round += 1) {
    say(client)
    say(agent)
    carry(client, agent)
    carry(agent, client)
    take(client)
  }
  expect([agent.untaken, client.end.received]).toEqual([firstLimit, 2 * firstLimit])
  settle(client, agent)
  expect(agent.end.received).toBe(3 * firstLimit)
})

test('a side whose connection broke within says first what it has, and the other one knows that it was not all', () => {
  const [client, agent] = [side(true), side(false)]
  meet(client, agent, true)
  agent.end.write(text(0, 1_000))
  agent.end.breakOff()
  settle(client, agent)
  expect([client.got[0]?.length, client.hasHeardEnd(), client.over()]).toEqual([1_000, false, 'reset'])
})

test('who leaves says so ahead of all that waits', () => {
  const [client, agent] = [side(true), side(false)]
  meet(client, agent, true)
  settle(client, agent)
  client.end.write(Buffer.alloc(100_000))
  client.end.leave()
  settle(client, agent)
  expect([client.over(), agent.over(), agent.got.length]).toEqual(['reset', 'reset', 0])
})

const hello = writeHello({ sent: 0, received: 0, limit: firstLimit })
const data = (length: number) => Buffer.concat([dataFrame(length)])

test.each<[string, Buffer[]]>([
  ['speaks before its hello', [data(1)]],
  ['says hello twice', [hello, hello]],
  ['has received what was never sent', [writeHello({ sent: 0, received: 11, limit: firstLimit })]],
  ['acknowledges what was never sent', [hello, writeAck({ received: 2 ** 48 - 1, limit: 2 ** 48 - 1 })]],
  [
    'takes back what it has received',
    [hello, writeAck({ received: 5, limit: 5 }), writeAck({ received: 4, limit: 5 })],
  ],
  ['sends more than was permitted', [hello, ...Array.from({ length: 5 }, () => data(longestData))]],
  ['speaks behind its end', [hello, writeEnd(), data(1)]],
  ['ends twice', [hello, writeEnd(), writeEnd()]],
  ['sends data of no length', [hello, Buffer.of(1, 0, 0)]],
  ['sends data of too great a length', [hello, Buffer.of(1, 255, 255)]],
  ['sends a frame of no kind', [hello, Buffer.of(9)]],
  ['says a bye of no kind', [hello, Buffer.of(4, 7)]],
])('#156 the other side, when it %s, is at fault, and the stream is over', (_, frames) => {
  const one = side(true)
  one.end.attach(true)
  one.end.write(Buffer.alloc(10))
  say(one)
  expect(() => {
    for (const frame of frames) one.end.receive(frame)
  }).toThrow(ResumeFault)
  expect([one.over(), one.end.next()]).toEqual(['reset', undefined])
})

test('#156 after a break the other side cannot have sent less than came from it', () => {
  const one = side(false)
  one.end.attach(true)
  one.end.receive(Buffer.concat([hello, data(100)]))
  one.end.attach(false)
  expect(() => one.end.receive(writeHello({ sent: 99, received: 0, limit: 0 }))).toThrow(ResumeFault)
})

test('#156 what comes by a connection that another one has replaced is not heard', () => {
  const one = side(false)
  one.end.attach(true)
  one.end.receive(Buffer.concat([hello, data(100).subarray(0, 50)]))
  one.end.detach()
  one.end.receive(data(100))
  expect(one.end.received).toBe(47)
})

test('#156 whatever bytes come, in whatever pieces, they are heard or at fault', () => {
  const nearly = fc
    .tuple(fc.integer({ min: 0, max: 5 }), fc.uint8Array({ maxLength: 20 }))
    .map(([kind, rest]) => Buffer.from([kind, ...rest]))
  const property = fc.property(fc.array(nearly, { maxLength: 20 }), (pieces) => {
    const one = side(false)
    one.end.attach(true)
    one.end.receive(hello)
    try {
      for (const piece of pieces) one.end.receive(piece)
    } catch (error) {
      expect(error).toBeInstanceOf(ResumeFault)
      expect(one.over()).toBeDefined()
    }
    const meter = new Meter()
    for (const piece of pieces) meter.fromClient(piece)
  })
  fc.assert(property)
})

test('every frame is read as it was written, however it is cut', () => {
  const position = fc.integer({ min: 0, max: 2 ** 48 - 1 })
  const frame = fc.oneof(
    fc
      .record({ sent: position, received: position, limit: position })
      .map((one) => ({ said: { hello: one }, bytes: writeHello(one) })),
    fc.record({ received: position, limit: position }).map((one) => ({ said: { ack: one }, bytes: writeAck(one) })),
    fc.constantFrom('done' as const, 'reset' as const).map((one) => ({ said: { bye: one }, bytes: writeBye(one) })),
    fc.constant({ said: { end: true }, bytes: writeEnd() }),
    fc.integer({ min: 1, max: 200 }).map((length) => ({ said: { data: length }, bytes: dataFrame(length) })),
  )
  const property = fc.property(fc.array(frame), fc.integer({ min: 1, max: 50 }), (frames, cut) => {
    const heard: object[] = []
    let length = 0
    const flush = () => {
      if (length > 0) heard.push({ data: length })
      length = 0
    }
    const hear = (what: object) => {
      flush()
      heard.push(what)
    }
    const hearing: Hearing = {
      hello: (one) => hear({ hello: one }),
      ack: (one) => hear({ ack: one }),
      end: () => hear({ end: true }),
      bye: (one) => hear({ bye: one }),
      data(bytes) {
        length += bytes.length
      },
    }
    const reader = new FrameReader()
    const all = Buffer.concat(frames.map(({ bytes }) => bytes))
    for (let at = 0; at < all.length; at += cut) reader.read(all.subarray(at, at + cut), hearing)
    flush()
    // Data of two frames in a row is heard as one.
    const merged: { data?: number; hello?: object; ack?: object; bye?: string; end?: boolean }[] = []
    for (const { said } of frames) {
      const last = merged.at(-1)
      if ('data' in said && last?.data !== undefined) last.data += said.data
      else merged.push({ ...said })
    }
    expect(heard).toEqual(merged)
  })
  fc.assert(property)
})

test('who looks on in between counts what is new, and nothing that is sent again or said about it', () => {
  const [client, agent] = [side(true), side(false)]
  const counted: number[] = []
  for (const isFirst of [true, false, false]) {
    const meter = new Meter()
    let fresh = 0
    meet(client, agent, isFirst)
    client.end.write(Buffer.alloc(10_000))
    for (let round = 0; round < 4; round += 1) {
      say(client)
      say(agent)
      fresh += meter.fromClient(client.wire)
      expect(meter.fromUpstream(agent.wire)).toBe(0)
      // The second connection breaks before anything of it has arrived, and so does what the first one sent at last.
      if (isFirst || counted.length === 2) carry(client, agent)
      client.wire = Buffer.alloc(0)
      carry(agent, client)
    }
    counted.push(fresh)
  }
  expect(counted).toEqual([10_000, 10_000, 10_000])
  expect(Buffer.concat(agent.got).length).toBe(30_000)
})

test.each(['done', 'reset'] as const)(
  'who looks on in between knows that the agent has heard that all is over: %s',
  (why) => {
    const [client, agent] = [side(true), side(false)]
    const meter = new Meter()
    meet(client, agent, true)
    settle(client, agent)
    agent.end.end()
    if (why === 'done') client.end.end()
    else client.end.leave()
    const moved = () => [say(client), say(agent)].includes(true)
    while (client.over() === undefined && moved()) {
      meter.fromUpstream(agent.wire)
      meter.fromClient(client.wire)
      carry(client, agent)
      carry(agent, client)
    }
    expect([client.over(), meter.hasHeardBye, meter.hasHeardAnswer]).toEqual([why, true, false])
    say(agent)
    meter.fromUpstream(agent.wire)
    expect([agent.over(), meter.hasHeardAnswer]).toEqual([why, true])
    // It comes to nobody any more.
    carry(agent, client)
  },
)

test('that an agent broke is no answer, nor is what a client says to it: what was said before may have to come again', () => {
  const [client, agent] = [side(true), side(false)]
  const meter = new Meter()
  meet(client, agent, true)
  settle(client, agent)
  agent.end.breakOff()
  say(agent)
  meter.fromUpstream(agent.wire)
  carry(agent, client)
  say(client)
  meter.fromClient(client.wire)
  expect([client.over(), meter.hasHeardBye, meter.hasHeardAnswer]).toEqual(['reset', true, false])
  carry(client, agent)
  expect(agent.over()).toBe('reset')
})

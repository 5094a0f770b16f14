/** What one person's streams keep that nobody takes is nobody else's loss: over real sockets, and for whatever is kept. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { resumeWindow } from '#resume/frames.ts'
import { HeldStreams } from '#resume/held-streams.ts'
import { mostOfOne, Stock } from '#resume/stock.ts'

const most = 24_000_000
const patience = { timeout: 15_000, interval: 5 }

test('#156 twenty-four connections of a person who reads nothing leave another one his whole window', async () => {
  const chunk = Buffer.alloc(65_536)
  const server = createServer((app) => {
    const more = () => {
      while (app.write(chunk));
    }
    app.on('drain', more).on('error', () => undefined)
    more()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const held = new HeldStreams(systemClock)
  const add = (number: number, person: number): Socket => {
    const socket = connect({ port, host: '127.0.0.1' })
    const words = { aim: 'open' as const, key: Buffer.alloc(32, number), person: Buffer.alloc(16, person) }
    expect(held.add(words, 8888, socket)).toBeDefined()
    return socket
  }
  /** As far as it is read. */
  const comesToRest = async (sockets: readonly Socket[], least: number) => {
    await expect.poll(() => sockets.every(({ bytesRead }) => bytesRead >= least), patience).toBe(true)
    await expect.poll(() => sockets.every((socket) => socket.isPaused()), patience).toBe(true)
  }
  try {
    // One after the other: each has its window while there is enough, and its least share beyond.
    for (let number = 0; number < 24; number += 1) await comesToRest([add(number, 1)], 200_000)
    expect(held.stocked).toBeGreaterThan(most)
    await comesToRest([add(24, 2)], resumeWindow)
  } finally {
    held.endAll()
    server.close()
  }
})

const steps = fc.array(fc.tuple(fc.nat(4), fc.integer({ min: -2_000_000, max: 8_000_000 })), { maxLength: 60 })

test('#156 whoever comes next has a part of what is left, and so all keep no more than there is for them', () => {
  const run = (taken: readonly (readonly [number, number])[]) => {
    const stock = new Stock(most)
    const shares = Array.from({ length: 6 }, (_, person) => stock.of(String(person)))
    const held = shares.map(() => 0)
    for (const [person, wanted] of taken) {
      const share = shares[person]
      const own = held[person] ?? 0
      const bytes = wanted < 0 ? -Math.min(own, -wanted) : wanted
      // What an app does not take is not asked for: it comes, and counts.
      if (bytes > 0 && wanted % 2 === 0 && share?.hasRoomFor(most) === false) continue
      held[person] = own + bytes
      share?.change(bytes)
    }
    const counted = held.reduce((sum, bytes) => sum + Math.min(bytes, most * mostOfOne), 0)
    expect(shares[5]?.hasRoomFor(most)).toBe(counted < most)
    expect(stock.held).toBe(held.reduce((sum, bytes) => sum + bytes, 0))
  }
  fc.assert(fc.property(steps, run), { numRuns: 300 })
})

test('#156 one person fills three quarters, the next one three quarters of the rest, and everybody has his least share', () => {
  const stock = new Stock(most)
  const fill = (person: string) => {
    const share = stock.of(person)
    let own = 0
    while (share.hasRoomFor(own + most)) {
      own += 1_000
      share.change(1_000)
    }
    return own
  }
  expect([fill('alice'), fill('bob'), fill('carol')]).toEqual([18_000_000, 4_500_000, 1_125_000])
  stock.of('alice').change(50_000_000)
  expect([stock.of('dave').hasRoomFor(1_000_000), stock.of('alice').hasRoomFor(0)]).toEqual([true, true])
})

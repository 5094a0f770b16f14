import { connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Movement } from '#link/movement.ts'
import { PeerTurns } from '#link/peer-turns.ts'
import { mostOfOne, Strangers } from '#link/strangers.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

test('a connection on which nothing moved for five seconds is idle, and busy again once something does', async () => {
  const clock = fakeClock()
  const movement = new Movement(clock)
  const [still, moving] = [
    { bytesRead: 10, bytesWritten: 0 },
    { bytesRead: 0, bytesWritten: 0 },
  ]
  const count = () => movement.count([still, moving])
  expect(count()).toBe(2)
  for (let second = 1; second < 5; second += 1) {
    await clock.advance(1_000)
    moving.bytesWritten += 1
    expect(count()).toBe(2)
  }
  await clock.advance(1_000)
  expect(count()).toBe(1)
  await clock.advance(4_000)
  expect(count()).toBe(0)
  still.bytesRead += 1
  expect(count()).toBe(1)
})

test('so many of one address may not have shown yet whose they are, and each that has, or leaves, makes room', async () => {
  const strangers = new Strangers()
  const came: Socket[] = []
  const server = createServer((socket) => void came.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const callers = Array.from({ length: mostOfOne + 2 }, () => connect({ port, host: '127.0.0.1' }))
  await expect.poll(() => came.length).toBe(callers.length)
  const admitted = came.map((socket) => strangers.admit(socket))
  expect(admitted).toEqual([...Array.from({ length: mostOfOne }, () => true), false, false])
  const [first, second] = came
  const [last, another] = came.slice(-2)
  if (!first || !second || !last || !another) throw new Error('nobody came')
  strangers.leave(first)
  expect([strangers.admit(last), strangers.admit(another)]).toEqual([true, false])
  const closed = new Promise((resolve) => second.once('close', resolve))
  second.destroy()
  await closed
  expect(strangers.admit(another)).toBe(true)
  for (const socket of [...callers, ...came]) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

test('a replica asks another one for fewer connections at once than that one takes of whom it does not know yet', async () => {
  const turns = new PeerTurns()
  const ends: (() => void)[] = []
  for (let number = 0; number < 3 * mostOfOne; number += 1) void turns.take('a').then((end) => ends.push(end))
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  await settle()
  const atOnce = ends.length
  expect(atOnce).toBeLessThanOrEqual(mostOfOne / 2)
  expect(await turns.take('b')).toBeTypeOf('function')
  let over = 0
  for (let end = ends[over]; end; end = ends[over]) {
    // Whoever says it twice gives up one turn.
    end()
    end()
    over += 1
    await settle()
    expect(ends.length - over).toBeLessThanOrEqual(atOnce)
  }
  expect(over).toBe(3 * mostOfOne)
})

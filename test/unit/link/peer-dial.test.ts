/** Asking another replica, and one of the version before, during a roll-out: it knows of no connection that is held, or of one end of a stream by each connection. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PeerCredentials, peerName, readPeerCredentials } from '#link/peer-credentials.ts'
import { dialPeer } from '#link/peer-dial.ts'
import { PeerEnds } from '#link/peer-ends.ts'
import { tlsOf } from '#link/peer-listener.ts'
import { PeerTurns } from '#link/peer-turns.ts'
import { readLine, sayAnswer, sayHeld } from '#link/peer-words.ts'
import { type HeldFor, type HoldAim, keyLength, personLength, StreamGone } from '#resume/hold.ts'
import { createTestCa } from '#test/support/test-ca.ts'

let folder: string
let credentials: PeerCredentials
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-peer-dial-'))
  const ca = createTestCa(folder)
  credentials = await readPeerCredentials({ ...ca.issue([peerName]), caFile: ca.caFile })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Does so with each connection, as long as there is one. */
async function listener(serve: (socket: TLSSocket) => Promise<unknown>) {
  const sockets = new Set<TLSSocket>()
  const server = createServer({ ...tlsOf(credentials), requestCert: true, rejectUnauthorized: true }, (socket) => {
    sockets.add(socket.on('error', () => undefined))
    serve(socket).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    ...{ address: { host: '127.0.0.1', port }, sockets },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const diallingBy = (signal: AbortSignal) => ({ credentials, turns: new PeerTurns(), signal })
const wishFor = (aim: HoldAim) => ({ aim, key: randomBytes(keyLength), person: randomBytes(personLength) })
const never = new AbortController().signal

/** Answers a line that it knows, and closes on any other. */
async function replica(known: RegExp, answer: string) {
  const lines: string[] = []
  const one = await listener(async (socket) => {
    const line = await readLine(socket)
    lines.push(line)
    if (!known.test(line)) return socket.destroy()
    socket.write(answer)
    return socket.pipe(socket)
  })
  return {
    lines,
    async ask(aim: HoldAim) {
      let held: HeldFor | undefined
      const onHeld = (found: HeldFor) => {
        held = found
      }
      const hold = { ...wishFor(aim), onHeld }
      const dialled = await dialPeer(one.address, { instance: 'a', port: 8888, hold }, diallingBy(never))
      return { dialled, held }
    },
    [Symbol.asyncDispose]: () => one[Symbol.asyncDispose](),
  }
}

const before = /^gatehouse\.peer\.v1 [\w.-]{1,128} [1-9][0-9]{0,4}$/

test('what begins is led through it all the same, as a connection that is not held', async () => {
  await using old = await replica(before, sayAnswer('ok'))
  const { dialled, held } = await old.ask('open')
  expect([dialled.kind, held, old.lines.length]).toEqual(['open', undefined, 2])
  if (dialled.kind !== 'open') throw new Error('it is not open')
  dialled.socket.write('hello')
  expect(String((await once(dialled.socket, 'data'))[0])).toBe('hello')
  dialled.socket.destroy()
})

test.each<HoldAim>(['resume', 'end'])(
  '%s asks it for nothing else: that it does not know is no word about the stream',
  async (aim) => {
    await using old = await replica(before, sayAnswer('ok'))
    const { dialled } = await old.ask(aim)
    expect([dialled.kind, old.lines.length]).toEqual(['unreachable', 1])
  },
)

test('a replica that knows them is asked once', async () => {
  await using one = await replica(/./, sayHeld({ age: 0, idle: 0 }))
  const { dialled, held } = await one.ask('open')
  expect([dialled.kind, held, one.lines.length]).toEqual(['open', { age: 0, idle: 0 }, 1])
  if (dialled.kind === 'open') dialled.socket.destroy()
})

const many = 50

/** What it heard of streams that are over, when all were told of at once. */
async function tellMany(serve: (socket: TLSSocket, hear: () => Promise<void>) => Promise<unknown>) {
  const heard: string[] = []
  await using one = await listener((socket) =>
    serve(socket, async () => {
      heard.push((await readLine(socket)).split(' ')[4] ?? '')
      socket.write(sayAnswer('gone'))
    }),
  )
  const ends = new PeerEnds()
  const holds = Array.from({ length: many }, () => wishFor('end'))
  const dialling = diallingBy(never)
  const told = await Promise.allSettled(
    holds.map((hold) => ends.tell(one.address, { instance: 'a', port: 8888, hold }, dialling)),
  )
  const keys = holds.map(({ key }) => key.toString('hex'))
  expect(told.map((one) => one.status === 'rejected' && one.reason.cause)).toEqual(
    keys.map(() => expect.any(StreamGone)),
  )
  expect(heard.toSorted()).toEqual(keys.toSorted())
  await expect.poll(() => [...one.sockets].every(({ destroyed }) => destroyed)).toBe(true)
  return one.sockets.size
}

test('many streams that are over are told one behind the other by a few connections, which are closed behind them', async () => {
  const connections = await tellMany(async (_, hear) => {
    for (;;) await hear()
  })
  expect(connections).toBeLessThanOrEqual(4)
})

test('a replica that hears of one by each connection hears of all of them', async () => {
  const connections = await tellMany(async (socket, hear) => {
    await hear()
    socket.end().resume()
  })
  expect(connections).toBe(many)
})

test('who has waited for too long behind others is told so, and those behind him are told of all the same', async () => {
  const lines: string[] = []
  await using one = await listener(async (socket) => {
    for (;;) {
      lines.push(await readLine(socket))
      if (lines.length > 4) socket.write(sayAnswer('away'))
    }
  })
  const ends = new PeerEnds()
  const ending = new AbortController()
  const tell = (signal: AbortSignal) =>
    ends.tell(one.address, { instance: 'a', port: 8888, hold: wishFor('end') }, diallingBy(signal))
  const silent = Array.from({ length: 5 }, () => tell(ending.signal))
  const behind = tell(never)
  await expect.poll(() => lines.length).toBe(4)
  ending.abort(new Error('too long'))
  for (const told of await Promise.all(silent)) expect(told.kind).toBe('unreachable')
  expect(await behind).toEqual({ kind: 'away' })
  expect(lines.length).toBe(5)
})

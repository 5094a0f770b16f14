/** Connections that an agent holds, over links without a network: what becomes of them when their clients go, come again, or do neither. */
import { randomBytes } from 'node:crypto'
import { type Duplex, duplexPair } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { join } from '#link/join.ts'
import { resumeWindow } from '#resume/frames.ts'
import { HeldStreams, mostAway, mostHeld, settled } from '#resume/held-streams.ts'
import { type HeldFor, type HoldAim, longestAway } from '#resume/hold.ts'
import { ResumedStream } from '#resume/resumed-stream.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { linkPair } from '#test/support/link-pair.ts'

const { signal } = new AbortController()

async function turns(many = 60): Promise<void> {
  for (let number = 0; number < many; number += 1) await turn()
}

/** An agent with whatever it connects to, and clients that come by links of their own. */
function scene(serve: (socket: Duplex) => void = (socket) => void socket.pipe(socket)) {
  const clock = fakeClock()
  const held = new HeldStreams(clock)
  const apps: Duplex[] = []
  const dialled: Duplex[] = []
  const dial = async () => {
    const [one, other] = duplexPair()
    apps.push(other)
    dialled.push(one)
    other.on('error', () => undefined)
    serve(other)
    return one
  }
  const link = () => linkPair({ dial, held, clock })
  return { clock, held, apps, dialled, link }
}

type Scene = ReturnType<typeof scene>

interface Client {
  readonly local: Duplex
  readonly key: Buffer
  readonly stream: ResumedStream
  readonly got: Buffer[]
  heldFor: HeldFor | undefined
  /** By a link of its own. The stream on it, to be broken. */
  come(aim: HoldAim, as?: Buffer): Promise<Duplex>
}

function clientOf({ clock, link }: Scene, person = Buffer.alloc(16)): Client {
  const [local, far] = duplexPair()
  const got: Buffer[] = []
  local.on('data', (piece: Buffer) => got.push(piece)).on('error', () => undefined)
  const stream = new ResumedStream({
    ...{ readable: far, writable: far, clock, window: resumeWindow, isFirstToLeave: true },
    onAway() {},
    onOver() {},
  })
  const key = randomBytes(32)
  const client: Client = {
    ...{ local, key, stream, got, heldFor: undefined },
    async come(aim, as = key) {
      const onHeld = (heldFor: HeldFor) => {
        client.heldFor = heldFor
      }
      const connection = await link().gateway.open(8888, signal, { aim, key: as, person, onHeld })
      join(stream.attach(aim === 'open'), connection, clock)
      return connection
    },
  }
  return client
}

function text(client: Client): string {
  return Buffer.concat(client.got).toString()
}

const gone = { code: 'upstream_unreachable', cause: { code: 'EGONE' } }

test('a connection goes on where it was when its link breaks in the middle, over another link, to its end', async () => {
  const all = scene()
  const client = clientOf(all)
  const first = await client.come('open')
  const content = randomBytes(3_000_000)
  client.local.write(content)
  await turns(20)
  first.destroy()
  await turns()
  await all.clock.advance(90_000)
  const second = await client.come('resume')
  expect(client.heldFor).toEqual({ age: 90_000, idle: 90_000 })
  await turns(400)
  expect(Buffer.concat(client.got).equals(content)).toBe(true)
  client.local.end('the last words')
  await turns()
  expect([client.stream.over, client.stream.hasHeardEnd, all.held.size, all.apps.length]).toEqual(['done', true, 0, 1])
  expect([second.destroyed || second.readableEnded, text(client).endsWith('the last words')]).toEqual([true, true])
})

test('#157 a stream is found by its own name alone, and what is not there is refused alike', async () => {
  const all = scene()
  const client = clientOf(all)
  const first = await client.come('open')
  await turns()
  first.destroy()
  await turns()
  await expect(clientOf(all).come('resume')).rejects.toMatchObject(gone)
  await expect(client.come('resume', randomBytes(32))).rejects.toMatchObject(gone)
  // Whoever begins one by a name that is taken gets neither it nor another.
  await expect(client.come('open')).rejects.toMatchObject(gone)
  expect([all.apps.length, all.held.size]).toEqual([1, 1])
  await client.come('resume')
})

test.each([
  ['breaks', (connection: Duplex) => connection.destroy()],
  ['ends, as where another replica passes its loss on,', (connection: Duplex) => connection.end()],
])(
  'what an app said before it broke is there for a client whose connection %s on the way, and then it is over',
  async (_, lose) => {
    const all = scene(() => undefined)
    const client = clientOf(all)
    const first = await client.come('open')
    await turns()
    // What comes to it from now on is lost with its connection.
    first.unpipe()
    first.pause()
    all.apps[0]?.write('the last words')
    await turns()
    all.dialled[0]?.destroy(new Error('broken'))
    await turns()
    lose(first)
    await turns()
    expect([text(client), all.held.size]).toEqual(['', 1])
    await client.come('resume')
    await turns()
    expect([text(client), client.stream.over, all.held.size]).toEqual(['the last words', 'reset', 0])
  },
)

test('a client that has not come for ten minutes has lost it', async () => {
  const all = scene()
  const client = clientOf(all)
  const first = await client.come('open')
  await turns()
  first.destroy()
  await turns()
  await all.clock.advance(longestAway - 1)
  const second = await client.come('resume')
  await turns()
  second.destroy()
  await turns()
  await all.clock.advance(longestAway)
  await turns()
  expect([all.held.size, all.apps[0]?.destroyed || all.apps[0]?.readableEnded]).toEqual([0, true])
  await expect(client.come('resume')).rejects.toMatchObject(gone)
})

test('#157 access that has ended ends the connection in the pod at once, whether somebody is on it or not', async () => {
  for (const isAway of [true, false]) {
    const all = scene()
    const client = clientOf(all)
    const first = await client.come('open')
    await turns()
    if (isAway) first.destroy()
    await turns()
    await expect(client.come('end')).rejects.toMatchObject(gone)
    await turns()
    expect([all.held.size, all.apps[0]?.readableEnded || all.apps[0]?.destroyed]).toEqual([0, true])
  }
})

test('a client that comes again before it is missed takes the place of its own connection', async () => {
  const all = scene()
  const client = clientOf(all)
  const first = await client.come('open')
  client.local.write('one ')
  await turns()
  await client.come('resume')
  client.local.write('two')
  await turns()
  expect([text(client), first.destroyed, all.held.size, all.apps.length]).toEqual(['one two', true, 1, 1])
})

test('#156 who connects and does not say where he stands is gone after fifteen seconds', async () => {
  const all = scene()
  const silent = { aim: 'open' as const, key: randomBytes(32), person: Buffer.alloc(16), onHeld() {} }
  const connection = await all.link().gateway.open(8888, signal, silent)
  connection.on('error', () => undefined).resume()
  await turns()
  await all.clock.advance(15_000)
  await turns()
  expect([connection.destroyed, all.held.size]).toEqual([true, 1])
})

test('#156 so many wait, and no more: one more costs whoever has most his oldest', async () => {
  const all = scene()
  const alice = clientOf(all, Buffer.alloc(16, 1))
  const clients = [alice, ...Array.from({ length: mostAway }, () => clientOf(all, Buffer.alloc(16, 2)))]
  for (const client of clients) {
    const connection = await client.come('open')
    connection.destroy()
    await turns(5)
  }
  await all.clock.advance(settled)
  expect(all.held.size).toBe(mostAway)
  await alice.come('resume')
  await expect(clients[1]?.come('resume')).rejects.toMatchObject(gone)
  await clients[2]?.come('resume')
})

test('all whose connections break at once, as when their gateway goes, may come back', async () => {
  const all = scene()
  const clients = Array.from({ length: mostHeld }, (_, number) => clientOf(all, Buffer.alloc(16, number % 2)))
  const connections: Duplex[] = []
  for (const client of clients) connections.push(await client.come('open'))
  await turns()
  for (const connection of connections) connection.destroy()
  await turns()
  await all.clock.advance(30_000)
  for (const client of clients) await client.come('resume')
  await all.clock.advance(settled)
  await turns()
  expect([all.held.size, all.apps.filter(({ destroyed }) => destroyed).length]).toEqual([mostHeld, 0])
})

/** A client that stays, and says and takes nothing from now on. */
async function stuck(all: Scene): Promise<Duplex> {
  const connection = await clientOf(all).come('open')
  await turns()
  connection.unpipe()
  connection.pause()
  return connection
}

test('#156 a client that stays and says nothing more keeps what broke for a minute, and what that had said for ten', async () => {
  const silent = scene(() => undefined)
  const connection = await stuck(silent)
  silent.dialled[0]?.destroy(new Error('broken'))
  await silent.clock.advance(59_999)
  expect([silent.held.size, connection.destroyed]).toEqual([1, false])
  await silent.clock.advance(1)
  await turns()
  expect([silent.held.size, connection.destroyed]).toEqual([0, true])

  const eloquent = scene(() => undefined)
  await stuck(eloquent)
  eloquent.apps[0]?.end('the last words')
  await turns()
  eloquent.dialled[0]?.destroy(new Error('broken'))
  await eloquent.clock.advance(longestAway - 1)
  expect(eloquent.held.size).toBe(1)
  await eloquent.clock.advance(1)
  await turns()
  expect(eloquent.held.size).toBe(0)
})

test('#156 one more than can be held is led as any other, and not held', async () => {
  const all = scene()
  for (let number = 0; number < mostHeld; number += 1) await clientOf(all, Buffer.alloc(16, number % 2)).come('open')
  const wish = { aim: 'open' as const, key: randomBytes(32), person: Buffer.alloc(16), onHeld: () => expect.fail() }
  const plain = await all.link().gateway.open(8888, signal, wish)
  plain.write('plainly')
  await turns()
  expect([String(plain.read()), all.held.size]).toEqual(['plainly', mostHeld])
})

test('#156 what all of them keep for clients who are gone is bounded', async () => {
  let said = 0
  const chunk = Buffer.alloc(65_536)
  const all = scene((socket) => {
    const more = () => {
      while (socket.write(chunk)) said += chunk.length
      said += chunk.length
    }
    socket.on('drain', more)
    more()
  })
  for (let number = 0; number < mostAway; number += 1) {
    const connection = await clientOf(all).come('open')
    connection.destroy()
    await turns(100)
  }
  await turns(300)
  // What waits in the pipes of the test counts as said.
  expect([said > 20_000_000, said < 36_000_000]).toEqual([true, true])
})

test('an agent, or a link, that holds nothing leads as ever, and has nothing to come back to', async () => {
  using pair = linkPair({ dial: async () => scene().link().gateway.open(8888, signal) })
  const wish = { key: randomBytes(32), person: Buffer.alloc(16), onHeld: () => expect.fail() }
  const plain = await pair.gateway.open(8888, signal, { aim: 'open', ...wish })
  plain.write('plainly')
  await turns()
  expect(String(plain.read())).toBe('plainly')
  await expect(pair.gateway.open(8888, signal, { aim: 'resume', ...wish })).rejects.toMatchObject(gone)
})

/** Asking a replica of the version before, during a roll-out: it knows of no connection that is held, and closes on whoever asks for one. */
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
import { tlsOf } from '#link/peer-listener.ts'
import { PeerTurns } from '#link/peer-turns.ts'
import { readLine, sayAnswer, sayHeld } from '#link/peer-words.ts'
import { type HeldFor, type HoldAim, keyLength, personLength } from '#resume/hold.ts'
import { createTestCa } from '#test/support/test-ca.ts'

let folder: string
let credentials: PeerCredentials
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-peer-dial-'))
  const ca = createTestCa(folder)
  credentials = await readPeerCredentials({ ...ca.issue([peerName]), caFile: ca.caFile })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Answers a line that it knows, and closes on any other. */
async function replica(known: RegExp, answer: string) {
  const lines: string[] = []
  const sockets = new Set<TLSSocket>()
  const serve = async (socket: TLSSocket) => {
    const line = await readLine(socket)
    lines.push(line)
    if (!known.test(line)) return socket.destroy()
    socket.write(answer)
    return socket.pipe(socket)
  }
  const server = createServer({ ...tlsOf(credentials), requestCert: true, rejectUnauthorized: true }, (socket) => {
    sockets.add(socket.on('error', () => undefined))
    serve(socket).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    lines,
    async ask(aim: HoldAim) {
      let held: HeldFor | undefined
      const onHeld = (found: HeldFor) => {
        held = found
      }
      const hold = { aim, key: randomBytes(keyLength), person: randomBytes(personLength), onHeld }
      const dialling = { credentials, turns: new PeerTurns(), signal: new AbortController().signal }
      const dialled = await dialPeer({ host: '127.0.0.1', port }, { instance: 'a', port: 8888, hold }, dialling)
      return { dialled, held }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
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

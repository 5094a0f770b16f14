/** A share that is revoked while a thousand sockets lean on it: all are closed at once, the others live, and those who come again are sent away. */
import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { openRaw, type RawConnection } from '#test/support/raw-http.ts'
import { openTenants, requestText, websocketFields } from '#test/support/tenants.ts'
import { callApi, revocationBound, share, withBob } from '../behaviour/gateway/scene.ts'

const count = 1_000
/** Of processor time, for a thousand sockets at both ends in this one process. */
const mostCpu = 4_000_000

test('#65 a thousand sockets are closed with 1008 within two seconds, at a bounded cost; others stay, and who comes again gets a 403', {
  timeout: 60_000,
}, async () => {
  const generous = { connectionsPerAddress: 10_000, streamsPerIdentity: 10_000 }
  await using tenants = await openTenants({
    settings: (settings) => ({
      ...settings,
      limits: { ...settings.limits, ...generous, requestsPerAddress: 10_000, requestsPerIdentity: 10_000 },
    }),
  })
  const { world, a, alice, bob, upstreamBytes } = tenants
  const { name } = await share(world, alice, a.ref, withBob)
  await bob.open(a.url)
  const cookie = bob.cookieHeader(a.url)
  if (cookie === undefined) throw new Error('bob has no cookie there')
  const fields = [...websocketFields, 'Origin', `http://${a.authority}`]
  const handshake = (of: string) => requestText({ target: a.prefix, host: a.authority, cookie: of, fields })
  const open = async (of: string): Promise<RawConnection> => {
    const connection = await openRaw(world.port)
    connection.send(handshake(of))
    expect((await connection.answer()).status).toBe(101)
    return connection
  }
  const sockets: RawConnection[] = []
  for (let round = 0; round < count / 100; round += 1) {
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => open(cookie)))))
  }
  using hers = await open(a.cookie)
  const began = performance.now()
  const before = process.cpuUsage()
  await callApi(world, alice, 'DELETE', api.share(a.ref, name))
  const ends = await Promise.all(sockets.map((socket) => socket.rest()))
  expect(performance.now() - began).toBeLessThan(revocationBound)
  const { user, system } = process.cpuUsage(before)
  expect(user + system).toBeLessThan(mostCpu)
  // Final, 1008, and why: the code after which clients do not come back by themselves.
  const frame = `\x88\x0e\x03\xf0access ended`
  expect(new Set(ends)).toEqual(new Set([frame]))
  // Masked by zeros.
  hers.send('\x81\x82\0\0\0\0hi')
  expect(await hers.bytes(4)).toBe('\x81\x02hi')
  const arrived = upstreamBytes()
  const again: number[] = []
  for (let round = 0; round < count / 100; round += 1) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => tenants.ask(handshake(cookie))))
    again.push(...answers.map(({ status }) => status))
  }
  expect(new Set(again)).toEqual(new Set([403]))
  expect(upstreamBytes()).toBe(arrived)
  for (const socket of sockets) socket[Symbol.dispose]()
  await world.until(() => world.open.streams.all().reduce((sum, group) => sum + group.size, 0) === 1, 'hers alone')
})

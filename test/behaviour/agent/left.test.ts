/** Streams that the real agent holds while their clients are away: they end in the pod with what they rest on, and not because their gateway does. */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { parseSessionName } from '#identity/session-id.ts'
import { resumeProtocol, resumeWindow, writeBye, writeHello } from '#resume/frames.ts'
import { shareFor, unshare } from '#test/behaviour/tunnel/shares.ts'
import { type AgentScene, agentScene } from '#test/support/agent-scene.ts'
import { askTunnel, logIn, type OpenTunnel } from '#test/support/tunnel-scene.ts'
import { streamHeader, tunnelProtocol } from '#tunnel/protocol.ts'

const patience = { timeout: 15_000 }
const bound = 2_000

let scene: AgentScene

beforeAll(async () => {
  scene = await agentScene({ authorshipOf: () => 'ManifestGranted' })
  await scene.startAgent()
  await scene.world.until(() => scene.isReady(), 'its agent is there')
})
afterAll(() => scene?.[Symbol.asyncDispose]())
beforeEach(() => expect.poll(() => scene.ssh.connections.size, patience).toBe(0))

interface Client {
  come(bearer?: string): Promise<OpenTunnel>
  /** Resolves when the gateway knows. */
  goAway(): Promise<void>
  /** As a command line does that is done; resolves when the gateway knows. */
  finish(): Promise<void>
}

function clientOf(bearer: string): Client {
  const id = randomBytes(32).toString('base64url')
  let tunnel: OpenTunnel | undefined
  const closed = () => scene.world.audit.filter(({ event }) => event === 'stream-closed').length
  return {
    async come(by = bearer) {
      const headers = { [streamHeader]: `${tunnel ? 'resume' : 'open'} ${id}` }
      const protocols = [resumeProtocol, tunnelProtocol]
      const answer = await askTunnel(scene.world, scene.ref, { bearer: by, protocols, headers })
      if (answer.kind !== 'open') throw new Error(`refused with ${answer.status} ${answer.code}`)
      answer.ws.send(writeHello({ sent: 0, received: 0, limit: resumeWindow }))
      await expect.poll(() => answer.received().length, patience).toBeGreaterThan(0)
      tunnel = answer
      return answer
    },
    async goAway() {
      const before = closed()
      tunnel?.ws.terminate()
      await expect.poll(closed, patience).toBe(before + 1)
    },
    async finish() {
      const before = closed()
      tunnel?.ws.send(writeBye('done'))
      tunnel?.ws.close(1000)
      await expect.poll(closed, { ...patience, interval: 5 }).toBe(before + 1)
    },
  }
}

function sessionsOf(username: string): readonly string[] {
  const { sessions } = scene.world.open
  const own = sessions.find(({ spec }) => spec.username === username && spec.kind === 'cli')
  return own.map(({ metadata }) => metadata.name)
}

async function endSessions(username: string): Promise<void> {
  for (const named of sessionsOf(username)) {
    const name = parseSessionName(named)
    if (name) await scene.world.open.sessions.end(name, 'revoked')
  }
}

/** So many are open in the pod. */
async function leaves(many: number, began: number): Promise<void> {
  await expect.poll(() => scene.ssh.connections.size, { timeout: 5_000, interval: 10 }).toBe(many)
  expect(performance.now() - began).toBeLessThan(bound)
}

test.each([
  ['its share is revoked', () => unshare(scene, 'for-bob')],
  ['its session is ended', () => endSessions('bob')],
])(
  '#157 a stream whose client is away ends in the pod within two seconds when %s, and nobody else’s does',
  async (_, end) => {
    const { world } = scene
    await shareFor(scene, 'for-bob')
    const clients = { bob: clientOf(await logIn(world, 'bob')), alice: clientOf(await logIn(world, 'alice')) }
    for (const client of [clients.bob, clients.alice]) {
      await client.come()
      await client.goAway()
    }
    expect([scene.ssh.connections.size, await world.figure('gatehouse_streams', 'kind="tunnel"')]).toEqual([2, 0])
    const began = performance.now()
    await end()
    await leaves(1, began)
    await expect(clients.bob.come()).rejects.toThrow(/refused with 40[13]/)
    using _alices = await clients.alice.come()
    await clients.alice.goAway()
    const last = performance.now()
    await endSessions('alice')
    await leaves(0, last)
    await unshare(scene, 'for-bob').catch(() => undefined)
  },
)

test('a stream whose client is away ends with its share, however many of the same person have finished meanwhile', async () => {
  const { world } = scene
  await shareFor(scene, 'for-bob')
  const bearer = await logIn(world, 'bob')
  const away = clientOf(bearer)
  await away.come()
  await away.goAway()
  for (let times = 0; times < 33; times += 1) {
    const short = clientOf(bearer)
    await short.come()
    await short.finish()
  }
  await expect.poll(() => scene.ssh.connections.size, patience).toBe(1)
  const began = performance.now()
  await unshare(scene, 'for-bob')
  await leaves(0, began)
})

test('a stream that its client has taken up again by another login is none of the first one’s', async () => {
  const { world } = scene
  const client = clientOf(await logIn(world, 'alice'))
  await client.come()
  await client.goAway()
  const [first] = sessionsOf('alice')
  using tunnel = await client.come(await logIn(world, 'alice'))
  const name = parseSessionName(first ?? '')
  if (name) await world.open.sessions.end(name, 'revoked')
  await pause(200)
  expect([scene.ssh.connections.size, tunnel.ws.readyState]).toEqual([1, tunnel.ws.OPEN])
  await endSessions('alice')
  expect(await tunnel.closed).toMatchObject({ code: 1008 })
})

test('neither is one whose first connection is found to be gone only when the second one carries it', async () => {
  const { world } = scene
  const client = clientOf(await logIn(world, 'alice'))
  const old = await client.come()
  const [first] = sessionsOf('alice')
  // As a machine that sleeps: it answers no close.
  old.ws.pause()
  const closed = () => world.audit.filter(({ event }) => event === 'stream-closed').length
  const before = closed()
  using tunnel = await client.come(await logIn(world, 'alice'))
  await expect.poll(closed, patience).toBe(before + 1)
  const name = parseSessionName(first ?? '')
  if (name) await world.open.sessions.end(name, 'revoked')
  await pause(500)
  expect([scene.ssh.connections.size, tunnel.ws.readyState]).toEqual([1, tunnel.ws.OPEN])
  await client.goAway()
  const began = performance.now()
  await endSessions('alice')
  await leaves(0, began)
  old.ws.terminate()
})

test('a stream whose client is away, or on its way back, outlives the end of its gateway', async () => {
  const { world } = scene
  const bearer = await logIn(world, 'alice')
  const client = clientOf(bearer)
  await client.come()
  const accepted = scene.ssh.accepted()
  await client.goAway()
  const drain = () => {
    for (const group of world.open.streams.all()) group.end({ code: 1012, reason: 'gateway restarting' })
  }
  drain()
  const coming = client.come().catch(() => undefined)
  const isComing = () => world.open.streams.all().some((group) => group.size > 0)
  while (!isComing()) await pause(0)
  drain()
  await coming
  using tunnel = await client.come()
  expect([scene.ssh.accepted(), tunnel.ws.readyState]).toEqual([accepted, tunnel.ws.OPEN])
  await endSessions('alice')
})

/** Two replicas, and an agent that has its links at one of them: the other one reaches the workspace all the same, by asking the first. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectPlainly, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Agents, openAgents } from '#compose/agents.ts'
import { sayAsked } from '#link/peer-words.ts'
import { keyLength, personLength } from '#resume/hold.ts'
import { api } from '#surface/urls.ts'
import { type AgentScene, agentScene } from '#test/support/agent-scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import type { Replica } from '#test/support/replica.ts'
import { createTestCa, type IssuedCertificate, type TestCa } from '#test/support/test-ca.ts'
import { openSocket } from '#test/support/workspace-socket.ts'

let folder: string
let ca: TestCa
let own: IssuedCertificate
let scene: AgentScene
let replica: Replica
let others: Agents | undefined
let alice: ScriptedBrowser
let url: URL

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-peers-'))
  ca = createTestCa(join(folder, 'ca'))
  own = ca.issue(['gatehouse-peers'])
  scene = await agentScene({ peers: { port: 0, ...own, caFile: ca.caFile } })
  replica = await scene.world.replica({
    async openAgents(ground) {
      others = await openAgents({ ...ground, host: '127.0.0.1' })
      return others
    },
  })
  await scene.startAgent()
  await scene.world.until(() => scene.isReady(), 'its agent is there')
  url = new URL(scene.world.url(scene.ref))
  alice = await scene.world.as('alice')
  await alice.open(url)
})
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const patience = { timeout: 15_000 }

/** At the replica that has no link. */
function ask(path: string, init: { readonly method?: string; readonly body?: string } = {}) {
  return plainRequest(`http://127.0.0.1:${replica.port}${path}`, {
    ...init,
    headers: { Host: url.host, Cookie: alice.cookieHeader(url) ?? '', Origin: url.origin },
  })
}

test('requests and sockets at the replica that has no link get through, with large bodies', async () => {
  await expect.poll(() => scene.agents.links.size, patience).toBe(2)
  expect(others?.links.size).toBe(0)
  await expect.poll(async () => (await ask('/')).status, patience).toBe(200)
  const answers = await Promise.all(Array.from({ length: 20 }, (_, number) => ask(`/by/${number}`)))
  expect(answers.map(({ body }) => JSON.parse(body).url)).toEqual(answers.map((_, number) => `/by/${number}`))
  const body = 'y'.repeat(2_000_000)
  expect(JSON.parse((await ask('/large', { method: 'POST', body })).body).body.length).toBe(body.length)
  using socket = await openSocket(alice, url, { port: replica.port })
  expect((await socket.ask(Buffer.alloc(100_000, 3))).length).toBe(100_000)
})

/** What the replica at that port says of the workspace. */
async function viewAt(port: number) {
  const console = new URL(scene.world.origin)
  const headers = { Host: console.host, Cookie: (await scene.world.as('alice')).cookieHeader(console) ?? '' }
  return JSON.parse((await plainRequest(`http://127.0.0.1:${port}${api.workspace(scene.ref)}`, { headers })).body)
}

test('the replica that has no link knows that another one has', async () => {
  await expect.poll(async () => (await viewAt(replica.port)).agent, patience).toEqual({ connected: true })
  expect((await viewAt(scene.world.port)).agent).toMatchObject({ connected: true, since: expect.any(String) })
})

/** What comes back to whoever asks there for a connection, with this certificate, or none; or for something else, and waits for answers of so many bytes. */
function knock(
  certificate: IssuedCertificate | undefined,
  asked = sayAsked({ instance: scene.pod.uid, port: scene.app.port }),
  length = 1,
): Promise<string> {
  const [host = '', port] = (scene.agents.peers?.address ?? '').split(':')
  const shown = certificate && {
    cert: readFileSync(certificate.certFile, 'utf8'),
    key: readFileSync(certificate.keyFile, 'utf8'),
  }
  return new Promise((resolve) => {
    let said = ''
    const socket = connect({ host, port: Number(port), ...shown, rejectUnauthorized: false })
    socket.on('data', (bytes: Buffer) => {
      said += bytes.toString()
      if (said.length >= length) socket.destroy()
    })
    socket.on('error', () => undefined).once('close', () => resolve(said))
    socket.write(asked)
  })
}

test('#155 who is no replica is not answered: by no certificate, one of another authority, or of another name', async () => {
  const before = scene.app.bytes()
  const strangers = {
    none: undefined,
    'another authority': createTestCa(join(folder, 'other')).issue(['gatehouse-peers']),
    'another name': ca.issue(['gatehouse.example.com']),
  }
  for (const [what, one] of Object.entries(strangers)) expect(await knock(one), what).toBe('')
  expect(scene.app.bytes()).toBe(before)
  expect(await knock(own)).toBe('ok\n')
})

test('streams that are over are told to a replica one behind the other by one connection, and the agent of each pod hears it', async () => {
  const end = (instance: string) => {
    const hold = { aim: 'end', key: randomBytes(keyLength), person: randomBytes(personLength) } as const
    return sayAsked({ instance, port: scene.app.port, hold })
  }
  const { uid } = scene.pod
  const answers = 'gone\naway\ngone\n'
  expect(await knock(own, [end(uid), end('another'), end(uid)].join(''), answers.length)).toBe(answers)
})

test('who has not shown whose he is has few connections there, and the next one is closed at once', async () => {
  const [host = '', port] = (scene.agents.peers?.address ?? '').split(':')
  let closed = 0
  const silent = Array.from({ length: 24 }, () =>
    connectPlainly({ host, port: Number(port) })
      .on('error', () => undefined)
      .once('close', () => {
        closed += 1
      }),
  )
  await expect.poll(() => closed, patience).toBe(8)
  expect(await knock(own)).toBe('')
  for (const socket of silent) socket.resetAndDestroy()
  await expect.poll(() => knock(own), patience).toBe('ok\n')
})

test('an agent that has left is away at both, and one that comes to either is there for both', async () => {
  await scene.stopAgents()
  await expect.poll(async () => (await ask('/')).status, patience).toBe(503)
  // Since when, the one where it was would say wrongly where another one had it later.
  for (const port of [scene.world.port, replica.port])
    await expect.poll(async () => (await viewAt(port)).agent, patience).toEqual({ connected: false })
  await scene.startAgent()
  await expect.poll(async () => (await ask('/')).status, patience).toBe(200)
})

test('an agent that is led to one replica alone looks for the other, and when the first is gone the workspace is served at once', async () => {
  await scene.stopAgents()
  const clock = fakeClock(Date.now())
  let to = scene.world.port
  const balancer = createServer((near) => {
    const far = connectPlainly({ host: '127.0.0.1', port: to })
    pipeline(near, far, near, () => undefined)
    if (to === scene.world.port) first.add(far)
  })
  const first = new Set<Socket>()
  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve))
  using _ = { [Symbol.dispose]: () => void balancer.close() }
  const address = balancer.address()
  const place = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  await using agent = await scene.startAgent(undefined, { clock, connect: place })
  const sizes = () => [scene.agents.links.size, others?.links.size]
  await expect.poll(sizes, patience).toEqual([2, 0])
  // As long as it is led there alone it keeps what it has.
  await clock.advance(10_000)
  await expect.poll(() => first.size, patience).toBe(3)
  expect(sizes()).toEqual([2, 0])
  to = replica.port
  await clock.advance(20_000)
  await expect.poll(sizes, patience).toEqual([1, 1])
  await expect.poll(() => agent.said(), patience).toContain('is at another replica now')
  // Its clock stands still: it does not come again.
  for (const socket of first) socket.resetAndDestroy()
  await expect.poll(sizes, patience).toEqual([0, 1])
  expect((await ask('/')).status).toBe(200)
})

test('a replica that ends says to others that it has no links', async () => {
  await scene.startAgent()
  await expect.poll(() => knock(own), patience).toBe('ok\n')
  scene.agents.peers?.leave()
  expect(await knock(own)).toBe('away\n')
})

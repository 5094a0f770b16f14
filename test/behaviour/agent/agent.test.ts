/** Workspaces that nothing connects to: the real agent beside real apps on loopback, and the gateway in front. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AgentScene, agentScene, type RunningAgent } from '#test/support/agent-scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import type { Echo } from '#test/support/echo-app.ts'
import { logIn, openTunnelOf } from '#test/support/tunnel-scene.ts'
import { openSocket } from '#test/support/workspace-socket.ts'

let scene: AgentScene
let agent: RunningAgent
let alice: ScriptedBrowser
let url: string

beforeAll(async () => {
  scene = await agentScene()
  url = scene.world.url(scene.ref)
  alice = await scene.world.as('alice')
})
afterAll(() => scene?.[Symbol.asyncDispose]())

const patience = { timeout: 15_000 }

test('without its agent a workspace is not ready and says why, and nothing connects to it', async () => {
  const state = () => scene.world.open.workspaces.directory.get(scene.ref)?.state
  await expect.poll(() => state()?.message, patience).toContain('its agent is not connected')
  const page = await alice.open(url)
  expect(page.url.pathname).toContain('/.gatehouse/open/')
  expect(scene.app.bytes()).toBe(0)
  agent = await scene.startAgent()
  await expect.poll(() => scene.isReady(), patience).toBe(true)
  await expect.poll(() => scene.agents.links.size, patience).toBe(2)
})

test('requests reach the app as they do without one, many at once, with large bodies both ways', async () => {
  await alice.open(url)
  const body = 'x'.repeat(3_000_000)
  const answers = await Promise.all(
    Array.from({ length: 40 }, async (_, number): Promise<Echo> => {
      const page = await alice.fetch(`${url}deep/${number}?q=%2F`, number === 0 ? { method: 'POST', body } : {})
      return JSON.parse(page.body)
    }),
  )
  expect(answers.map(({ url: target }) => target)).toEqual(answers.map((_, number) => `/deep/${number}?q=%2F`))
  expect(answers[0]?.body.length).toBe(body.length)
})

test('SSH at loopback needs no setting that calls itself insecure, and ends as it does without an agent', async () => {
  const bearer = await logIn(scene.world, 'alice')
  using tunnel = await openTunnelOf(scene.world, bearer)
  tunnel.ws.send(Buffer.alloc(60_000, 1))
  tunnel.ws.send(Buffer.alloc(0))
  expect((await tunnel.closed).code).toBe(1000)
  expect(tunnel.received().equals(Buffer.alloc(60_000, 1))).toBe(true)
  await expect.poll(() => scene.ssh.connections.size, patience).toBe(0)
})

test('a message of a tunnel that comes in crumbs without end ends the tunnel', async () => {
  using tunnel = await openTunnelOf(scene.world, await logIn(scene.world, 'alice'))
  for (let crumb = 0; crumb < 40; crumb += 1) tunnel.ws.send(Buffer.alloc(1), { fin: false })
  expect((await tunnel.closed).code).toBe(1008)
  await expect.poll(() => scene.ssh.connections.size, patience).toBe(0)
})

test('an agent that is told to end ends, and one that comes again is led to again', async () => {
  using socket = await openSocket(alice, `${url}socket`)
  expect((await socket.ask(Buffer.alloc(200_000, 7))).length).toBe(200_000)
  expect(await agent.stop()).toBe(0)
  expect((await socket.closed).code).toBe(1011)
  const away = await alice.fetch(url)
  expect([away.status, away.headers['retry-after']]).toEqual([503, expect.stringMatching(/^\d+$/)])
  const bearer = await logIn(scene.world, 'alice')
  await expect(openTunnelOf(scene.world, bearer)).rejects.toThrow(/503/)
  agent = await scene.startAgent()
  await expect.poll(async () => (await alice.fetch(url)).status, patience).toBe(200)
})

test('links end with the pod that they came from', async () => {
  const gone = scene.agents.links
  await expect.poll(() => gone.size, patience).toBe(2)
  await scene.world.runtime.remove(scene.ref)
  await expect.poll(() => gone.has(scene.pod.uid), patience).toBe(false)
  await expect.poll(() => agent.said(), patience).toMatch(/its pod stands for no workspace any more.*answered 401/s)
})

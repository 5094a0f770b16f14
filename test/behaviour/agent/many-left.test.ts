/** Hundreds of streams that the real agents of a dozen workspaces hold for one guest, whose share ends at one stroke while all of his clients are away. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAgents } from '#compose/agents.ts'
import { resumeProtocol, resumeWindow, writeHello } from '#resume/frames.ts'
import { mostHeld } from '#resume/held-streams.ts'
import { mostOfOne } from '#resume/stock.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { shareFor, unshare } from '#test/behaviour/tunnel/shares.ts'
import { type AgentScene, agentScene } from '#test/support/agent-scene.ts'
import type { Replica } from '#test/support/replica.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { askTunnel, logIn, type OpenTunnel } from '#test/support/tunnel-scene.ts'
import { streamHeader, tunnelProtocol } from '#tunnel/protocol.ts'

const patience = { timeout: 15_000 }
const bound = 2_000
const workspaces = 13
/** An agent holds no more for one person. */
const ofEach = mostHeld * mostOfOne
const all = workspaces * ofEach

let parts: AsyncDisposableStack
let scene: AgentScene
let replica: Replica
let refs: readonly WorkspaceRef[]

beforeAll(async () => {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-many-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const ca = createTestCa(folder)
  scene = opened.use(
    await agentScene({
      ...{ authorshipOf: () => 'ManifestGranted', mostTunnels: all + 1 },
      peers: { port: 0, ...ca.issue(['gatehouse-peers']), caFile: ca.caFile },
    }),
  )
  replica = await scene.world.replica({ openAgents: (ground) => openAgents({ ...ground, host: '127.0.0.1' }) })
  await scene.startAgent()
  await scene.world.until(() => scene.isReady(), 'its agent is there')
  const others: WorkspaceRef[] = []
  while (others.length < workspaces - 1) others.push(await scene.another(`nb${others.length}`))
  refs = [scene.ref, ...others]
  parts = opened.move()
})
afterAll(() => parts?.disposeAsync())

/** That both gateways let bob in everywhere. */
const isShared = () =>
  [scene.world.open, replica.open].every(({ workspaces: { directory } }) =>
    refs.every((ref) => {
      const entry = directory.get(ref)
      return entry?.state.phase === 'Running' && entry.shares.length > 0
    }),
  )

test.each([
  ['at the gateway that their agents are connected to', () => scene.world.port],
  ['at another one, which has to ask that one', () => replica.port],
])(
  'streams whose clients left %s end in their pods within two seconds when the one share is revoked that all of them rest on, 24 in each of 13 pods',
  async (_, portOf) => {
    const { world } = scene
    const port = portOf()
    await shareFor(scene, 'for-bob', { workspaces: refs.map(({ name }) => ({ name })) })
    await world.until(isShared, 'the share counts')
    const bearer = await logIn(world, 'bob')
    const open = async (ref: WorkspaceRef): Promise<OpenTunnel> => {
      const headers = { [streamHeader]: `open ${randomBytes(32).toString('base64url')}` }
      const answer = await askTunnel(world, ref, { port, bearer, protocols: [resumeProtocol, tunnelProtocol], headers })
      if (answer.kind === 'refused') throw new Error(`refused with ${answer.status} ${answer.code}`)
      answer.ws.send(writeHello({ sent: 0, received: 0, limit: resumeWindow }))
      await expect.poll(() => answer.received().length, patience).toBeGreaterThan(0)
      return answer
    }
    const closed = () => world.audit.filter(({ event }) => event === 'stream-closed').length
    const before = closed()
    for (let each = 0; each < ofEach; each += 1) {
      const tunnels = await Promise.all(refs.map(open))
      for (const { ws } of tunnels) ws.terminate()
    }
    await expect.poll(closed, patience).toBe(before + all)
    expect(scene.ssh.connections.size).toBe(all)
    const began = performance.now()
    await unshare(scene, 'for-bob')
    await expect.poll(() => scene.ssh.connections.size, { timeout: 30_000, interval: 5 }).toBe(0)
    expect(performance.now() - began).toBeLessThan(bound)
  },
)

/**
 * A real scp through a real command line and the real agent, whose gateway goes away in the middle and stays away: it goes on by another one. Beside it, what
 * such a stream must not be: anybody else's, or open for longer than its access.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAgents } from '#compose/agents.ts'
import { resumeProtocol, resumeWindow, writeHello } from '#resume/frames.ts'
import { shareFor, unshare } from '#test/behaviour/tunnel/shares.ts'
import { type AgentScene, agentScene } from '#test/support/agent-scene.ts'
import { freePort } from '#test/support/free-port.ts'
import { type OpenSsh, openSsh } from '#test/support/openssh.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { describeWith } from '#test/support/real-parts.ts'
import type { Replica } from '#test/support/replica.ts'
import { type TcpRelay, tcpRelay } from '#test/support/tcp-relay.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { askTunnel, logIn, tcpAppBefore } from '#test/support/tunnel-scene.ts'
import { streamHeader, tunnelProtocol } from '#tunnel/protocol.ts'

const launcher = join(import.meta.dirname, '../../../bin/gatehouse.js')
const alias = 'nb.team.test.gatehouse'
/** Bytes; a gigabyte with `GATEHOUSE_TEST_RESUMED_BYTES=1000000000`. */
const size = Number(process.env.GATEHOUSE_TEST_RESUMED_BYTES ?? 32_000_000)
/** For how long nothing answers, between two gateways; milliseconds. */
const away = Number(process.env.GATEHOUSE_TEST_RESUMED_AWAY ?? 500)
const patience = { timeout: 15_000 + size / 2_000 + away }

describeWith('sshd', 'a stream that outlives its gateway', () => {
  let parts: AsyncDisposableStack
  let scene: AgentScene
  let server: OpenSsh
  let machine: PersonMachine
  let replica: Replica
  /** Where everybody comes in; leads to one gateway or the other. */
  let balancer: TcpRelay
  let target: { host: string; port: number }
  let first: number
  let config: readonly string[]

  beforeAll(async () => {
    await using opened = new AsyncDisposableStack()
    server = opened.use(await openSsh())
    const ssh = await tcpAppBefore(server.port)
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-resume-'))
    opened.defer(() => rm(folder, { recursive: true, force: true }))
    const ca = createTestCa(join(folder, 'ca'))
    const peers = { port: 0, ...ca.issue(['gatehouse-peers']), caFile: ca.caFile }
    const port = await freePort()
    first = await freePort()
    target = { host: '127.0.0.1', port: first }
    balancer = opened.use(await tcpRelay(target, { port }))
    scene = opened.use(
      await agentScene({
        ...{ peers, ssh, port, authorshipOf: () => 'ManifestGranted' },
        settings: (settings) => ({
          ...settings,
          listeners: settings.listeners.map((listener) => ({ ...listener, port: first })),
        }),
      }),
    )
    replica = await scene.world.replica({ openAgents: (ground) => openAgents({ ...ground, host: '127.0.0.1' }) })
    await scene.startAgent()
    await scene.world.until(() => scene.isReady(), 'its agent is there')
    machine = opened.use(await personMachine())
    const login = await machine.login(await scene.world.as('alice'), [scene.world.origin])
    expect(login).toMatchObject({ code: 0 })
    const environment = `HOME=${machine.home} NODE_DISABLE_COMPILE_CACHE=1`
    const command = `env ${environment} ${process.execPath} ${launcher} tunnel team/nb`
    config = ['-F', await server.configure(alias, command)]
    parts = opened.move()
  })
  afterAll(() => parts?.disposeAsync())

  /** From now on the other one is all there is. */
  async function leaveFor(other: number): Promise<void> {
    target.port = await freePort()
    balancer.cut()
    await new Promise((resolve) => setTimeout(resolve, away))
    target.port = other
  }

  /** What passed through the tunnels so far that are closed. */
  function carried(): { readonly times: number; readonly bytesIn: number; readonly bytesOut: number } {
    const lines = scene.world.audit.flatMap((event) => (event.event === 'stream-closed' ? [event] : []))
    const sum = (key: 'bytesIn' | 'bytesOut') => lines.reduce((total, line) => total + line[key], 0)
    return { times: lines.length, bytesIn: sum('bytesIn'), bytesOut: sum('bytesOut') }
  }

  const allClosed = () => expect.poll(() => scene.ssh.connections.size, patience).toBe(0)

  test(
    'scp goes on when its gateway goes in the middle and stays away, both ways, and at most the window is sent twice',
    async () => {
      const content = randomBytes(size)
      const [from, there, back] = ['from', 'there', 'back'].map((name) => join(server.folder, name))
      await writeFile(from ?? '', content)
      // The agent's links are at the first gateway; the copy comes in at the other, and goes on at the first.
      await expect.poll(() => scene.agents.links.size, patience).toBe(2)
      const phase = () => replica.open.workspaces.directory.get(scene.ref)?.state.phase
      await expect.poll(phase, patience).toBe('Running')
      target.port = replica.port
      const up = server.run('scp', [...config, '-q', from ?? '', `${alias}:${there}`])
      await expect.poll(() => scene.ssh.bytes(), { ...patience, interval: 2 }).toBeGreaterThan(size / 4)
      expect(scene.ssh.bytes()).toBeLessThan(size)
      await leaveFor(first)
      expect((await up).stderr).toContain('it goes on where it was')
      expect((await readFile(there ?? '')).equals(content)).toBe(true)
      await allClosed()
      await expect.poll(() => carried().times, patience).toBe(2)
      expect([scene.ssh.accepted(), carried().bytesIn - scene.ssh.bytes() <= resumeWindow + size / 1_000]).toEqual([
        1,
        true,
      ])

      const before = carried()
      const down = server.run('scp', [...config, '-q', `${alias}:${there}`, back ?? ''])
      const written = () =>
        stat(back ?? '').then(
          ({ size: bytes }) => bytes,
          () => 0,
        )
      await expect.poll(written, { ...patience, interval: 20 }).toBeGreaterThan(size / 10)
      await leaveFor(replica.port)
      expect((await down).stderr).toContain('it goes on where it was')
      expect((await readFile(back ?? '')).equals(content)).toBe(true)
      await allClosed()
      await expect.poll(() => carried().times, patience).toBe(before.times + 2)
      expect(carried().bytesOut - before.bytesOut).toBeLessThan(size * 1.02 + resumeWindow)
    },
    120_000 + size / 1_000,
  )

  test('#157 a held stream is taken up by nobody else, who knows its name and may come in himself; and ends in the pod when its access does', async () => {
    const { world, ref } = scene
    await shareFor(scene, 'for-bob')
    const [bob, alice] = [await logIn(world, 'bob'), await logIn(world, 'alice')]
    const id = randomBytes(32).toString('base64url')
    const ask = (bearer: string, aim: string, name = id, more = {}) =>
      askTunnel(world, ref, {
        ...{ bearer, protocols: [resumeProtocol, tunnelProtocol], headers: { [streamHeader]: `${aim} ${name}` } },
        ...more,
      })
    const before = scene.ssh.accepted()
    const opened = await ask(bob, 'open')
    if (opened.kind !== 'open') throw new Error(`refused with ${opened.status}`)
    expect(opened.ws.protocol).toBe(resumeProtocol)
    opened.ws.send(writeHello({ sent: 0, received: 0, limit: resumeWindow }))
    await expect.poll(() => opened.received().includes('SSH-2.0'), patience).toBe(true)
    opened.ws.terminate()
    const answers = [await ask(alice, 'resume'), await ask(bob, 'resume', randomBytes(32).toString('base64url'))]
    for (const answer of answers) expect(answer).toMatchObject({ kind: 'refused', status: 410, code: 'tunnel_gone' })
    expect(world.lines.some((line) => line.includes(id))).toBe(false)
    const again = await ask(bob, 'resume')
    expect([again.kind, scene.ssh.accepted() - before, scene.ssh.connections.size]).toEqual(['open', 1, 1])
    const revoked = performance.now()
    await unshare(scene, 'for-bob')
    await expect.poll(() => scene.ssh.connections.size, { timeout: 5_000, interval: 10 }).toBe(0)
    expect(performance.now() - revoked).toBeLessThan(2_000)
    if (again.kind === 'open') expect(await again.closed).toMatchObject({ code: 1008 })
    for (const name of ['short', `${id}A`, `${id} x`])
      expect(await ask(alice, 'open', name)).toMatchObject({ status: 400 })
    expect(await ask(alice, 'open', id, { protocols: [tunnelProtocol] })).toMatchObject({ status: 400 })
  })
})

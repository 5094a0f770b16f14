/** Tunnels that outlive their connections: coming back is no way around their limits, and nobody's work. What holds them is the agent's own, without its link. */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import type { Agents } from '#compose/agents.ts'
import { GatewayError } from '#errors.ts'
import { RateLimiter } from '#lib/rate-limiter.ts'
import { LinkVisits } from '#link/link-visits.ts'
import { Links } from '#link/links.ts'
import { resumeProtocol, resumeWindow } from '#resume/frames.ts'
import { HeldStreams } from '#resume/held-streams.ts'
import { type HeldFor, type HoldWish, StreamGone } from '#resume/hold.ts'
import { ResumeEnd } from '#resume/resume-end.ts'
import type { InstanceUid } from '#runtime/contract.ts'
import type { Settings } from '#settings/settings.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { type OpenTunnel, type TcpApp, type TunnelScene, tcpApp, tunnelScene } from '#test/support/tunnel-scene.ts'
import { streamAgeHeader, streamHeader, tunnelProtocol } from '#tunnel/protocol.ts'

const minute = 60_000

interface HeldScene extends AsyncDisposable {
  readonly scene: TunnelScene
  readonly clock: FakeClock
  readonly app: TcpApp
  /** By a new connection: the first one, or the next. */
  come(): Promise<OpenTunnel>
  /** Says so many bytes more, and waits for as many to come back. */
  say(bytes: number): Promise<void>
}

interface Words {
  /** What the agent says of a stream, if not what is so. */
  readonly agent?: HeldFor
  /** What the client says of its age, if anything. */
  readonly client?: (age: number) => string
}

async function heldScene(said: Words = {}): Promise<HeldScene> {
  await using opened = new AsyncDisposableStack()
  const clock = fakeClock()
  opened.use(dateFollows(clock))
  const app = opened.use(await tcpApp())
  const held = new HeldStreams(clock)
  opened.defer(() => held.endAll())
  const limits = { idle: 10 * minute, max: 30 * minute, minMemory: undefined, maxPerWorkspace: undefined }
  const settings = (of: Settings): Settings => ({
    ...of,
    agents: { namespaces: ['team'], peers: undefined },
    connections: [{ pattern: '*', port: undefined, maxPerUser: undefined, ...limits }],
  })
  const agents: Agents = {
    isFor: () => true,
    links: new Links(),
    visits: new LinkVisits(clock),
    isElsewhere: async () => false,
    perPod: new RateLimiter({ most: 1, window: 1, clock }),
    connect: (_instance, _port, _signal, hold) => reach(held, app.port, hold, said.agent),
  }
  const endpoint = { kind: 'agent' as const, instanceUid: 'static-1' as InstanceUid, port: app.port } // The first of the world.
  const scene = opened.use(
    await tunnelScene({ app, clock, settings, endpoint, insecureDirectSsh: false, openAgents: async () => agents }),
  )
  const bearer = await scene.bearer('alice')
  const id = randomBytes(32).toString('base64url')
  let tunnel: OpenTunnel | undefined
  const began = clock.now()
  let received = 0
  let sent = 0
  const end = new ResumeEnd({
    ...{ window: resumeWindow, isFirstToLeave: true, onEnd() {}, onFreed() {}, onOver() {} },
    onData: ({ length }) => {
      received += length
      end.take(length)
    },
    onSay() {
      for (let frame = end.next(); frame; frame = end.next()) tunnel?.ws.send(frame)
    },
  })
  const running = opened.move()
  return {
    ...{ scene, clock, app },
    async come() {
      const isFirst = tunnel === undefined
      tunnel?.ws.terminate()
      tunnel = await scene.open(bearer, {
        protocols: [resumeProtocol, tunnelProtocol],
        headers: {
          [streamHeader]: `${isFirst ? 'open' : 'resume'} ${id}`,
          ...(said.client ? { [streamAgeHeader]: said.client(clock.now() - began) } : {}),
        },
      })
      const came = tunnel.received()
      tunnel.ws.on('message', (data: Buffer, isBinary) => {
        if (isBinary) end.receive(data)
      })
      end.attach(isFirst)
      if (came.length > 0) end.receive(came)
      await scene.world.until(() => end.hasGreeted, 'it has greeted')
      return tunnel
    },
    async say(bytes) {
      sent += bytes
      end.write(Buffer.alloc(bytes, 1))
      await scene.world.until(() => received === sent, 'it has come back')
    },
    [Symbol.asyncDispose]: async () => {
      tunnel?.ws.terminate()
      await running.disposeAsync()
    },
  }
}

/** As an agent does. */
async function reach(
  held: HeldStreams,
  port: number,
  hold: HoldWish | undefined,
  said: HeldFor | undefined,
): Promise<Duplex> {
  if (hold?.aim === 'end') held.end(hold)
  const dial = () => connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  if (!hold) return dial()
  const attached = hold.aim === 'open' ? held.add(hold, port, dial()) : hold.aim === 'resume' && held.resume(hold, port)
  if (!attached) throw new GatewayError('upstream_unreachable', 'gone', { cause: new StreamGone() })
  hold.onHeld(said ?? attached.held)
  return attached.carrier
}

const young = { age: 0, idle: 0 }

test.each<[of: string, Words]>([
  ['of a client of an earlier version', {}],
  ['whose agent says that it has just begun', { agent: young, client: String }],
  ['whose client says that it has just begun', { client: () => '0' }],
])(
  'a tunnel %s is open for as long as it may be, over all of its connections, and its end is the end of the connection in the pod',
  async (_, words) => {
    await using one = await heldScene(words)
    let tunnel = await one.come()
    for (let passed = 1; passed < 30; passed += 1) {
      await one.clock.advance(minute)
      if (passed % 7 === 0) tunnel = await one.come()
      await one.say(1)
    }
    expect([one.app.accepted(), one.app.connections.size]).toEqual([1, 1])
    await one.clock.advance(2 * minute)
    expect(await tunnel.closed).toMatchObject({ code: 4001, reason: 'it was open for as long as it may be' })
    await one.scene.world.until(() => one.app.connections.size === 0, 'the connection in the pod is closed')
    await expect(one.come()).rejects.toThrow(/410 tunnel_gone/)
  },
)

test('a tunnel in which nothing new passes is idle, however often its client comes back', async () => {
  await using one = await heldScene()
  let tunnel = await one.come()
  await one.say(100_000)
  for (let times = 0; times < 4; times += 1) {
    await one.clock.advance(2 * minute)
    tunnel = await one.come()
  }
  await one.clock.advance(2 * minute + 40_000)
  expect(await tunnel.closed).toMatchObject({ code: 4001, reason: 'nothing passed for too long' })
  await one.scene.world.until(() => one.app.connections.size === 0, 'the connection in the pod is closed')
})

test('for how long a client has had its stream is a number of milliseconds, and anything else is refused', async () => {
  let age = ''
  await using one = await heldScene({ client: () => age })
  for (age of ['-1', '1.5', 'long', '', '1'.repeat(13)]) await expect(one.come()).rejects.toThrow(/400 bad_request/)
})

/** What a client is told while its tunnel is open, in each of the dialects that there are, and what it does not outlive. */
import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { LeftTunnels } from '#gateway/left-tunnels.ts'
import { LiveTunnel, type LiveTunnelParts } from '#gateway/live-tunnel.ts'
import { type Decided, Passes } from '#gateway/passes.ts'
import { TunnelIntake } from '#gateway/tunnel-intake.ts'
import type { Visit } from '#gateway/visit.ts'
import { StreamIndex } from '#live/streams.ts'
import { createMetrics } from '#observe/metrics.ts'
import { Landing } from '#proxy/landing.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { port, session, workspace } from '#test/support/objects.ts'
import type { Dialect } from '#tunnel/protocol.ts'
import { TunnelSocket } from '#tunnel/tunnel-socket.ts'
import { Directory } from '#workspace/directory.ts'

const minute = 60_000
const silent = () => new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() })

/** One that is open for an hour at most, and what its client is told. */
function scene({ dialect = 'tunnel', ...given }: Partial<LiveTunnelParts> = {}) {
  const clock = fakeClock()
  const directory = new Directory({ clock, serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  directory.applyWorkspaces({ type: 'synced', objects: [workspace({ owner: 'alice' })] })
  const entry = directory.get({ namespace: 'team', name: 'nb' })
  if (!entry) throw new Error('the test has no workspace')
  const decided: Decided = {
    ...{ session: session('alice'), entry, port: port(), connectionType: 'ssh', grant: { kind: 'owner' } },
    ...{ validUntil: Number.POSITIVE_INFINITY, fixedHeaders: [] },
    upstream: { key: 'nowhere', dial: () => Promise.reject(new Error('not dialled here')) },
    policy: { publicAuthority: '', hostname: '', publicPrefix: '/', upstreamPrefix: '/', isOwnCookie: () => false },
  }
  const connection = silent()
  const upstream = silent()
  const texts: string[] = []
  const closings: number[] = []
  const socket = new TunnelSocket({ socket: connection, head: Buffer.alloc(0), end: 'server', clock })
  const send = socket.send.bind(socket)
  socket.send = (message, sent) => {
    if (typeof message === 'string') texts.push(message)
    send(message, sent)
  }
  const close = socket.close.bind(socket)
  socket.close = (code, reason) => {
    closings.push(code)
    close(code, reason)
  }
  const tunnel = new LiveTunnel({
    ...{ dialect, socket, clock, upstream, intake: new TunnelIntake(new Landing()) },
    ...{ held: undefined, left: new LeftTunnels(clock) },
    // Of a request nothing but its name is asked for here.
    visit: { requestId: 'one', client: '192.0.2.1' } as Visit,
    pass: new Passes(new StreamIndex(), clock).keep(decided, 1),
    bounds: { idle: 60 * minute, max: 60 * minute },
    slot: { lost: new AbortController().signal, leave: () => undefined },
    open: { leave: () => undefined },
    audit: { record: () => undefined },
    metrics: createMetrics(),
    ...given,
  })
  return { clock, tunnel, connection, upstream, texts, closings }
}

/** What it tells, of a workspace that will be stopped in four minutes. */
function told(dialect: Dialect, because: 'inactivity' | 'lifetime'): readonly string[] {
  const endingOf = () => ({ at: clock.now() + 4 * minute, because, isNear: true })
  const { clock, tunnel, connection, texts } = scene({ dialect, endingOf })
  tunnel.look(clock.now())
  tunnel.look(clock.now())
  tunnel.end({ code: 1001, reason: 'over' })
  connection.destroy()
  return texts
}

test.each(['inactivity', 'lifetime'] as const)(
  'that its workspace will be stopped because of %s is told once, whether an agent holds its stream or not, and never to who knows no notices',
  (why) => {
    const notice = JSON.stringify({ notice: 'closing-soon', why, in: 4 * minute })
    expect([told('tunnel', why), told('resume', why), told('plain', why)]).toEqual([[notice], [notice], []])
  },
)

test('one whose place was lost while its port was connected to is closed, to come back later, as one that loses it afterwards', () => {
  const losing = new AbortController()
  const slot = { lost: losing.signal, leave: () => undefined }
  const open = scene({ slot })
  expect([open.closings, open.upstream.destroyed]).toEqual([[], false])
  losing.abort()
  const late = scene({ slot })
  for (const { closings, upstream, connection } of [open, late]) {
    expect([closings, upstream.destroyed]).toEqual([[1013], true])
    connection.destroy()
  }
})

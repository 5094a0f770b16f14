/** Coming back by connections that last no time, or that nobody wants any more. Both ends of each are here, with the real frames between them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { expect, test } from 'vitest'
import { CliFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import { writeDeployments } from '#cli/client/deployments.ts'
import { joinLasting, lastingTunnel } from '#cli/client/lasting-tunnel.ts'
import { writeLogin } from '#cli/client/logins.ts'
import { type GatewayTunnel, tunnelTo } from '#cli/client/open-tunnel.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { resumeWindow } from '#resume/frames.ts'
import { ResumedStream } from '#resume/resumed-stream.ts'
import { Secret } from '#settings/secret.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { Bridge } from '#tunnel/bridge.ts'
import { acceptTunnel } from '#tunnel/endpoint.ts'
import { closeCodes, streamAgeHeader } from '#tunnel/protocol.ts'
import { TunnelSocket } from '#tunnel/tunnel-socket.ts'

const minute = 60_000
const nothing = Buffer.alloc(0)

/** A command, an agent that holds its stream, and connections that the test makes and cuts. */
function scene() {
  const clock = fakeClock()
  const ctrlC = new AbortController()
  const comings: { readonly at: number; readonly coming: PromiseWithResolvers<GatewayTunnel>; signal: AbortSignal }[] =
    []
  const [local, person] = duplexPair()
  const [app, held] = duplexPair()
  for (const one of [local, person, app, held]) one.on('error', () => undefined)
  const agent = new ResumedStream({
    ...{ readable: held, writable: held, clock, window: resumeWindow, isFirstToLeave: false },
    ...{ onAway() {}, onOver() {} },
  })
  /** With the agent at its end, or nobody who says anything. */
  const connection = (isFirst: boolean, reaches: boolean) => {
    const [near, far] = duplexPair()
    const gateway = new TunnelSocket({ socket: far, head: nothing, end: 'server', clock })
    if (reaches) {
      const carrier = agent.attach(isFirst)
      const stream = { readable: carrier, writable: carrier }
      const onBreak = { code: closeCodes.gone, reason: 'gone' }
      new Bridge({ socket: gateway, stream, dialect: 'resume', clock, onBreak, onClosed: () => undefined })
    }
    const socket = new TunnelSocket({ socket: near, head: nothing, end: 'client', clock })
    const tunnel: GatewayTunnel = { kind: 'open', socket, dialect: 'resume', instance: undefined }
    const cut = () => {
      for (const side of [near, far]) side.destroy()
    }
    return { tunnel, near, cut }
  }
  const join = (tunnel: GatewayTunnel) =>
    joinLasting({
      ...{ tunnel, clock, signal: ctrlC.signal, stream: { readable: local, writable: local } },
      stderr: { write: () => undefined },
      comeBack(signal) {
        const coming = Promise.withResolvers<GatewayTunnel>()
        comings.push({ at: clock.now(), coming, signal })
        return coming.promise
      },
    })
  return { clock, ctrlC, comings, local, person, app, connection, join }
}

/** Rejections are looked at later. */
function settled(joined: Promise<void>): Promise<unknown> {
  return joined.then(
    () => 'done',
    (error: unknown) => error,
  )
}

test('a way that lets each connection through and cuts it at once is tried ever more seldom, and no longer than ten minutes', async () => {
  const { clock, comings, connection, join } = scene()
  const first = connection(true, true)
  let end: unknown
  void settled(join(first.tunnel)).then((how) => {
    end = how
  })
  await clock.advance(20_000)
  first.cut()
  for (let answered = 0, passed = 0; passed < 11 * minute; passed += 100) {
    await clock.advance(100)
    for (; answered < comings.length; answered += 1) {
      const { tunnel, cut } = connection(false, false)
      comings[answered]?.coming.resolve(tunnel)
      cut()
    }
  }
  expect(end).toMatchObject({
    code: 'tunnel_gone',
    message: expect.stringContaining('no connection to the gateway lasted'),
  })
  // From 0.1 s to 10 s, and at the end five seconds at least between two.
  expect(comings.length).toBeGreaterThan(50)
  expect(comings.length).toBeLessThan(130)
  const tenth = comings[10]?.at ?? 0
  expect((comings[11]?.at ?? 0) - tenth).toBeGreaterThanOrEqual(5_000)
})

test('behind a connection that stood, or by which something came, the next one is made at once; as long as the agent is reached it goes on', async () => {
  const { clock, comings, app, person, connection, join } = scene()
  let now = connection(true, true)
  const joined = settled(join(now.tunnel))
  person.resume()
  /** How long it took to come back behind one that stood so long. */
  const backAfter = async (stood: number, bytes = 0) => {
    if (bytes > 0) app.write(Buffer.alloc(bytes))
    await clock.advance(stood)
    const [cutAt, before] = [clock.now(), comings.length]
    now.cut()
    while (comings.length === before) await clock.advance(100)
    now = connection(false, true)
    comings.at(-1)?.coming.resolve(now.tunnel)
    await clock.advance(0)
    return clock.now() - cutAt
  }
  let last = 0
  for (let times = 0; times < 150; times += 1) last = await backAfter(1_000)
  expect(clock.now() - (comings[0]?.at ?? 0)).toBeGreaterThan(15 * minute)
  expect(last).toBeGreaterThanOrEqual(5_000)
  expect(await backAfter(10_000)).toBeLessThan(500)
  for (let times = 0; times < 10; times += 1) last = await backAfter(1_000)
  expect(last).toBeGreaterThanOrEqual(5_000)
  expect(await backAfter(1_000, 1)).toBeLessThan(500)
  person.end()
  app.resume().end()
  await clock.advance(20_000)
  expect(await joined).toBe('done')
})

test('a connection that comes when nobody wants it any more is closed, and whoever makes it is told to leave it', async () => {
  const { clock, comings, local, connection, join } = scene()
  const first = connection(true, true)
  const joined = settled(join(first.tunnel))
  await clock.advance(1_000)
  first.cut()
  await clock.advance(1_000)
  const [{ coming, signal } = { coming: undefined, signal: undefined }] = comings
  expect(signal?.aborted).toBe(false)
  local.destroy(new Error('reset'))
  await clock.advance(1_000)
  expect(signal?.aborted).toBe(true)
  const late = connection(false, false)
  coming?.resolve(late.tunnel)
  expect(await joined).toBe('done')
  expect(late.near.destroyed).toBe(true)
})

test('one that is open when the command is told to end is closed as well', async () => {
  const { ctrlC, connection, join } = scene()
  ctrlC.abort()
  const first = connection(true, false)
  expect(await settled(join(first.tunnel))).toBe('done')
  expect(first.near.destroyed).toBe(true)
})

test('who comes back waits where the gateway that is there now knows no stream to go on with', async () => {
  const { clock, comings, connection, join } = scene()
  const first = connection(true, true)
  let end: unknown
  void settled(join(first.tunnel)).then((how) => {
    end = how
  })
  await clock.advance(1_000)
  first.cut()
  await clock.advance(1_000)
  comings[0]?.coming.reject(new CliFault('bad_request', 'The request could not be understood.', { status: 400 }))
  await clock.advance(10_000)
  expect([end, comings.length]).toEqual([undefined, 2])
  comings[1]?.coming.reject(new CliFault('forbidden', 'Not for you.', { status: 403 }))
  await clock.advance(1_000)
  expect(end).toMatchObject({ code: 'tunnel_gone', status: 403 })
})

test('a handshake that the gateway does not answer is given up at the signal, and its connection closed', async () => {
  const met = Promise.withResolvers<Duplex>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => met.resolve(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const url = `http://127.0.0.1:${port}`
  const { ctrlC, clock } = scene()
  const client = {
    deployment: { name: 'here', url },
    secret: new Secret('x'),
    dial: async () => connect({ port, host: '127.0.0.1' }),
  }
  const target = { ref: { namespace: 'team', name: 'nb' }, port: 22, connectionType: 'ssh' }
  const asked = tunnelTo(client, { signal: ctrlC.signal, clock }, target).catch((error: unknown) => error)
  const far = await met.promise
  const closed = new Promise((resolve) => far.once('close', resolve))
  ctrlC.abort()
  expect(await asked).toMatchObject({ code: 'interrupted', exitCode: 130 })
  await closed
  await new Promise((resolve) => server.close(resolve))
})

test('who comes back says for how long he has had the stream, whatever was done to the date meanwhile', async () => {
  await using opened = new AsyncDisposableStack()
  const ages: unknown[] = []
  const server = createHttpServer().on('upgrade', (request, socket, head) => {
    ages.push(request.headers[streamAgeHeader.toLowerCase()])
    opened.defer(() => void socket.on('error', () => undefined).destroy())
    acceptTunnel({ request, socket, head, dialect: 'resume', instance: 'i', clock })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  opened.defer(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const home = await mkdtemp(join(tmpdir(), 'gh-lasting-'))
  opened.defer(() => rm(home, { recursive: true }))
  let passed = 0
  const clock = { ...fakeClock(), steady: () => passed }
  const nobody = { write: () => undefined }
  const { signal } = new AbortController()
  const io: PersonIo = {
    ...{ stdout: nobody, stderr: nobody, env: {}, platform: 'linux', homeFolder: home, machine: 'm', cwd: () => home },
    ...{ clock, signal, program: () => [], readLine: async () => undefined, openBrowser: async () => false },
    pipe: () => ({ input: duplexPair()[0], output: duplexPair()[0] }),
  }
  const deployment = { name: 'here', url: `http://127.0.0.1:${port}` }
  const later = clock.now() + 3_600_000
  const times = { expiresAt: later, renewAt: later, notAfter: later }
  await writeDeployments(io, { current: undefined, all: [deployment] })
  const secret = new Secret('gatehouse_x')
  await writeLogin(io, deployment, { ...{ secret, username: 'alice', session: 's', url: deployment.url }, ...times })
  const target = { ref: { namespace: 'team', name: 'nb' }, port: undefined, connectionType: 'ssh-remote' }
  const { tunnel, comeBack } = await lastingTunnel(await openClient(io, 'here'), io, target)
  passed = 90_000.4
  const again = await comeBack(signal)
  for (const { socket } of [tunnel, again]) socket.terminate()
  expect(ages).toEqual(['0', '90000'])
})

/** An agent that was asked for a stream, and was not waited for: it is told that nobody comes for it. */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Frame, holdProtocol, linkProtocol } from '#link/frames.ts'
import { firstLimit, resumeProtocol, writeAck, writeBye, writeHello } from '#resume/frames.ts'
import { shareFor, unshare } from '#test/behaviour/tunnel/shares.ts'
import { agentScene } from '#test/support/agent-scene.ts'
import { askTunnel, logIn } from '#test/support/tunnel-scene.ts'
import { streamHeader, tunnelProtocol } from '#tunnel/protocol.ts'

const patience = { timeout: 15_000 }

test('a stream that is asked for when its access ends, or whose agent takes too long to answer, is ended there; one that goes on is not', async () => {
  await using scene = await agentScene({
    authorshipOf: () => 'ManifestGranted',
    settings: (settings) => ({ ...settings, limits: { ...settings.limits, connectTimeout: 1_000 } }),
  })
  const link = await scene.link(await scene.token(), {}, [holdProtocol, linkProtocol])
  if (typeof link === 'number') throw new Error(`refused with ${link}`)
  using _ = link
  const holds: (Frame & { kind: 'hold' })[] = []
  link.ws.on('message', () => {
    const heard = link.heard.at(-1)
    if (heard?.kind === 'open') link.say({ kind: 'opened', id: heard.id })
    if (heard?.kind === 'hold') holds.push(heard)
    if (heard?.kind === 'hold' && heard.aim === 'end') link.say({ kind: 'refused', id: heard.id, why: 'gone' })
  })
  await expect.poll(() => scene.isReady(), patience).toBe(true)
  await shareFor(scene, 'for-bob')
  const bob = await logIn(scene.world, 'bob')
  const ask = (aim: string) => {
    const headers = { [streamHeader]: `${aim} ${randomBytes(32).toString('base64url')}` }
    return askTunnel(scene.world, scene.ref, { bearer: bob, protocols: [resumeProtocol, tunnelProtocol], headers })
  }
  const aims = () => holds.map(({ aim }) => aim)
  expect(await ask('resume')).toMatchObject({ kind: 'refused' })
  expect(await ask('open')).toMatchObject({ kind: 'refused' })
  await expect.poll(aims, patience).toEqual(['resume', 'open', 'end'])
  expect(holds[2]?.key.equals(holds[1]?.key ?? Buffer.alloc(0))).toBe(true)

  const asked = ask('open').catch((error: unknown) => error)
  await expect.poll(aims, patience).toEqual(['resume', 'open', 'end', 'open'])
  await unshare(scene, 'for-bob')
  await asked
  await expect.poll(aims, patience).toEqual(['resume', 'open', 'end', 'open', 'end'])
  expect(holds[4]?.key.equals(holds[3]?.key ?? Buffer.alloc(0))).toBe(true)
})

test('a stream that was taken up for a client who had left by then ends with its access, as if he had been told that it goes on', async () => {
  await using scene = await agentScene({ authorshipOf: () => 'ManifestGranted' })
  const { world, ref } = scene
  const link = await scene.link(await scene.token(), {}, [holdProtocol, linkProtocol])
  if (typeof link === 'number') throw new Error(`refused with ${link}`)
  using _ = link
  const holds = () => link.heard.filter((frame) => frame.kind === 'hold')
  link.ws.on('message', () => {
    const heard = link.heard.at(-1)
    if (heard?.kind === 'open') link.say({ kind: 'opened', id: heard.id })
  })
  await expect.poll(() => scene.isReady(), patience).toBe(true)
  await shareFor(scene, 'for-bob')
  const sockets: Socket[] = []
  const asked = askTunnel(world, ref, {
    ...{ bearer: await logIn(world, 'bob'), protocols: [resumeProtocol, tunnelProtocol] },
    headers: { [streamHeader]: `resume ${randomBytes(32).toString('base64url')}` },
    ws: {
      createConnection: () => {
        const socket = connect({ port: world.port, host: '127.0.0.1' })
        sockets.push(socket)
        return socket
      },
    },
  }).catch((error: unknown) => error)
  await expect.poll(() => holds().length, patience).toBe(1)
  for (const socket of sockets) socket.resetAndDestroy()
  await asked
  // The gateway is to have seen it.
  await pause(200)
  const [resumed] = holds()
  const id = resumed?.id ?? 0
  link.say({ kind: 'held', id, age: 60_000, idle: 60_000 })
  await expect.poll(() => link.heard, patience).toContainEqual({ kind: 'reset', id })
  expect(world.audit.filter(({ event }) => event === 'stream-opened')).toEqual([])
  await unshare(scene, 'for-bob')
  await expect.poll(() => holds().map(({ aim }) => aim), patience).toEqual(['resume', 'end'])
  expect(holds()[1]?.key).toEqual(resumed?.key)
})

test('of streams that are over those alone are ended again with their access whose agents have not said that they heard it', async () => {
  await using scene = await agentScene({ authorshipOf: () => 'ManifestGranted' })
  const { world, ref } = scene
  const link = await scene.link(await scene.token(), {}, [holdProtocol, linkProtocol])
  if (typeof link === 'number') throw new Error(`refused with ${link}`)
  using _ = link
  const holds = () => link.heard.filter((frame) => frame.kind === 'hold')
  const limit = firstLimit
  const hello = writeHello({ sent: 0, received: 0, limit })
  link.ws.on('message', () => {
    const heard = link.heard.at(-1)
    if (heard?.kind === 'open') link.say({ kind: 'opened', id: heard.id })
    if (heard?.kind !== 'hold' || heard.aim !== 'open') return
    link.say({ kind: 'held', id: heard.id, age: 0, idle: 0 })
    link.say({ kind: 'data', id: heard.id, bytes: hello })
  })
  await expect.poll(() => scene.isReady(), patience).toBe(true)
  await shareFor(scene, 'for-bob')
  const bearer = await logIn(world, 'bob')
  const closed = () => world.audit.filter(({ event }) => event === 'stream-closed').length
  const bye = Buffer.concat([hello, writeBye('done')])
  /** Its name in the pod. */
  const finish = async (answer?: Buffer) => {
    const before = closed()
    using tunnel = await askTunnel(world, ref, {
      ...{ bearer, protocols: [resumeProtocol, tunnelProtocol] },
      headers: { [streamHeader]: `open ${randomBytes(32).toString('base64url')}` },
    }).then((one) => (one.kind === 'open' ? one : Promise.reject(new Error(`refused with ${one.status}`))))
    const hold = holds().at(-1)
    const id = hold?.id ?? 0
    tunnel.ws.send(bye)
    await expect.poll(() => link.heard, patience).toContainEqual({ kind: 'data', id, bytes: bye })
    if (answer) link.say({ kind: 'data', id, bytes: answer })
    await expect.poll(() => tunnel.received().length, patience).toBe(hello.length + (answer?.length ?? 0))
    tunnel.ws.close(1000)
    await expect.poll(closed, patience).toBe(before + 1)
    return hold?.key
  }
  const ack = writeAck({ received: 0, limit })
  await finish(Buffer.concat([ack, writeBye('done')]))
  const unsaid = [await finish(), await finish(ack)]
  await unshare(scene, 'for-bob')
  const ended = () => holds().flatMap(({ aim, key }) => (aim === 'end' ? [key] : []))
  await expect.poll(() => ended().length, patience).toBeGreaterThanOrEqual(2)
  expect(ended()).toEqual(unsaid)
})

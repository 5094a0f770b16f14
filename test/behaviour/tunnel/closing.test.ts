import { describe, expect, test } from 'vitest'
import { parseSessionName } from '#identity/session-id.ts'
import type { Settings } from '#settings/settings.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type TcpApp, type TunnelScene, tcpApp, tunnelScene } from '#test/support/tunnel-scene.ts'
import { pingEvery } from '#tunnel/protocol.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { shareFor, unshare } from './shares.ts'

const bound = 2_000

/** The reason of its line in the audit trail, and who the figures say ended it. */
async function written({ world }: TunnelScene) {
  const line = () => world.audit.find((event) => event.event === 'stream-closed')
  await world.until(() => line() !== undefined, 'it is written down')
  const event = line()
  return event?.event === 'stream-closed' ? event.reason : undefined
}

/** How many of them the figures say that this has ended, once it is written down. */
async function ended({ world }: TunnelScene, by: string): Promise<number> {
  const open = () => world.figure('gatehouse_streams', 'kind="tunnel"')
  const lines = () => world.audit.filter(({ event }) => event === 'stream-closed').length
  const opened = () => world.audit.filter(({ event }) => event === 'stream-opened').length
  await world.until(async () => lines() + (await open()) === opened(), 'all is written down')
  return world.figure('gatehouse_streams_closed_total', `kind="tunnel",end="${by}"`)
}

describe('an open tunnel is closed', () => {
  test('with 1008 within two seconds when its share is revoked, and nobody else’s is; the next one is refused', async () => {
    await using scene = await tunnelScene({ authorshipOf: () => 'ManifestGranted' })
    await shareFor(scene, 'for-bob')
    const bearer = await scene.bearer('bob')
    using tunnel = await scene.open(bearer)
    using others = await scene.open(await scene.bearer('alice'))
    const at = performance.now()
    await unshare(scene, 'for-bob')
    const closed = await tunnel.closed
    expect(closed).toMatchObject({ code: 1008, reason: 'access ended' })
    expect(closed.at - at).toBeLessThan(bound)
    expect(await scene.refused({ bearer })).toMatchObject({ status: 403 })
    expect([await written(scene), await ended(scene, 'revoked')]).toEqual(['access ended', 1])
    expect(others.ws.readyState).toBe(others.ws.OPEN)
  })

  test('with 1008 when the session of its command line is ended', async () => {
    await using scene = await tunnelScene()
    using tunnel = await scene.open(await scene.bearer('alice'))
    const { sessions } = scene.world.open
    const [session] = sessions.find(({ spec }) => spec.kind === 'cli')
    const name = parseSessionName(session?.metadata.name ?? '')
    if (name) await sessions.end(name, 'revoked')
    expect(await tunnel.closed).toMatchObject({ code: 1008, reason: 'session ended' })
  })

  test('with 1001 when the workspace stops, and when it is deleted', async () => {
    for (const act of ['stop', 'delete'] as const) {
      await using scene = await tunnelScene()
      const { world, ref } = scene
      using tunnel = await scene.open(await scene.bearer('alice'))
      if (act === 'stop') await world.resources.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
      else await world.resources.delete(workspaceKind, ref)
      const reason = act === 'stop' ? 'workspace stopping' : 'workspace deleted'
      expect(await tunnel.closed).toMatchObject({ code: 1001, reason })
      expect([await written(scene), await ended(scene, 'workspace-stopped')]).toEqual([reason, 1])
    }
  })

  test('with 1011 when what ran of the workspace is gone, and when its connection breaks', async () => {
    await using scene = await tunnelScene()
    const bearer = await scene.bearer('alice')
    using broken = await scene.open(bearer)
    await scene.world.until(() => scene.app.connections.size === 1, 'it is connected')
    for (const socket of scene.app.connections) socket.resetAndDestroy()
    expect(await broken.closed).toMatchObject({ code: 1011, reason: 'the connection to the workspace broke' })
    using gone = await scene.open(bearer)
    await scene.world.runtime.remove(scene.ref)
    expect(await gone.closed).toMatchObject({ code: 1011, reason: 'what ran of the workspace is gone' })
    expect(await ended(scene, 'upstream')).toBe(2)
  })

  test('with 1012 when the gateway drains', async () => {
    await using scene = await tunnelScene()
    using tunnel = await scene.open(await scene.bearer('alice'))
    for (const group of scene.world.open.streams.all()) group.endLasting({ code: 1012, reason: 'gateway restarting' })
    expect(await tunnel.closed).toMatchObject({ code: 1012, reason: 'gateway restarting' })
    expect(await ended(scene, 'drained')).toBe(1)
  })
})

describe('time', () => {
  const bounds = { port: undefined, maxPerWorkspace: undefined, maxPerUser: undefined, minMemory: undefined }
  const settings = (of: Settings): Settings => ({
    ...of,
    connections: [{ ...bounds, pattern: '*', idle: 10 * 60_000, max: 30 * 60_000 }],
  })

  test('in which nothing passes ends it with 4001, said ahead; a byte begins it anew', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using scene = await tunnelScene({ clock, settings })
    using tunnel = await scene.open(await scene.bearer('alice'))
    await clock.advance(6 * 60_000)
    await scene.world.until(() => tunnel.texts.length === 1, 'it is said')
    expect(JSON.parse(tunnel.texts[0] ?? '')).toMatchObject({ notice: 'closing-soon', why: 'idle' })
    tunnel.ws.send(Buffer.from('x'))
    await scene.world.until(() => tunnel.received().length === 1, 'it is there')
    await clock.advance(9 * 60_000)
    expect(tunnel.ws.readyState).toBe(tunnel.ws.OPEN)
    await clock.advance(60_000 + 2 * pingEvery)
    expect(await tunnel.closed).toMatchObject({ code: 4001, reason: 'nothing passed for too long' })
    expect([await written(scene), await ended(scene, 'expired')]).toEqual(['nothing passed for too long', 1])
  })

  test('for which it may be open ends it with 4001, said ahead, whatever passes', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using scene = await tunnelScene({ clock, settings })
    using tunnel = await scene.open(await scene.bearer('alice'))
    for (let minute = 1; minute <= 29; minute += 1) {
      await clock.advance(60_000)
      tunnel.ws.send(Buffer.from('x'))
      await scene.world.until(() => tunnel.received().length === minute, 'it is there')
    }
    await scene.world.until(() => tunnel.texts.length === 1, 'it is said')
    expect(JSON.parse(tunnel.texts[0] ?? '')).toMatchObject({ notice: 'closing-soon', why: 'limit' })
    await clock.advance(2 * 60_000)
    expect(await tunnel.closed).toMatchObject({ code: 4001, reason: 'it was open for as long as it may be' })
  })

  test('that a session has ends its tunnels with 4001', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    const short = (of: Settings): Settings => ({ ...of, sessions: { ...of.sessions, horizon: 5 * 60_000 } })
    await using scene = await tunnelScene({ clock, settings: short })
    using tunnel = await scene.open(await scene.bearer('alice'))
    await clock.advance(6 * 60_000)
    expect(await tunnel.closed).toMatchObject({ code: 4001, reason: 'session expired' })
  })
})

describe('pings', () => {
  test('go out every twenty seconds; who says nothing at all after two of them has left', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using scene = await tunnelScene({ clock })
    const bearer = await scene.bearer('alice')
    using alive = await scene.open(bearer)
    using silent = await scene.open(bearer, { ws: { autoPong: false } })
    const pings = { alive: 0, silent: 0 }
    alive.ws.on('ping', () => void pings.alive++)
    silent.ws.on('ping', () => void pings.silent++)
    for (let round = 1; round <= 2; round += 1) {
      await clock.advance(pingEvery)
      await scene.world.until(() => pings.alive === round && pings.silent === round, 'pings have come')
    }
    await clock.advance(pingEvery)
    expect(await silent.closed).toMatchObject({ code: 1006 })
    await scene.world.until(() => pings.alive === 3, 'the other one is asked again')
    expect(alive.ws.readyState).toBe(alive.ws.OPEN)
  })

  test('that a client waits in vain for because it does not read are none: one that still asks for itself is not alone', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using app = await tcpApp((socket) => void socket.write(Buffer.alloc(16 * 1024 * 1024)))
    await using scene = await tunnelScene({ app, clock })
    using tunnel = await scene.open(await scene.bearer('alice'))
    tunnel.ws.pause()
    for (let round = 0; round < 10; round += 1) {
      tunnel.ws.ping()
      await clock.advance(pingEvery)
    }
    tunnel.ws.resume()
    await scene.world.until(() => tunnel.received().length === 16 * 1024 * 1024, 'all has come')
    expect(tunnel.ws.readyState).toBe(tunnel.ws.OPEN)
  })

  test('that can’t even be sent: who has taken nothing and said nothing for two minutes has left, who takes a little has not', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using app = await tcpApp((socket) => {
      const piece = Buffer.alloc(65_536)
      const go = () => {
        while (socket.write(piece));
        socket.once('drain', go)
      }
      go()
    })
    await using scene = await tunnelScene({ app, clock })
    const bearer = await scene.bearer('alice')
    using gone = await scene.open(bearer, { ws: { autoPong: false } })
    using slow = await scene.open(bearer, { ws: { autoPong: false } })
    gone.ws.pause()
    let taken = 0
    slow.ws.on('message', (data: Buffer) => {
      taken += data.length
    })
    const closed = () => scene.world.audit.filter(({ event }) => event === 'stream-closed').length
    for (let round = 1; round <= 9; round += 1) {
      const before = taken
      slow.ws.resume()
      await scene.world.until(() => taken >= before + 4 * 1024 * 1024, 'it has taken a little')
      slow.ws.pause()
      await comesToRest(app)
      await clock.advance(pingEvery)
      if (round < 6) expect(closed()).toBe(0)
    }
    expect([await written(scene), closed()]).toEqual(['client', 1])
    expect(slow.ws.readyState).toBe(slow.ws.OPEN)
  })
})

/** All that was on the way has got as far as it can. */
async function comesToRest({ connections }: TcpApp): Promise<void> {
  const written = () => [...connections].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0)
  let before = -1
  const isStill = () => {
    const now = written()
    const isSame = now === before
    before = now
    return isSame
  }
  await expect.poll(isStill, { interval: 50 }).toBe(true)
}

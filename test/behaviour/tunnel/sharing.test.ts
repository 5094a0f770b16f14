import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { callApi, revocationBound, share, withBob } from '#test/behaviour/gateway/scene.ts'
import { tunnelScene } from '#test/support/tunnel-scene.ts'
import { openSocket } from '#test/support/workspace-socket.ts'

test('[JK5.1] a share lets bob in within two seconds; deleting it refuses his next request, and closes his open WebSocket and his tunnel within two', async () => {
  await using scene = await tunnelScene()
  const { world, ref } = scene
  const url = world.url(ref)
  const [alice, bob, bearer] = [await world.as('alice'), await world.as('bob'), await scene.bearer('bob')]
  const status = async () => (await bob.open(url)).status
  expect(await status()).toBe(403)
  expect((await scene.refused({ bearer })).status).toBe(403)
  const shared = performance.now()
  const { name } = await share(world, alice, ref, withBob)
  await world.until(async () => (await status()) === 200, 'bob is let in')
  expect(performance.now() - shared).toBeLessThan(revocationBound)
  using socket = await openSocket(bob, url)
  using tunnel = await scene.open(bearer)
  tunnel.ws.send(Buffer.from('SSH-2.0-x'))
  await world.until(() => tunnel.received().length > 0, 'it is through')
  const revoked = performance.now()
  expect((await callApi(world, alice, 'DELETE', api.share(ref, name))).status).toBe(204)
  for (const closed of [await socket.closed, await tunnel.closed]) {
    expect(closed).toMatchObject({ code: 1008 })
    expect(closed.at - revoked).toBeLessThan(revocationBound)
  }
  expect(await status()).toBe(403)
  expect((await scene.refused({ bearer })).status).toBe(403)
})

test('#89 [JK23.3] one JSON line each for a login, the first allow of a session on a workspace, a refusal, a start, a stop and a tunnel, with who, which workspace, why and how many bytes', async () => {
  await using scene = await tunnelScene()
  const { world, ref } = scene
  const alice = await world.as('alice')
  const bearer = await scene.bearer('alice')
  await alice.open(world.url(ref))
  await alice.open(world.url(ref))
  const tunnel = await scene.open(bearer)
  tunnel.ws.send(Buffer.from('12345'))
  await world.until(() => tunnel.received().length === 5, 'it came back')
  tunnel.ws.close()
  await tunnel.closed
  const bob = await world.as('bob')
  expect((await bob.open(world.url(ref))).status).toBe(403)
  const phase = (of: string) => world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === of, of)
  await callApi(world, alice, 'POST', api.stop(ref))
  await phase('Stopped')
  await callApi(world, alice, 'POST', api.start(ref))
  await phase('Running')

  const about = (line: string): Record<string, unknown> => JSON.parse(line)
  const lines = () => world.lines.map(about).filter(({ event }) => typeof event === 'string')
  await world.until(() => lines().some(({ event }) => event === 'stream-closed'), 'the tunnel is written down')
  const told = (event: string) => lines().filter((line) => line.event === event)
  const who = { requestId: expect.any(String), client: '127.0.0.1', session: expect.any(String) }
  const [workspace, user] = ['team/nb', 'alice']
  expect(told('login')).toMatchObject([
    { ...who, user, kind: 'browser' },
    { ...who, user, kind: 'browser' },
    { ...who, user, kind: 'cli' },
    { ...who, user: 'bob', kind: 'browser' },
  ])
  // One of the browser, one of the command line.
  expect(told('allow')).toMatchObject([
    { ...who, user, workspace, port: 8888, grant: 'owner' },
    { ...who, user, workspace, port: 2222, grant: 'owner' },
  ])
  expect(told('deny').filter((line) => line.user === 'bob')).toMatchObject([{ ...who, workspace, reason: 'no-grant' }])
  expect(told('stop')).toMatchObject([{ ...who, user, workspace, reason: expect.any(String) }])
  expect(told('start')).toMatchObject([{ ...who, user, workspace, reason: expect.any(String) }])
  const stream = { ...who, user, workspace, port: 2222, grant: 'owner', kind: 'tunnel' }
  expect(told('stream-opened')).toMatchObject([stream])
  expect(told('stream-closed')).toMatchObject([{ ...stream, reason: 'closed', bytesIn: 5, bytesOut: 5 }])
})

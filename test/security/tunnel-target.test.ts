/** What a client says of where its tunnel is to lead, beside a workspace that it may open and a port that this one declares. */

import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TcpApp, type TunnelScene, tcpApp, tunnelScene } from '#test/support/tunnel-scene.ts'

let scene: TunnelScene
let bearer: string
/** Listens beside the workspace, and belongs to nobody. */
let beside: TcpApp

beforeAll(async () => {
  beside = await tcpApp()
  scene = await tunnelScene()
  bearer = await scene.bearer('alice')
})
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]()
  await beside?.[Symbol.asyncDispose]()
})

const elsewhere = () => `127.0.0.1:${beside.port}`

test('#64 a host in the query, in whatever name, is refused before anything is opened', async () => {
  const before = scene.app.accepted()
  for (const name of ['host', 'target', 'addr', 'dst', 'url', 'X-Target', 'workspace[]']) {
    for (const value of [elsewhere(), '169.254.169.254:80', '10.0.0.1', 'http://kubernetes.default.svc'])
      expect(await scene.refused({ bearer, query: { [name]: value } })).toMatchObject({ status: 400 })
  }
  expect([beside.accepted(), scene.app.accepted() - before]).toEqual([0, 0])
})

test('#64 a host in a header is not read: the bytes reach the workspace', async () => {
  const headers = {
    ...{ 'X-Target': elsewhere(), 'X-Forwarded-Host': elsewhere(), 'X-Original-URL': `http://${elsewhere()}/` },
    ...{ Forwarded: `host=${elsewhere()}`, 'X-Host': elsewhere(), 'X-Port': String(beside.port) },
  }
  using tunnel = await scene.open(bearer, { headers })
  tunnel.ws.send(Buffer.from('whoever is there'))
  await scene.world.until(() => tunnel.received().toString() === 'whoever is there', 'it came back')
  expect(beside.accepted()).toBe(0)
})

test('#64 a workspace that is no name, and a port that is not declared, lead nowhere', async () => {
  const before = scene.app.accepted()
  const names = [
    'team/127.0.0.1:80',
    'team/../other',
    'team/nb/../b',
    '169.254.169.254/x.y:80',
    'team%2fnb',
    'team/nb%00',
  ]
  for (const workspace of names)
    expect(await scene.refused({ bearer, query: { workspace } })).toMatchObject({ status: 400 })
  const forward = (port: number) => ({ bearer, query: { type: 'port-forward', port: String(port) } })
  for (const port of [beside.port, 22, 80, 443, 6443, 10250])
    expect(await scene.refused(forward(port))).toMatchObject({ status: 404 })
  expect([beside.accepted(), scene.app.accepted() - before]).toEqual([0, 0])
})

test('#64 upstream’s path below a workspace leads to its SSH alone, with no word about where', async () => {
  const url = `${scene.world.url(scene.ref)}ssh-ws`
  const before = scene.app.accepted()
  for (const query of [`?host=${elsewhere()}`, '?port=80', `?token=${bearer}`])
    expect(await scene.refused({ bearer, url: url + query })).toMatchObject({ status: 400 })
  expect(scene.app.accepted()).toBe(before)
  using tunnel = await scene.open(bearer, { url, protocols: [] })
  tunnel.ws.send(Buffer.from('SSH-2.0-x'))
  await scene.world.until(() => tunnel.received().toString() === 'SSH-2.0-x', 'it came back')
  expect(beside.accepted()).toBe(0)
})

test('#64 a port of the system is reached by nobody, though a workspace declares it', async () => {
  await using server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const own = { kind: 'tcp', host: '127.0.0.1', port: 22 } as const
  const main = { kind: 'tcp', host: '127.0.0.1', port } as const
  const { world } = scene
  const ref = { namespace: 'team', name: 'bold' }
  world.runtime.provide(ref, { 8888: main, 22: own })
  const { workspaceKind, createdByAnnotation } = await import('#workspace/workspace.ts')
  const ports = [
    { name: 'lab', port: 8888, probe: { tcp: {} } },
    { name: 'sys', port: 22 },
  ]
  await world.resources.create(workspaceKind, {
    metadata: { ...ref, annotations: { [createdByAnnotation]: 'alice' } },
    spec: workspaceKind.parseSpec({ ports }),
  })
  await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Running', 'it runs')
  const query = { workspace: 'team/bold', type: 'port-forward', port: '22' }
  expect(await scene.refused({ bearer, query })).toMatchObject({ status: 502 })
})

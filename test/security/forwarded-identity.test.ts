/** Who speaks to an app is said by us, in `X-Forwarded-User`. A raw tunnel to its port has nobody in between, so that it is not for everybody who may look at it. */
import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { publicKeyLine, publicKeyOf } from '#ssh/public-key.ts'
import { paths } from '#surface/urls.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { tunnelScene } from '#test/support/tunnel-scene.ts'
import type { World } from '#test/support/world.ts'
import { shareFor } from '../behaviour/tunnel/shares.ts'

const main = { type: 'port-forward', port: '8888' } as const
const forged = 'GET /who HTTP/1.1\r\nHost: app\r\nX-Forwarded-User: alice\r\nConnection: close\r\n\r\n'

test('#138 a share that names no kinds opens no raw port, at which its grantee could say that he is somebody else', async () => {
  await using scene = await tunnelScene({ authorshipOf: () => 'ManifestGranted' })
  const { world } = scene
  const { ref, app, url } = await world.workspace({ name: 'web', owner: 'alice' })
  const [workspace, bob] = ['team/web', await scene.bearer('bob')]
  await shareFor({ ...scene, ref }, 'plain')
  const before = app.bytes()
  expect(await scene.refused({ bearer: bob, query: { workspace, ...main } })).toMatchObject({
    ...{ status: 403, code: 'forbidden' },
    problem: { title: 'There is no such workspace, or it is not shared with you.' },
  })
  expect([app.bytes() - before, app.requests]).toEqual([0, []])
  expect((await (await world.as('bob')).open(url)).status).toBe(200)
  expect(app.requests.flatMap(({ rawHeaders }) => rawHeaders)).toContain('bob')
  expect((await certificate(world, bob, 'web')).status).toBe(200)

  // Who has it by name, and the owner, speak to the app as it is: what they say there is their own word.
  await shareFor({ ...scene, ref }, 'raw', { connectionTypes: ['port-forward'] })
  for (const bearer of [await scene.bearer('alice'), bob]) {
    using tunnel = await scene.open(bearer, { query: { workspace, ...main } })
    tunnel.ws.send(Buffer.from(forged))
    await world.until(() => tunnel.received().includes('/who'), 'it has answered')
  }
})

test('#139 what is open to everybody is open to browsers alone: no shell, no port, no certificate for it', async () => {
  await using scene = await tunnelScene({ spec: { accessType: 'Public' } })
  const { world, ref, app } = scene
  const bob = await scene.bearer('bob')
  const url = `${world.url(ref)}ssh-ws`
  for (const query of [{}, { type: 'vscode-remote' }, main, { type: 'port-forward', port: '9000' }])
    expect(await scene.refused({ bearer: bob, query })).toMatchObject({ status: 403, code: 'forbidden' })
  expect(await scene.refused({ bearer: bob, url, protocols: [] })).toMatchObject({ status: 403 })
  for (const kind of ['ssh-remote', 'vscode-remote'])
    expect((await certificate(world, bob, 'nb', kind)).status).toBe(404)
  expect(app.accepted()).toBe(0)
  expect((await (await world.as('bob')).open(world.url(ref))).status).toBe(200)
  const alice = await scene.bearer('alice')
  using _ = await scene.open(alice)
  expect((await certificate(world, alice, 'nb')).status).toBe(200)
})

function certificate(world: World, bearer: string, name: string, connectionType = 'ssh-remote') {
  const publicKey = publicKeyLine(publicKeyOf(generateKeyPairSync('ed25519').publicKey))
  return plainRequest(world.origin + paths.sshCertificate, {
    method: 'POST',
    headers: { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ publicKey, workspaces: [{ namespace: 'team', name }], connectionType }),
  })
}

import { expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { type FaultyResources, faultyResources } from '#test/support/faulty-resources.ts'
import { openRaw, type RawConnection } from '#test/support/raw-http.ts'
import { requestText, settled, websocketFields } from '#test/support/tenants.ts'
import { createWorld } from '#test/support/world.ts'

/** A plain request and a handshake, as the workspace's own page sends them. */
function bothWays(url: string, by: ScriptedBrowser): readonly string[] {
  const { host, origin, pathname: target } = new URL(url)
  const cookie = by.cookieHeader(url) ?? ''
  return [[], [...websocketFields, 'Origin', origin]].map((fields) => requestText({ target, host, cookie, fields }))
}

async function sendAll(port: number, requests: readonly string[]): Promise<RawConnection[]> {
  return Promise.all(
    requests.map(async (bytes) => {
      const raw = await openRaw(port)
      raw.send(bytes)
      return raw
    }),
  )
}

/** The gateway, which is in this process, has heard of it. */
async function leave(connections: readonly RawConnection[]): Promise<void> {
  for (const { socket } of connections) socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 50))
  await settled()
}

test('for a client that leaves while its session is looked up in the store nothing is begun, and nothing stays open', async () => {
  await using world = await createWorld()
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  let store: FaultyResources | undefined
  const { port, open } = await world.replica({
    resources(shared) {
      store = faultyResources(shared)
      return store
    },
  })
  if (!store) throw new Error('no store')
  await world.until(() => open.workspaces.directory.all().next().value !== undefined, 'it is known there')
  // Here somebody logs in; there nobody has heard of it.
  using _late = store.hold('watch')
  const alice = await world.as('alice')
  await alice.open(url)
  const [plain = '', handshake = ''] = bothWays(url, alice)
  const before = { reads: store.calls('get'), requests: app.requests.length }
  {
    using _slow = store.hold('get')
    const leaving = await sendAll(port, [plain, handshake, plain])
    await world.until(() => (store?.calls('get') ?? 0) > before.reads, 'it is looked up')
    await leave(leaving)
  }
  using stays = await openRaw(port)
  stays.send(plain)
  expect((await stays.answer()).status).toBe(200)
  expect(store.calls('get')).toBe(before.reads + 1)
  expect(app.requests.length).toBe(before.requests + 1)
  await world.until(() => open.streams.all().length === 0, 'nothing counts as open')
})

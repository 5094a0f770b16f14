/** Sockets and event streams without end: each person may have so many open, and is told before anything is opened for him. */
import { expect, test } from 'vitest'
import type { Settings } from '#settings/settings.ts'
import { paths } from '#surface/urls.ts'
import { requestText, settled, useTenants } from '#test/support/tenants.ts'
import { openSocket, refusedSocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'

const most = 3
const tenants = useTenants({
  settings: (of: Settings): Settings => ({ ...of, limits: { ...of.limits, streamsPerIdentity: most } }),
})

test('#66 one more than a person may have is refused before a 101, and counted; others go on, and there is room when one is closed', async () => {
  const { b, bob, alice, a, world, ask, upstreamBytes } = tenants()
  const page = `http://${b.authority}/`
  const plain = () => ask(requestText({ target: b.prefix, host: b.authority, cookie: b.cookie }))
  const open: WorkspaceSocket[] = []
  for (let index = 0; index < most; index += 1) open.push(await openSocket(bob, page))
  const counted = () => world.figure('gatehouse_limited_total', 'limit="streams"')
  await settled()
  const [before, bytes] = [await counted(), upstreamBytes()]
  const refused = await refusedSocket(bob, page)
  expect(refused).toMatchObject({ status: 429 })
  expect(refused.headers).toMatchObject({ 'retry-after': '10' })
  expect(JSON.parse(refused.body)).toMatchObject({ code: 'too_many_streams' })
  expect((await plain()).status).toBe(429)
  const cookie = bob.tab().cookieHeader(world.origin) ?? ''
  const { host } = new URL(world.origin)
  expect((await ask(requestText({ target: paths.whoami, host, cookie }))).status).toBe(429)
  expect([await counted(), upstreamBytes()]).toEqual([before + 3, bytes])
  using _ = await openSocket(alice, `http://${a.authority}/`)
  open[0]?.[Symbol.dispose]()
  await world.until(async () => (await plain()).status === 200, 'there is room again')
  const told = world.audit.filter((event) => event.event === 'deny' && event.reason === 'limit:streams')
  expect(told.map(({ user }) => user)).toEqual(['bob'])
  for (const socket of open) socket[Symbol.dispose]()
})

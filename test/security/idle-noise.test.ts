/** What keeps a workspace alive that nobody uses: pings, polls, refusals, and what a tunnel says by itself. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lastActive } from '#activity/clocks.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { type EchoApp, echoApp } from '#test/support/echo-app.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { logIn, openTunnelOf, type TcpApp, tcpApp } from '#test/support/tunnel-scene.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'

const parts = new AsyncDisposableStack()
let clock: FakeClock
let world: World
let app: EchoApp
let ssh: TcpApp
let alice: ScriptedBrowser
let url: string
let uid: string
let bearer: string

beforeAll(async () => {
  clock = fakeClock()
  parts.use(dateFollows(clock))
  app = parts.use(await echoApp('nb'))
  ssh = parts.use(await tcpApp())
  const settings = (of: Parameters<NonNullable<Parameters<typeof createWorld>[0]>['settings'] & object>[0]) => ({
    ...of,
    insecure: [...of.insecure, 'insecureDirectSsh' as const],
  })
  world = parts.use(await createWorld({ clock, settings }))
  const sshApp = { ...app, endpoint: { kind: 'tcp', host: '127.0.0.1', port: ssh.port } as const }
  const { ref, url: at } = await world.workspace({
    ...{ name: 'nb', owner: 'alice', spec: { appType: 'jupyterlab' }, apps: { 8888: app, 2222: sshApp } },
  })
  url = at
  uid = world.open.workspaces.directory.get(ref)?.uid ?? ''
  alice = await world.as('alice')
  bearer = await logIn(world, 'alice')
  await alice.open(url)
})
afterAll(() => parts.disposeAsync())

const longAgo = 0
/** What counts as the last sign of use, and when. */
const last = () => lastActive(world.open.recorder.clocksOf(uid), longAgo, { connectedCounts: false })

async function hears(what: () => boolean | undefined, said: string): Promise<void> {
  await world.until(() => what() === true, said)
}

test('#67 pings and polls, and whatever is refused or fails, are nobody’s doing; a key is', async () => {
  using terminal = await openSocket(alice, `${url}terminals/websocket/1`)
  const before = last()
  const polls = [
    'api/kernels?1',
    'api/sessions?1',
    'api/terminals?1',
    'api/contents/?content=1&1',
    'api/status',
    'lab/api/x',
  ]
  const statuses = [200, 401, 403, 404, 503]
  for (const status of statuses) {
    app.answer = (_request, response) => {
      response.writeHead(status).end('{}')
      return true
    }
    await clock.advance(10_000)
    for (const path of polls) {
      const headers = { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', 'Sec-Fetch-Site': 'same-origin' }
      expect((await alice.fetch(url + path, { headers })).status).toBe(status)
      if (status !== 200) {
        const put = { method: 'PUT', body: '{}', headers: { ...headers, Origin: new URL(url).origin } } as const
        expect((await alice.fetch(`${url}api/contents/a.ipynb`, put)).status).toBe(status)
      }
    }
    let ponged = false
    terminal.ws.once('pong', () => {
      ponged = true
    })
    terminal.ws.ping()
    await hears(() => ponged, 'the ping is answered')
  }
  expect(last()).toEqual(before)
  await clock.advance(10_000)
  await terminal.ask(JSON.stringify(['stdin', 'l']))
  expect(last()).toMatchObject({ at: clock.now(), source: 'terminal:stdin', user: 'alice' })
})

test('#67 a tunnel that only shows that it is alive is nobody’s doing; keys are', async () => {
  using tunnel = await openTunnelOf(world, bearer)
  let sent = 0
  const say = async (bytes: number) => {
    sent += bytes
    tunnel.ws.send(Buffer.alloc(bytes))
    await hears(() => tunnel.received().length === sent, 'it is through')
  }
  // VS Code at rest; what its rhythm is, is known after some beats.
  for (let beat = 0; beat < 6; beat += 1) {
    await clock.advance(5_000)
    await say(52)
  }
  const before = last()
  for (let beat = 0; beat < 40; beat += 1) {
    await clock.advance(5_000)
    await say(52)
  }
  expect(last()).toEqual(before)
  for (const pause of [120, 300, 90, 210, 150]) {
    await clock.advance(pause)
    await say(36)
  }
  expect(last()).toMatchObject({ source: 'ssh:input', user: 'alice' })
  expect(last().at).toBeGreaterThan(clock.now() - 1_000)
})

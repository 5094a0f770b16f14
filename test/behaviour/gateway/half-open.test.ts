/** Peers that vanish without a word: not a packet is acknowledged any more, and none says that the connection is over. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { freePort } from '#test/support/free-port.ts'
import { requestText, websocketFields } from '#test/support/tenants.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor, declare } from './scene.ts'

const program = fileURLToPath(new URL('../../support/vanishing-peer.py', import.meta.url))
/** Probes begin after a second of silence, and the tenth of them is the last: each a second after the one before. */
const peerProbe = 1_000
const found = { timeout: 20_000 }

interface Peer extends Disposable {
  readonly child: ChildProcess
  /** What it has said so far. */
  said(): string
}

function vanishingPeer(role: 'client' | 'app', port: number): Peer {
  const child = spawn('python3', [program, role, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (text) => {
    said += text
  })
  return { child, said: () => said, [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

const openWorld = () => createWorld({ settings: (all) => ({ ...all, limits: { ...all.limits, peerProbe } }) })
const live = (world: World) => world.open.streams.all().reduce((sum, group) => sum + group.size, 0)

describe('a half-open WebSocket', () => {
  test.concurrent('whose client is gone is found by TCP keep-alive, and closed at the app', async () => {
    await using world = await openWorld()
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const browser = await world.as('alice')
    await browser.open(url)
    using peer = vanishingPeer('client', world.port)
    const { host } = new URL(url)
    const cookie = cookieFor(browser, url).Cookie ?? ''
    const fields = [...websocketFields, 'Origin', `http://${host}`]
    peer.child.stdin?.end(requestText({ target: '/', host, cookie, fields }))
    await expect.poll(peer.said, found).toBe('HTTP/1.1 101 Switching Protocols\ngone\n')
    expect([app.sockets.size, live(world)]).toEqual([1, 1])
    await expect.poll(() => [app.sockets.size, live(world)], found).toEqual([0, 0])
    expect(peer.child.exitCode).toBeNull()
  }, 60_000)

  test.concurrent('whose app is gone is found by TCP keep-alive, and its client told with 1011', async () => {
    await using world = await openWorld()
    const port = await freePort()
    using peer = vanishingPeer('app', port)
    await expect.poll(peer.said, found).toBe('listening\n')
    const { ref, url } = await declare(world, {
      owner: 'alice',
      endpoints: { 8888: { kind: 'tcp', host: '127.0.0.1', port } },
    })
    await expect.poll(() => world.open.workspaces.directory.get(ref)?.state.phase, found).toBe('Running')
    const browser = await world.as('alice')
    await browser.open(url)
    using socket = await openSocket(browser, url)
    await expect.poll(peer.said, found).toContain('gone')
    expect(socket.isOpen()).toBe(true)
    const began = performance.now()
    expect(await socket.closed).toMatchObject({ code: 1011 })
    expect(performance.now() - began).toBeLessThan(found.timeout)
  }, 60_000)
})

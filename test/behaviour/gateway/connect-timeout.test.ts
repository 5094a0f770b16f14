import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, test, vi } from 'vitest'
import { plainRequest } from '#test/support/plain-request.ts'
import { refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { cookieFor, declare } from './scene.ts'

/** Takes every connection and lets it go again, for as long as it is not stopped. */
const program = `
import socket
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(0)
print(server.getsockname()[1], flush=True)
while True:
    server.accept()[0].close()
`

/** As the kernel says it (proc(5)): `T` once it is stopped. */
function stateOf({ pid }: ChildProcess): string | undefined {
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
}

/** A port on which the kernel lets a connection wait for ever, from `stop` on: the program is stopped, and its queue is full. */
async function portThatHangs() {
  await using opened = new AsyncDisposableStack()
  const child: ChildProcess = spawn('python3', ['-c', program], { stdio: ['ignore', 'pipe', 'ignore'] })
  opened.defer(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  if (!child.stdout) throw new Error('no output')
  const [line] = await once(child.stdout, 'data')
  const port = Number(String(line))
  const running = opened.move()
  return {
    port,
    async stop() {
      child.kill('SIGSTOP')
      // On a busy machine it takes one more connection meanwhile, behind which there would be room for the gateway's.
      await vi.waitFor(() => expect(stateOf(child)).toBe('T'), { interval: 5 })
      for (let count = 0; count < 4; count++) {
        const socket = connect({ port, host: '127.0.0.1' })
        socket.on('error', () => undefined)
        running.defer(() => void socket.destroy())
      }
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

test('a workspace that takes no connection is waited for as long as the setting says, by requests and by handshakes', async () => {
  const connectTimeout = 400
  await using world = await createWorld({
    settings: (settings) => ({ ...settings, limits: { ...settings.limits, connectTimeout } }),
  })
  await using app = await portThatHangs()
  const { ref, url } = await declare(world, {
    owner: 'alice',
    spec: { desiredStatus: 'Running' },
    endpoints: { 8888: { kind: 'tcp', host: '127.0.0.1', port: app.port } },
  })
  const isRunning = () => world.open.workspaces.directory.get(ref)?.state.phase === 'Running'
  await world.until(isRunning, 'it runs')
  const alice = await world.as('alice')
  await alice.open(url)
  await app.stop()
  const timed = async (ask: () => Promise<{ readonly status: number }>) => {
    const began = performance.now()
    const { status } = await ask()
    const took = performance.now() - began
    expect(took).toBeGreaterThan(connectTimeout - 20)
    expect(took).toBeLessThan(connectTimeout + 2_000)
    return status
  }
  expect(await timed(() => plainRequest(url, { headers: cookieFor(alice, url) }))).toBe(502)
  expect(await timed(() => refusedSocket(alice, url))).toBe(502)
  expect(isRunning()).toBe(true)
  expect(world.open.streams.all()).toEqual([])
})

/** An exception that nobody caught, in a real process: what is open comes to its end, and the process as well. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type DemoProcess, startDemo } from '#test/support/demo-process.ts'
import { createLaptopSite, eventually, stateOf } from '#test/support/laptop-site.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'
import { writeEchoManifest } from './echo-manifest.ts'
import { cookieFor } from './scene.ts'

const ref = { namespace: 'alice', name: 'app' }
const preload = join(import.meta.dirname, '../../support/faulty-requests.ts')

interface Scene extends AsyncDisposable {
  readonly demo: DemoProcess
  readonly socket: WorkspaceSocket
  /** The app takes its time for it. */
  slow(): Promise<{ readonly status: number }>
  /** A request that is all right itself. */
  fault(kind: 'exception' | 'exceptions'): Promise<{ readonly status: number }>
  operations(path: string): Promise<{ readonly status: number; readonly body: string }>
  log(): Promise<string>
}

async function openScene(): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const site = opened.use(await createLaptopSite({ samples: [] }))
  await writeEchoManifest(site.manifests, { ...ref, owner: 'alice', ports: [{ name: 'app', port: 8888 }] })
  const demo = opened.use(await startDemo(site, { preload }))
  const alice = await site.as('alice')
  await eventually(async () => (await stateOf(site, alice, ref)) === 'Running', 'it runs')
  const url = site.url(ref)
  await alice.open(url)
  const headers = cookieFor(alice, url)
  const socket = opened.use(await openSocket(alice, url))
  const open = opened.move()
  return {
    ...{ demo, socket },
    slow: () => plainRequest(`${url}slow`, { headers }),
    fault: (kind) => plainRequest(url, { headers: { ...headers, 'X-Test-Fault': kind } }),
    operations: (path) => plainRequest(`http://localhost:${site.port + 2}${path}`),
    log: () => readFile(join(site.home, 'logs', 'gatehouse.log'), 'utf8'),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

test('#90 after one the process is not ready any more, finishes what is in flight, closes sockets with 1012 and ends as failed; the log has its stack, without secrets', async () => {
  await using scene = await openScene()
  const slow = scene.slow()
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect((await scene.fault('exception')).status).toBe(200)
  await expect.poll(async () => (await scene.operations('/readyz')).status).toBe(503)
  expect((await scene.operations('/metrics')).body).toContain('gatehouse_uncaught_faults{kind="exception"} 1')
  expect(await scene.socket.closed).toMatchObject({ code: 1012, reason: 'gateway restarting' })
  expect((await slow).status).toBe(200)
  expect(await scene.demo.ended).toBe(1)
  const log = await scene.log()
  expect(log).toMatch(/an exception that nobody caught/)
  expect(log).toMatch(/"stack":"Error: a fault of a test[^"]*faulty-requests\.ts/)
  expect(log).not.toContain('abcdef0123456789')
}, 60_000)

test('#90 a second one ends it at once', async () => {
  await using scene = await openScene()
  const slow = scene.slow()
  const outcome = slow.then(
    () => 'answered',
    () => 'cut off',
  )
  await new Promise((resolve) => setTimeout(resolve, 200))
  await scene.fault('exceptions')
  expect(await scene.demo.ended).toBe(1)
  expect(await outcome).toBe('cut off')
  expect(scene.demo.printed()).toContain('a further exception that nobody caught')
  expect(scene.demo.printed()).not.toContain('abcdef0123456789')
}, 60_000)

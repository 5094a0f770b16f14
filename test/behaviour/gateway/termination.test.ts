/** SIGTERM to a real Gatehouse: what can be finished is finished, what can't is told to come back. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { createLaptopSite, eventually, type LaptopSite, stateOf } from '#test/support/laptop-site.ts'
import { liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { writeEchoManifest } from './echo-manifest.ts'
import { cookieFor } from './scene.ts'

const launcher = join(import.meta.dirname, '../../../bin/gatehouse.js')
const ref = { namespace: 'alice', name: 'app' }
const grace = 8_000

interface Started extends AsyncDisposable {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
}

async function start(site: LaptopSite): Promise<Started> {
  const child = spawn(process.execPath, [launcher, 'demo'], {
    env: {
      PATH: process.env.PATH,
      GATEHOUSE_PORT: String(site.port),
      GATEHOUSE_HOME: site.home,
      GATEHOUSE_DEMO_MANIFESTS: site.manifests,
      GATEHOUSE_DEMO_PASSWORD: site.password,
      GATEHOUSE_DRAIN_GRACE: `${grace / 1000}s`,
      // Nothing is installed for this test.
      GATEHOUSE_JUPYTER_VENV: '/nonexistent',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit').then(([code]) => code)
  const said = new Promise<void>((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      if (text.includes('Gatehouse is ready.')) resolve()
    })
    exited.then((code) => reject(new Error(`it ended with ${code} before it was ready`)), reject)
  })
  await said
  return {
    child,
    exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}

test('#82 [JK23.2] at SIGTERM readiness is gone, requests in flight are finished, and sockets are closed with 1012, all within the grace', async () => {
  await using site = await createLaptopSite({ samples: [] })
  await writeEchoManifest(site.manifests, { ...ref, owner: 'alice', ports: [{ name: 'app', port: 8888 }] })
  await using gatehouse = await start(site)
  const alice = await site.as('alice')
  await eventually(async () => (await stateOf(site, alice, ref)) === 'Running', 'it runs')
  const url = site.url(ref)
  await alice.open(url)
  const headers = cookieFor(alice, url)
  const readyz = () => plainRequest(`http://localhost:${site.port + 2}/readyz`)
  expect((await readyz()).status).toBe(200)
  const sockets = await Promise.all(Array.from({ length: 200 }, () => openSocket(alice, url)))
  for (const socket of sockets) await socket.ask('here')
  const closings = sockets.map(async ({ closed }) => ({ ...(await closed), at: performance.now() }))
  using events = await liveRequest(site.origin + api.events(ref), { headers: cookieFor(alice, site.origin) })
  const slow = plainRequest(`${url}slow`, { headers })
  await new Promise((resolve) => setTimeout(resolve, 200))

  const began = performance.now()
  gatehouse.child.kill('SIGTERM')
  await eventually(async () => (await readyz()).status === 503, 'it is not ready any more')
  expect(JSON.parse((await readyz()).body)).toEqual({ status: 'not ready', missing: ['not-draining'] })
  const ends = await Promise.all(closings)
  for (const end of ends) expect(end).toMatchObject({ code: 1012, reason: 'gateway restarting' })
  // Not all at once, for they come back.
  const times = ends.map(({ at }) => at)
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(200)
  await expect(plainRequest(url, { headers })).rejects.toThrow('ECONNREFUSED')
  const { status, body } = await slow
  expect([status, JSON.parse(body).url]).toEqual([200, '/slow'])
  await events.ended
  expect(await gatehouse.exited).toBe(0)
  // A page that listens for news does not make everybody wait for the end of the grace.
  expect(performance.now() - began).toBeLessThan(grace / 2)
}, 30_000)

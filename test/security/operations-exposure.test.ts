/** What is for those who run a gateway, asked for by those who use it. */

import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { createMetrics } from '#observe/metrics.ts'
import { listenForOperations } from '#server/operations.ts'
import { loadSettings } from '#settings/load.ts'
import { knownOperations as known, ownOperations as ours } from '#test/support/operation-paths.ts'
import { askRaw } from '#test/support/raw-http.ts'
import { requestText, type Tenants, useTenants } from '#test/support/tenants.ts'

const paths = [...known, ...ours]
const methods = ['GET', 'POST', 'OPTIONS']

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#31 [JK6.3] no path for debugging or operation is there, on no host, for no method, for nobody; what has them listens on loopback alone', async () => {
    const { ask, world, upstreamBytes } = tenants()
    const carol = await world.as('carol')
    const host = `localhost:${world.port}`
    const ofAdministrator = carol.cookieHeader(`${world.origin}/`) ?? ''
    const byAnybody = paths.flatMap((target) => methods.map((method) => ({ method, target, host })))
    const byCarol = paths.map((target) => ({ target, host, cookie: ofAdministrator }))
    const before = upstreamBytes()
    for (const request of byAnybody) {
      expect([401, 404], `${request.method} ${request.target}`).toContain((await ask(requestText(request))).status)
    }
    for (const request of byCarol) expect((await ask(requestText(request))).status, request.target).toBe(404)

    await workspaceHostsHaveNone(tenants(), mode)
    expect(upstreamBytes()).toBe(before)
    await operationsAreOnLoopbackAlone()
  })
})

/** There such a path is the workspace's own, and below Gatehouse's prefix there is nothing of the kind. */
async function workspaceHostsHaveNone({ a, ask, world }: Tenants, mode: 'host' | 'path'): Promise<void> {
  const place = mode === 'host' ? a.authority : `workspaces.localhost:${world.port}`
  const statusOfTheirs = mode === 'host' ? 401 : 404
  for (const target of known) {
    expect((await ask(requestText({ target, host: place }))).status, target).toBe(statusOfTheirs)
  }
  for (const request of ours.flatMap((target) => [{ target }, { target, cookie: a.cookie }])) {
    expect((await ask(requestText({ ...request, host: place }))).status, request.target).toBe(404)
  }
}

async function operationsAreOnLoopbackAlone(): Promise<void> {
  for (const face of ['demo', 'serve'] as const) {
    const file = 'domain: ws.example.com\noidc: [{id: a, issuer: "https://idp.example.com", clientId: g}]'
    const from = { env: {}, cwd: '/', file: '/settings.yaml' }
    const wide = 'operations: {hosts: [0.0.0.0]}'
    const text = face === 'serve' ? `${file}\n` : ''
    const loaded = await loadSettings({ face, ...from, readText: async () => text })
    if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
    expect(loaded.settings.operations.hosts).toEqual(['127.0.0.1', '::1'])
    const opened = await loadSettings({ face, ...from, readText: async () => text + wide })
    // In a cluster the kubelet and Prometheus come from outside of the pod; there it has to be said.
    expect(opened.kind).toBe(face === 'serve' ? 'loaded' : 'invalid')
  }
  const log = createLog({ level: 'error', clock: systemClock, sink: { write: () => undefined } })
  await using operations = await listenForOperations({
    ...{ hosts: ['127.0.0.1'], port: 0, conditions: [], metrics: createMetrics(), log },
  })
  const port = Number(operations.addresses[0]?.split(':').at(-1))
  expect((await askRaw(port, requestText({ target: '/metrics', host: `localhost:${port}` }))).status).toBe(200)
  for (const target of [...known, ...ours].filter((path) => !['/metrics', '/healthz', '/readyz'].includes(path))) {
    expect((await askRaw(port, requestText({ target, host: `localhost:${port}` }))).status, target).toBe(404)
  }
  for (const host of ['evil.test', `a-orswc3i.localhost.evil:${port}`]) {
    expect((await askRaw(port, requestText({ target: '/metrics', host }))).status, host).toBe(404)
  }
  const outside = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
  for (const { address } of outside) expect(await isRefused(port, address), address).toBe(true)
}

function isRefused(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    socket.once('error', () => resolve(true))
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
  })
}

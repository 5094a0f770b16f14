/** A fault of ours amid one request, in a real process (CVE-2024-21536's class): that request gets a 500, everybody else goes on. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { type DemoProcess, startDemo } from '#test/support/demo-process.ts'
import { createLaptopSite, eventually, type LaptopSite, stateOf } from '#test/support/laptop-site.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { askRaw } from '#test/support/raw-http.ts'
import { requestText, websocketFields } from '#test/support/tenants.ts'
import { openSocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'
import { writeEchoManifest } from '../behaviour/gateway/echo-manifest.ts'
import { cookieFor } from '../behaviour/gateway/scene.ts'

const ref = { namespace: 'alice', name: 'app' }
const preload = join(import.meta.dirname, '../support/faulty-requests.ts')
/** More than a request is read. */
const mostReads = 30

describe('a real gateway', () => {
  const opened = new AsyncDisposableStack()
  let site: LaptopSite
  let demo: DemoProcess
  let alice: ScriptedBrowser
  let socket: WorkspaceSocket

  beforeAll(async () => {
    site = opened.use(await createLaptopSite({ samples: [] }))
    await writeEchoManifest(site.manifests, { ...ref, owner: 'alice', ports: [{ name: 'app', port: 8888 }] })
    demo = opened.use(await startDemo(site, { preload }))
    alice = await site.as('alice')
    await eventually(async () => (await stateOf(site, alice, ref)) === 'Running', 'it runs')
    await alice.open(site.url(ref))
    socket = opened.use(await openSocket(alice, site.url(ref)))
  })
  afterAll(() => opened.disposeAsync())

  /** It still serves, the one who was there before as well, and is the process that it was. */
  async function goesOn(): Promise<void> {
    const url = site.url(ref)
    expect((await plainRequest(url, { headers: cookieFor(alice, url) })).status).toBe(200)
    expect((await socket.ask('still here')).toString()).toContain('still here')
    expect((await plainRequest(`http://localhost:${site.port + 2}/healthz`)).status).toBe(200)
    expect(() => process.kill(demo.pid, 0)).not.toThrow()
  }

  const log = () => readFile(join(site.home, 'logs', 'gatehouse.log'), 'utf8')

  test('#90 a promise that is rejected and that nobody waits for is a line in the log', async () => {
    const url = site.url(ref)
    const headers = { ...cookieFor(alice, url), 'X-Test-Fault': 'rejection' }
    for (let round = 0; round < 10; round += 1) expect((await plainRequest(url, { headers })).status).toBe(200)
    await goesOn()
    await expect.poll(log).toContain('a promise failed that nobody waited for')
  })

  /** Requests of a kind, and what they are answered with where nothing fails. */
  interface Kind {
    readonly what: string
    readonly good: number
    readonly fields?: readonly string[]
    readonly isOurs?: true
    /** Makes it a POST. */
    readonly body?: string
    readonly isStranger?: true
  }

  const kinds: readonly Kind[] = [
    { what: 'a request', good: 200 },
    { what: 'an upload', good: 200, body: 'x'.repeat(100_000) },
    { what: 'a socket', good: 101, fields: websocketFields },
    { what: 'a page of ours', good: 200, isOurs: true },
    { what: 'a request without a login', good: 401, isStranger: true },
  ]

  function textOf({ fields = [], body, isOurs, isStranger }: Kind, reads: number): string {
    const of = new URL(isOurs ? site.origin : site.url(ref))
    const cookie = isStranger ? undefined : cookieFor(alice, of.href).Cookie
    const sent = body === undefined ? {} : { method: 'POST', body }
    const length = body === undefined ? [] : ['Content-Length', String(body.length)]
    return requestText({
      ...sent,
      ...{ target: isOurs ? api.workspaces : '/', host: of.host },
      ...(cookie === undefined ? {} : { cookie }),
      fields: ['X-Test-Fault', String(reads), 'Origin', of.origin, ...length, ...fields],
    })
  }

  /** Closed before there was a whole answer; anything else is a fault of the test or of what it tests. */
  function cutOff(error: unknown): { readonly status: number; readonly body: string } {
    if (error instanceof Error && error.message.startsWith('closed without')) return { status: 0, body: '' }
    throw error
  }

  test.each(kinds)(
    '#90 $what that can’t be read at some point is a 500, with an id that is in the log',
    async (kind) => {
      const statuses: number[] = []
      for (let reads = 1; reads <= mostReads; reads += 1) {
        const { status, body } = await askRaw(site.port, textOf(kind, reads)).catch(cutOff)
        statuses.push(status)
        expect(body).not.toContain('a fault of a test')
        if (status === 500) await expect.poll(log).toContain(JSON.parse(body).requestId)
      }
      expect(statuses.filter((status) => status !== 500 && status !== kind.good && status !== 0)).toEqual([])
      expect(statuses.filter((status) => status === 500).length).toBeGreaterThan(5)
      // An answer that had begun when it failed is none, and its connection ends.
      expect(statuses.filter((status) => status === 0).length).toBeLessThanOrEqual(1)
      expect(statuses.at(-1)).toBe(kind.good)
      await goesOn()
    },
  )
})

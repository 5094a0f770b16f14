import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { type LaptopParts, openLaptop } from '#compose/laptop.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { processesWith } from '#runtime/processes/process-table.ts'
import type { IssuerSettings, Settings } from '#settings/settings.ts'
import { createLaptopSite, type LaptopSite } from '#test/support/laptop-site.ts'
import { laptopParts } from '#test/support/laptop-world.ts'

const sleeper = { namespace: 'alice', name: 'sleeper' }

/** It is to run from the very start, so whatever comes after the operator begins with a child at work. */
async function siteWithChild(): Promise<LaptopSite> {
  const site = await createLaptopSite({ samples: [] })
  await site.declare(sleeper, { spec: { desiredStatus: 'Running' } })
  return site
}

/** What this process has open: what listens, runs, or watches. */
function busyWith(): readonly string[] {
  const kinds = new Set(['TCPServerWrap', 'PipeWrap', 'ProcessWrap', 'FSEventWrap', 'TCPSocketWrap'])
  return process
    .getActiveResourcesInfo()
    .filter((kind) => kinds.has(kind))
    .toSorted()
}

async function expectNothingLeft(site: LaptopSite, before: readonly string[], clock: CountingClock): Promise<void> {
  expect(processesWith('HOME', site.folderOf(sleeper))).toEqual([])
  for (const port of [site.port, site.port + 1, site.port + 2]) {
    for (const host of ['127.0.0.1', '::1']) await (await listenAt(port, host))[Symbol.asyncDispose]()
  }
  await expect.poll(busyWith, { timeout: 5_000 }).toEqual(before)
  await expect.poll(() => clock.pending.size, { timeout: 5_000 }).toBe(0)
}

async function listenAt(port: number, host: string): Promise<AsyncDisposable> {
  const server: Server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, ipv6Only: true }, resolve)
  })
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) }
}

const foreignIssuer = (fields: Partial<IssuerSettings>): IssuerSettings => ({
  ...{ id: 'company', displayName: 'Company', issuer: 'https://login.example.test', clientId: 'gatehouse' },
  ...{ scopes: ['openid'], usernameClaim: 'sub', usernamePrefix: 'company:', groupsClaim: 'groups' },
  ...{ groupsPrefix: 'company:', caFile: undefined, isHttpAllowed: false, ...fields },
})

/** Puts something in the way of one step of the start. */
type Obstacle = (
  site: LaptopSite,
  opened: AsyncDisposableStack,
) => Promise<((settings: Settings) => Settings) | undefined>

const taken =
  (offset: number, host: string): Obstacle =>
  async (site, opened) => {
    opened.use(await listenAt(site.port + offset, host))
    return undefined
  }

/** It makes something where the start would make something else. */
const inTheWay =
  (make: (home: string) => Promise<unknown>): Obstacle =>
  async ({ home }) => {
    await make(home)
    return undefined
  }

const obstacles: readonly (readonly [step: string, code: string, obstacle: Obstacle])[] = [
  ['the store can not be opened', 'store_unavailable', inTheWay((home) => mkdir(join(home, 'state.sqlite')))],
  ['the folder of what runs can not be made', 'EEXIST', inTheWay((home) => writeFile(join(home, 'run'), ''))],
  [
    "an issuer's authority can not be read",
    'invalid_settings',
    async ({ home }) =>
      (settings) => ({ ...settings, oidc: [foreignIssuer({ caFile: join(home, 'none.pem') })] }),
  ],
  ["the provider's port is taken", 'listen_failed', taken(1, '127.0.0.1')],
  ["the provider's port is taken in IPv6 alone", 'listen_failed', taken(1, '::1')],
  ['the port of those who run it is taken', 'listen_failed', taken(2, '127.0.0.1')],
  ['the port of those who run it is taken in IPv6 alone', 'listen_failed', taken(2, '::1')],
  ["the gateway's port is taken", 'listen_failed', taken(0, '127.0.0.1')],
  ["the gateway's port is taken in IPv6 alone", 'listen_failed', taken(0, '::1')],
  [
    'a certificate can not be used',
    'invalid_settings',
    async ({ home, port }) =>
      (settings) => ({
        ...settings,
        listeners: [
          ...settings.listeners.slice(0, 1),
          {
            ...{ kind: 'tls', host: '::1', port, http2: true, proxyProtocol: { trusted: [] } },
            certificates: [{ certFile: join(home, 'none.pem'), keyFile: join(home, 'none.key'), serverNames: [] }],
          },
        ],
      }),
  ],
]

/** Counts what waits for its time. */
class CountingClock implements Clock {
  readonly pending = new Set<Disposable>()

  now(): number {
    return systemClock.now()
  }

  after(delay: number, run: () => void): Disposable {
    const timer = systemClock.after(delay, () => {
      this.pending.delete(timer)
      run()
    })
    this.pending.add(timer)
    const stop = () => {
      this.pending.delete(timer)
      timer[Symbol.dispose]()
    }
    return { [Symbol.dispose]: stop }
  }
}

async function partsOf(site: LaptopSite, signal: AbortSignal, clock: Clock = systemClock): Promise<LaptopParts> {
  return { ...(await laptopParts(site, { lines: [], signal })), clock }
}

// The first one of a process brings in what is made once.
beforeAll(async () => {
  await using site = await siteWithChild()
  const ending = new AbortController()
  const laptop = await openLaptop(await partsOf(site, ending.signal))
  ending.abort()
  await laptop.ended
})

test.each(obstacles)(
  'when %s, the start fails with %s and has ended all that it began',
  async (_step, code, obstacle) => {
    await using site = await siteWithChild()
    const [before, clock] = [busyWith(), new CountingClock()]
    const parts = await partsOf(site, new AbortController().signal, clock)
    {
      await using obstacles = new AsyncDisposableStack()
      const change = await obstacle(site, obstacles)
      const settings = change?.(parts.settings) ?? parts.settings
      await expect(openLaptop({ ...parts, settings })).rejects.toMatchObject({ code })
      expect(await readdir(join(site.home, 'run')).catch(() => [])).toEqual([])
    }
    await expectNothingLeft(site, before, clock)
  },
)

test.each([0, 1, 2, 4, 8, 16, 32, 64, 128, 256])(
  'a start that is ended after %i turns of the event loop leaves nothing behind, and the next one succeeds',
  async (turns) => {
    await using site = await siteWithChild()
    const [before, clock] = [busyWith(), new CountingClock()]
    const ending = new AbortController()
    const starting = openLaptop(await partsOf(site, ending.signal, clock))
    const over = starting.then(
      (laptop) => laptop.ended,
      () => undefined, // ended before it was open, which is as good
    )
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
    ending.abort()
    await over
    await expectNothingLeft(site, before, clock)

    const again = new AbortController()
    const laptop = await openLaptop(await partsOf(site, again.signal))
    again.abort()
    await laptop.ended
  },
)

/**
 * Two people at one workspace, whose requests share the gateway's connections to it: what the one sends, or gets, must never show in what the
 * other one does.
 */
import { afterAll, beforeAll, expect } from 'vitest'
import { type CarelessApp, carelessApp } from './careless-app.ts'
import type { RawAnswer } from './raw-http.ts'
import { openTenants, requestText, type Tenant, type Tenants } from './tenants.ts'
import type { WorldOptions } from './world.ts'

export interface SharedApp {
  readonly tenants: Tenants
  /** Public, and alice's. */
  readonly shared: Tenant
  readonly app: CarelessApp
  /** Cookie fields at it. */
  readonly cookies: { readonly alice: string; readonly bob: string }
  /** A request of alice's to it, as text. */
  text(target: string, more?: { method?: string; fields?: readonly string[]; body?: string; version?: string }): string
  /** bob's next request is the one he makes, and its answer his own; nothing else has reached the app meanwhile. */
  bobIsServed(): Promise<RawAnswer>
}

export function useSharedApp(options: WorldOptions = {}): () => SharedApp {
  const opened = new AsyncDisposableStack()
  let shared: SharedApp | undefined
  beforeAll(async () => {
    shared = await openShared(opened, options)
  })
  afterAll(() => opened.disposeAsync())
  return () => {
    if (!shared) throw new Error('the shared app is not there yet')
    return shared
  }
}

async function openShared(opened: AsyncDisposableStack, options: WorldOptions): Promise<SharedApp> {
  const app = opened.use(await carelessApp())
  const tenants = opened.use(await openTenants(options))
  const { alice, bob } = tenants
  const spec = { accessType: 'Public' }
  const shared = await tenants.tenant({ name: 'shared', owner: 'alice', spec, apps: { 8888: app } }, alice)
  await bob.open(shared.url)
  const cookie = bob.cookieHeader(shared.url)
  if (cookie === undefined) throw new Error('bob has no cookie there')
  const cookies = { alice: shared.cookie, bob: cookie }
  const { authority: host, prefix } = shared
  let asked = 0
  return {
    ...{ tenants, shared, app, cookies },
    text: (target, more = {}) => {
      const { fields = [] } = more
      const origin = ['Origin', `http://${host}`]
      return requestText({
        ...more,
        target: prefix + target,
        host,
        cookie: cookies.alice,
        fields: [...origin, ...fields],
      })
    },
    async bobIsServed() {
      asked += 1
      const target = `${prefix}bob-${asked}`
      const before = app.heads.length
      const { respond } = app
      app.respond = undefined
      const answer = await tenants.ask(requestText({ target, host, cookie: cookies.bob }))
      app.respond = respond
      expect(answer).toMatchObject({ status: 200, body: `GET ${target} HTTP/1.1 bob`, interim: [] })
      expect(app.heads.slice(before).map(({ text }) => text.split('\r\n', 1)[0])).toEqual([`GET ${target} HTTP/1.1`])
      return answer
    },
  }
}

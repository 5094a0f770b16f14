/**
 * Two people with a workspace each behind a whole gateway, and what an attack on it came to: the answer, the reasons in the audit trail, and
 * how many bytes reached any workspace.
 */
import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll } from 'vitest'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { authorityOf, placeOf } from '#workspace/address.ts'
import type { ScriptedBrowser } from './browser-session.ts'
import { type EchoApp, echoApp } from './echo-app.ts'
import { askRaw, type RawAnswer } from './raw-http.ts'
import { createWorld, type NewWorkspace, type World, type WorldOptions } from './world.ts'

export interface Tenant {
  readonly ref: WorkspaceRef
  readonly url: string
  /** The value of its Host field. */
  readonly authority: string
  /** `/`, or `/workspaces/<namespace>/<name>/`. */
  readonly prefix: string
  readonly app: EchoApp
  /** Its owner's Cookie field there. */
  readonly cookie: string
}

export interface Outcome {
  readonly status: number
  /** Of what the audit trail says was denied. */
  readonly reasons: readonly string[]
  /** At all workspaces together. */
  readonly upstreamBytes: number
}

export interface Tenants extends AsyncDisposable {
  readonly world: World
  /** `team/a`, alice's. */
  readonly a: Tenant
  /** `team/b`, bob's. */
  readonly b: Tenant
  readonly alice: ScriptedBrowser
  readonly bob: ScriptedBrowser
  /** A workspace more; only those that are made here are watched for bytes. */
  tenant(fields: NewWorkspace, owner: ScriptedBrowser): Promise<Tenant>
  /** Bytes that reached any workspace until now. */
  upstreamBytes(): number
  ask(bytes: string | Buffer): Promise<RawAnswer>
  /** One request, and what became of it; or whatever `act` does and answers. */
  attack(bytes: string | Buffer | (() => Promise<{ readonly status: number }>)): Promise<Outcome>
  /** As a plain request and as an upgrade from the workspace's own page. Throws where it matters which of them it is. */
  attackTwice(request: RequestText): Promise<Outcome>
}

/** An answer of the gateway's own, a line in the audit trail, and nothing at any workspace. */
export function blocked(status: number, reason: string): Outcome {
  return { status, reasons: [reason], upstreamBytes: 0 }
}

export interface RequestText {
  readonly method?: string
  readonly target: string
  readonly version?: string
  /** The value of the Host field; `undefined`: it has none. */
  readonly host: string | undefined
  readonly cookie?: string
  /** Flat: name, value, name, value. */
  readonly fields?: readonly string[]
  readonly body?: string
}

/** The bytes of one request, with nothing in it that was not asked for. */
export function requestText(request: RequestText): string {
  const { method = 'GET', target, version = 'HTTP/1.1', host, cookie, fields = [], body = '' } = request
  const all = [
    ...(host === undefined ? [] : ['Host', host]),
    ...(cookie === undefined ? [] : ['Cookie', cookie]),
    ...fields,
  ]
  let text = `${method} ${target} ${version}\r\n`
  for (let index = 0; index < all.length; index += 2) text += `${all[index]}: ${all[index + 1]}\r\n`
  return `${text}\r\n${body}`
}

export const websocketFields: readonly string[] = [
  ...['Connection', 'Upgrade', 'Upgrade', 'websocket'],
  ...['Sec-WebSocket-Version', '13', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
]

/** For the tests of a `describe`: opened before them, closed after them. */
export function useTenants(options: WorldOptions = {}): () => Tenants {
  let tenants: Tenants | undefined
  beforeAll(async () => {
    tenants = await openTenants(options)
  })
  afterAll(() => tenants?.[Symbol.asyncDispose]())
  return () => {
    if (!tenants) throw new Error('the tenants are not there yet')
    return tenants
  }
}

export async function openTenants(options: WorldOptions = {}): Promise<Tenants> {
  await using opened = new AsyncDisposableStack()
  const world = opened.use(await createWorld(options))
  const apps: EchoApp[] = []
  const { site } = world.open
  const ownApps = opened.use(new AsyncDisposableStack())
  const tenant: Tenants['tenant'] = async (fields, owner) => {
    const [main = ownApps.use(await echoApp(`${fields.namespace ?? 'team'}/${fields.name}`)), ...others] =
      Object.values(fields.apps ?? {})
    apps.push(main, ...others)
    const { ref, url } = await world.workspace({ ...fields, apps: fields.apps ?? { 8888: main } })
    const { host, prefix } = placeOf(site, ref, undefined)
    await owner.open(url)
    const cookie = owner.cookieHeader(url)
    if (cookie === undefined) throw new Error(`no cookie for ${url}: ${owner.page.status}`)
    return { ref, url, authority: authorityOf(site, host), prefix, app: main, cookie }
  }
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  const [a, b] = await Promise.all([
    tenant({ name: 'a', owner: 'alice' }, alice),
    tenant({ name: 'b', owner: 'bob' }, bob),
  ])
  const upstreamBytes = () => apps.reduce((sum, app) => sum + app.bytes(), 0)
  const ask = (bytes: string | Buffer) => askRaw(world.port, bytes)
  const attack: Tenants['attack'] = async (bytes) => {
    const before = { bytes: upstreamBytes(), events: world.audit.length }
    const { status } = typeof bytes === 'function' ? await bytes() : await ask(bytes)
    await settled()
    const reasons = world.audit.slice(before.events).flatMap((event) => (event.event === 'deny' ? [event.reason] : []))
    return { status, reasons, upstreamBytes: upstreamBytes() - before.bytes }
  }
  const running = opened.move()
  return {
    ...{ world, a, b, alice, bob, tenant, upstreamBytes, ask, attack },
    async attackTwice(request) {
      const { fields = [], host } = request
      const plain = await attack(requestText(request))
      const origin = ['Origin', `http://${host}`]
      const upgrade = await attack(requestText({ ...request, fields: [...fields, ...websocketFields, ...origin] }))
      if (isDeepStrictEqual(plain, upgrade)) return plain
      throw new Error(
        `${request.target}: ${JSON.stringify(plain)} as a request, ${JSON.stringify(upgrade)} as an upgrade`,
      )
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Gateway and workspaces are in this process: what was sent to a workspace has arrived after a few turns of its loop. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await setImmediate()
}

/** One attack from the page as it is, in all ways that there are; and what must be true after it. */
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import { api, paths, sharePath } from '#surface/urls.ts'
import type { World } from '#test/support/world.ts'
import { changes, presences, readings, type Target } from './attacks.ts'
import { type Arrived, type Keeper, keeper, type Scene, successesIn, tryAll } from './isolation-scene.ts'

/** Where it is tried: a gateway in this process, or one in a cluster. */
export interface Ground {
  /** Of the console. */
  readonly origin: string
  /** The audit trail until now, or since a while ago. */
  audit(): Promise<readonly object[]>
}

export const groundOf = (world: World): Ground => ({ origin: world.origin, audit: async () => world.audit })

export interface Victim {
  readonly keepers: readonly Pick<Keeper, 'heard'>[]
  /** One of a workspace that alice has been at, one of a workspace that she has not. */
  readonly urls: readonly string[]
  readonly ref: { readonly namespace: string; readonly name: string }
}

/** Workspaces of alice, who has one of them open. */
export async function victimOf({ world }: Scene, page: Page): Promise<Victim> {
  const [visited, fresh] = [await keeper('visited'), await keeper('fresh')]
  const own = { namespace: 'alice', owner: 'alice' }
  const first = await world.workspace({ ...own, name: 'visited', apps: { 8888: visited.app } })
  const second = await world.workspace({ ...own, name: 'fresh', apps: { 8888: fresh.app } })
  await page.goto(first.url)
  return { keepers: [visited, fresh], urls: [first.url, second.url], ref: first.ref }
}

/** The scripts work where they may. */
export async function checkTools(page: Page, url: string, secret: string): Promise<void> {
  const expected = (name: string) =>
    name.startsWith('WebSocket') ? 'tell' : name.startsWith('fetch without cookies') ? 'not logged in' : secret
  for (const [name, outcome] of await tryAll(page, readings, [{ url, isApp: true }])) {
    expect([name, outcome]).toEqual([name, { got: expect.stringContaining(expected(name)) }])
  }
  const present = successesIn(await tryAll(page, presences, [{ url, isApp: true }]))
  expect(Object.keys(present)).toHaveLength(presences.size)
}

/** A link was followed, which any page of the web may offer; or the page that it led to asked for something itself. */
const isHarmless = ({ method, headers }: Arrived) =>
  headers['sec-fetch-site'] === 'same-origin' ||
  (method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document')

/** From the page as it is, whatever it is. */
export async function expectNothingCanBeDone(
  ground: Ground,
  page: Page,
  { keepers, urls, ref }: Victim,
): Promise<void> {
  const { origin } = ground
  const before = (await ground.audit()).length
  const own = ['/', paths.whoami, sharePath(ref), api.whoami, api.workspaces, api.events(ref)]
  const readable: readonly Target[] = [
    ...urls.map((url) => ({ url, isApp: true })),
    ...own.map((path) => ({ url: origin + path, isApp: false })),
  ]
  expect(successesIn(await tryAll(page, new Map([...readings, ...presences]), readable))).toEqual({})
  const doors = [api.stop(ref), api.shares(ref), sharePath(ref), paths.logout, paths.sessionEnd]
  const changeable = [...urls, ...doors.map((path) => origin + path)]
  await tryAll(
    page,
    changes,
    changeable.map((url) => ({ url, isApp: false })),
  )
  for (const keeper of keepers) {
    const { arrived, sockets } = await keeper.heard()
    expect([arrived.filter((it) => !isHarmless(it)), sockets]).toEqual([[], 0])
  }
  const events = (await ground.audit()).slice(before)
  const isOfNoEffect = (it: object) => 'event' in it && ['allow', 'deny', 'deny-more'].includes(String(it.event))
  expect(events.filter((it) => !isOfNoEffect(it))).toEqual([])
  // It was tried in her name.
  expect(events).toContainEqual(expect.objectContaining({ event: 'deny', user: 'alice' }))
  // That the console still tells her is the proof that she is logged in, and could have been spoken for.
  const answer = await page.goto(origin + api.shares(ref))
  expect([answer?.status(), await answer?.text()]).toEqual([200, '{"shares":[]}'])
}

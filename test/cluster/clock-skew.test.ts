/** Two replicas whose clocks differ by five minutes, on one API server: nobody is logged out or let in for longer by that, and one of them alone does the chores. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Clock, systemClock } from '#lib/clock.ts'
import { api } from '#surface/urls.ts'
import { createScriptedBrowser, type ScriptedBrowser } from '#test/support/browser-session.ts'
import { type InstalledPolicies, installPolicies } from '#test/support/cluster-install.ts'
import { lookupOf } from '#test/support/cluster-site/names.ts'
import { openShareChanger } from '#test/support/cluster-site/share-changer.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openServed, type ServedCluster, type ServedReplica } from '#test/support/served-cluster.ts'

const seconds = 1_000
const skew = 5 * 60 * seconds

const minutes = 60 * seconds
const hour = 60 * minutes

/** By how much it is later for both of them than for the rest of the world. */
const passed = { time: 0 }
const clockWith = (difference: number): Clock => ({
  now: () => systemClock.now() + passed.time + difference,
  after: (span, run) => systemClock.after(span, run),
})

describeWith('cluster', 'two replicas, one of them five minutes ahead', () => {
  let world: ServedCluster
  let policies: InstalledPolicies
  let right: ServedReplica
  let early: ServedReplica
  let url: string
  let startedAt: number
  beforeAll(async () => {
    world = await openServed()
    policies = await installPolicies({ account: world.account.username, namespaces: [world.namespace, world.team] })
    right = await world.start({ host: '127.0.0.1', clock: clockWith(0) })
    early = await world.start({ host: '127.0.0.2', clock: clockWith(skew) })
    startedAt = Date.now()
    await world.workspace('nb', 'alice')
    url = world.url('nb')
  }, 120_000)
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]()
    await policies?.[Symbol.asyncDispose]()
  })

  /** `next`: by which replica each request goes. */
  const browserBy = (next: () => ServedReplica) =>
    createScriptedBrowser({ lookup: lookupOf((name) => (name === 'idp.localhost' ? right.host : next().host)) })
  const logIn = async (browser: ScriptedBrowser, username: string) => {
    await browser.open(`${world.origin}/`)
    await browser.login(username, world.password)
    return browser
  }
  const whoIs = async (browser: ScriptedBrowser) => {
    await browser.open(`${world.origin}/`)
    return JSON.parse((await browser.fetch(world.origin + api.whoami)).body).username
  }

  test('#85 a login and a hand-over that take turns on both, whoever begins', { timeout: 60_000 }, async () => {
    for (const order of [
      [right, early],
      [early, right],
    ] as const) {
      for (const everyNth of [1, 2, 3]) {
        let asked = 0
        const browser = browserBy(() => order[Math.floor(asked++ / everyNth) % 2] ?? right)
        await logIn(browser, 'alice')
        expect(browser.page.status).toBe(200)
        await openWhenRunning(browser, url)
        expect(browser.history.length).toBeLessThan(8)
        expect(await whoIs(browser)).toBe('alice')
      }
    }
  })

  /** What a script of the console, or of the workspace's own page, is answered by one of them. */
  const ask = async (by: ServedReplica, browser: ScriptedBrowser, to: string) => {
    const cookie = browser.cookies.header({ url: new URL(to), isSameSite: true, isSafeNavigation: false }) ?? ''
    return (await plainRequest(to, { address: by.host, headers: { Cookie: cookie } })).status
  }

  test('#85 a share ends by the clock of whoever is asked, and so never late by the right one', async () => {
    const browser = await logIn(
      browserBy(() => right),
      'bob',
    )
    expect((await browser.open(url)).status).toBe(403)
    using shares = openShareChanger(world.team)
    const end = Date.now() + skew + 4 * seconds
    await shares.share('nb', { users: ['bob'], expiresAt: new Date(end).toISOString() })
    for (const replica of [right, early]) await expect.poll(() => ask(replica, browser, url)).toBe(200)
    await expect.poll(() => ask(early, browser, url), { timeout: 6 * seconds }).toBe(403)
    expect(await ask(right, browser, url)).toBe(200)
    await shares.revoke('nb')
  })

  test('the Lease stays with one of them: whether it has run out is judged by how long it was not seen to change', async () => {
    // Twice the time after which a Lease is free.
    await delay(Math.max(0, startedAt + 20 * seconds - Date.now()))
    const chores = [right, early].map(({ lines }) => lines.filter((line) => line.includes('does the housekeeping')))
    expect(chores.flat()).toHaveLength(1)
    const lease = JSON.parse(await world.ours(['get', 'lease', 'gatehouse-housekeeping', '-o', 'json']))
    expect(lease.spec.leaseTransitions).toBe(0)
  })

  test('#85 a session is renewed once, nobody is logged out by it, and it ends for both no later than five minutes after its time', {
    timeout: 60_000,
  }, async () => {
    const browser = await logIn(
      browserBy(() => right),
      'alice',
    )
    const renewals = async () => {
      const texts = await Promise.all([right, early].map((replica) => replica.figures()))
      return texts.map((text) => Number(/^gatehouse_renewals_total\{outcome="ok"\} (\d+)$/m.exec(text)?.[1] ?? 0))
    }
    const sum = async () => (await renewals()).reduce((one, other) => one + other, 0)
    const before = await sum()
    const whoami = world.origin + api.whoami
    passed.time = 51 * minutes
    const everywhere = Array.from({ length: 25 }, () => [right, early]).flat()
    const statuses = await Promise.all(everywhere.map((replica) => ask(replica, browser, whoami)))
    expect(new Set(statuses)).toEqual(new Set([200]))
    await expect.poll(sum).toBe(before + 1)
    passed.time = 65 * minutes
    for (const replica of [right, early]) await expect.poll(() => ask(replica, browser, whoami)).toBe(200)
    expect(await sum()).toBe(before + 1)
    passed.time = 51 * minutes + hour + skew + minutes
    for (const replica of [right, early]) expect(await ask(replica, browser, whoami)).toBe(401)
  })
})

/** The installed chart with three replicas, which no balancer keeps anybody at: their sessions, and their keys. */
import { setTimeout as delay } from 'node:timers/promises'
import { decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { press } from '#test/behaviour/gateway/scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { listObjects, mergeObject, readObject } from '#test/support/cluster-api.ts'
import {
  askEverywhere,
  presentEverywhere,
  statusesEverywhere,
  untilEverywhere,
} from '#test/support/cluster-site/everywhere.ts'
import { logOf } from '#test/support/cluster-site/insight.ts'
import { type ClusterSite, openSite, openWhenRunning } from '#test/support/cluster-site/site.ts'
import { steadily } from '#test/support/cluster-site/steady-stream.ts'
import type { EchoAnswer } from '#test/support/echo-container.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'

interface SessionObject {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly username: string; readonly expiresAt: string }
}

/** Each in base64. */
interface RingData {
  readonly spec: string
  readonly generation: string
}

interface Key {
  readonly kid: string
  readonly createdAt: string
  readonly secret: string
}

const thrownOut = { code: 1008, reason: 'session ended' }
const ringSecret = 'gatehouse-session-keys'
const hour = 3_600_000
const day = 24 * hour
/** For so long a new key signs nothing. */
const settling = 5_000

describeWith('helm', 'three replicas', () => {
  let site: ClusterSite
  let url: string
  beforeAll(async () => {
    // Short enough to wait for.
    site = await openSite({ settings: { sessions: { renewEvery: '24s' } } })
    const [workspace, alice] = await Promise.all([
      site.workspace('nb', { owner: 'alice', spec: { accessType: 'Public' } }),
      site.as('alice'),
    ])
    await openWhenRunning(alice, workspace.url)
    url = workspace.url
  }, 120_000)
  afterAll(() => site[Symbol.asyncDispose]())

  const sessions = async (username: string): Promise<readonly SessionObject[]> => {
    const kind = { apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceSession', namespace: site.namespace }
    return (await listObjects<SessionObject>(kind)).filter(({ spec }) => spec.username === username)
  }
  const ring = () => ({
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: site.namespace, name: ringSecret } },
  })
  const ringData = async () => (await readObject<{ readonly data: RingData }>(ring())).data
  const keys = async (): Promise<readonly Key[]> =>
    JSON.parse(Buffer.from((await ringData()).spec, 'base64').toString()).keys
  const isAt = async (browser: ScriptedBrowser, to: string) => {
    const page = await browser.open(to)
    expect([page.status, page.url.href]).toEqual([200, to])
  }

  test('[JK24.1] serve one login without sticky sessions, each by itself at once', async () => {
    const [first, ...others] = site.replicas
    const alice = await site.as('alice', first)
    await isAt(alice, url)
    expect(others).toHaveLength(2)
    for (const replica of others) {
      const there = site.through(replica, alice)
      expect((await there.navigate(url)).status).toBe(200)
      using socket = await site.socket(there, url, replica)
      expect((await socket.ask('hello')).toString()).toBe('hello')
      expect((await there.navigate(`${site.origin}/`)).status).toBe(200)
    }
  }, 60_000)

  test('the ticket of a hand-over is good once, at whichever of them: of three that have it at once one gives a session, and none later', async () => {
    const began = new Date()
    const alice = await site.as('alice')
    const ticket = await ticketFor(alice)
    const Cookie = alice.cookies.header({ url: ticket, isSameSite: true, isSafeNavigation: true }) ?? ''
    const present = async () => {
      const tabs = site.replicas.map((replica) => site.through(replica, site.browser()))
      const answers = await Promise.all(tabs.map((tab) => tab.navigate(ticket, { headers: { Cookie } })))
      const given = answers.map(({ headers }) => headers['set-cookie']?.some((one) => /^__Host-gatehouse=\w/.test(one)))
      return given.filter((isGiven) => isGiven).length
    }
    expect(await present()).toBe(1)
    expect(await present()).toBe(0)
    const refusals = async () => {
      const lines = await Promise.all(site.replicas.map(({ pod }) => logOf(site, pod, began)))
      return lines.flat().filter(({ event, reason }) => event === 'deny' && reason === 'ticket:used')
    }
    await expect.poll(refusals).toHaveLength(5)
  }, 60_000)

  test('kubectl shows who is in, and throws out: on all of them within 2 s, and nobody else', async () => {
    const [carol, alice] = await Promise.all([site.as('carol'), site.as('alice')])
    await Promise.all([isAt(carol, url), isAt(alice, url)])
    using ofCarol = await presentEverywhere(site, carol, url)
    using kept = await presentEverywhere(site, alice, url)
    const [session, ...more] = await sessions('carol')
    expect(more).toEqual([])
    const name = session?.metadata.name ?? ''
    const [head = '', ...rows] = (await site.ours(['get', 'workspacesessions'])).split('\n')
    expect(head.split(/\s{2,}/).map((column) => column.trim())).toEqual([
      'NAME',
      'USER',
      'KIND',
      'ISSUER',
      'AGE',
      'EXPIRES',
    ])
    const row = rows.find((one) => one.startsWith(name))?.split(/\s+/)
    expect(row?.slice(1, 4)).toEqual(['carol', 'browser', `https://idp.${site.namespace}.svc`])
    await site.ours(['delete', 'workspacesession', name])
    await ofCarol.closedWith(thrownOut, performance.now())
    expect(await statusesEverywhere(site, carol, url)).toEqual([401, 401, 401])
    expect(await kept.live()).toBe(true)
  }, 60_000)

  test('[JK2.5] a logout on one of them is one on all, and at the issuer, which asks for the password again', async () => {
    const [first, ...others] = site.replicas
    const carol = await site.as('carol')
    await isAt(carol, url)
    using present = await presentEverywhere(site, carol, url)
    const there = first ? site.through(first, carol) : carol
    await there.navigate(site.origin + paths.whoami)
    await press(there, paths.logout)
    await present.closedWith(thrownOut, performance.now())
    expect(others).toHaveLength(2)
    expect(await sessions('carol')).toEqual([])
    // Whoever still has the cookies of before has nothing.
    expect(await statusesEverywhere(site, carol, url)).toEqual([401, 401, 401])
    const page = await carol.open(url)
    expect([page.status, page.url.hostname]).toEqual([200, `idp.${site.namespace}.svc`])
    expect(page.forms[0]?.fields.has('password')).toBe(true)
  }, 60_000)

  test('[JK11.4] [JK11.5] fifty requests at once, on all of them, when a session has to be renewed: the issuer is asked once, and all go on by what came of it; where it refuses, the session ends when it would have ended', async () => {
    const asked = async () => (await site.provider.asked())['/token'] ?? 0
    const expiry = async (username: string) => Date.parse((await sessions(username))[0]?.spec.expiresAt ?? '')
    // Within the last sixth of its life.
    const untilDue = (expiresAt: number) => delay(Math.max(0, expiresAt - 3_500 - Date.now()))
    const [bob, dave] = [await site.as('bob'), await site.as('dave')]
    await Promise.all([isAt(bob, url), isAt(dave, url)])
    await site.provider.revoke('bob')
    const [bobsEnd, expiresAt] = [await expiry('bob'), await expiry('dave')]
    const before = await asked()
    await untilDue(bobsEnd)
    expect((await bob.fetch(url)).status).toBe(200)
    await expect.poll(asked).toBe(before + 1)
    await untilDue(expiresAt)
    const wave = async () => {
      const rounds = await Promise.all(Array.from({ length: 17 }, () => askEverywhere(site, dave, url)))
      return rounds.flat().map(({ status }) => status)
    }
    const statuses = await wave()
    expect(statuses).toHaveLength(51)
    expect(new Set(statuses)).toEqual(new Set([200]))
    await until(async () => (await expiry('dave')) > expiresAt || undefined)
    const renewedUntil = await expiry('dave')
    expect(new Set(await wave())).toEqual(new Set([200]))
    expect(await asked()).toBe(before + 2)
    expect((await sessions('dave')).map(({ spec }) => Date.parse(spec.expiresAt))).toEqual([renewedUntil])
    await delay(Math.max(0, bobsEnd - Date.now()))
    expect(await statusesEverywhere(site, bob, url)).toEqual([401, 401, 401])
  }, 150_000)

  test('#82 #84 an update that replaces one after the other, while the keys are rotated, costs nobody a request or his login; sockets are told to come back', async () => {
    const alice = await site.as('alice')
    await isAt(alice, url)
    using present = await presentEverywhere(site, alice, url)
    const before = { pods: site.replicas.map(({ pod }) => pod), keys: await keys() }
    expect(before.keys).toHaveLength(1)
    await using stream = steadily(alice, url)
    const updating = renewedEvery('2h')
    await writeKeys(before.keys.map((key) => older(key, day)))
    const rotated = await until(async () => [await keys()].find((all) => all.length === 2))
    await updating
    for (const end of await Promise.all(present.sockets.map(({ closed }) => closed))) {
      expect(end).toMatchObject({ code: 1012, reason: 'gateway restarting' })
    }
    await site.findReplicas()
    expect(site.replicas.filter(({ pod }) => before.pods.includes(pod))).toEqual([])
    const answers = await stream.end()
    expect(answers.length).toBeGreaterThan(100)
    expect(answers.filter((answer) => answer !== 200)).toEqual([])
    expect(rotated.map(({ kid }) => kid)).toContain(before.keys[0]?.kid)
    expect(await statusesEverywhere(site, alice, url)).toEqual([200, 200, 200])
    using again = await presentEverywhere(site, alice, url)
    expect(await again.live()).toBe(true)
    // What is signed now is signed by the new key, and known to all.
    const carol = await site.as('carol')
    await isAt(carol, url)
    expect(await statusesEverywhere(site, carol, url)).toEqual([200, 200, 200])
    const newest = rotated.at(-1)?.kid ?? ''
    expect(carol.cookies.header({ url: new URL(url), isSameSite: true, isSafeNavigation: true })).toContain(newest)
  }, 150_000)

  test('[JK11.3] a key that follows another one signs nothing for its first 5 s, neither cookies nor tokens for apps; what the old one has signed is good on all of them until it is pruned', async () => {
    const old = await newestKey()
    const alice = await site.as('alice')
    await isAt(alice, url)
    const people = ['bob', 'carol', 'dave']
    const early = await Promise.all(site.replicas.map((replica, index) => site.as(people[index] ?? '', replica)))
    await Promise.all(early.map(ticketFor))
    await writeKeys([older(old, day)])
    const fresh = await until(async () => (await keys()).find(({ kid }) => kid !== old.kid))
    const usedFrom = Date.parse(fresh.createdAt) + settling
    // Each is given a cookie of that place, and the app a token about him, by another one of them.
    const signers = await Promise.all(early.map(signersAt))
    expect(Date.now()).toBeLessThan(usedFrom)
    expect(signers).toEqual(early.map(() => signed(old)))
    await delay(usedFrom - Date.now())
    const late = await Promise.all(site.replicas.map((replica) => site.as('carol', replica)))
    await Promise.all(late.map(ticketFor))
    expect(await Promise.all(late.map(signersAt))).toEqual(late.map(() => signed(fresh)))
    expect([early.length, late.length]).toEqual([3, 3])
    await areEverywhere([alice, ...early, ...late], url, 200)
    await areEverywhere([alice, ...early, ...late], site.origin + paths.whoami, 200)
    // As if it were a day and a half old, and its successor half a day.
    await writeKeys([older(old, 2 * day), older(fresh, 13 * hour)])
    await expect.poll(async () => (await keys()).map(({ kid }) => kid)).toEqual([fresh.kid])
    await areEverywhere([alice, ...early], url, 401)
    await areEverywhere(late, url, 200)
  }, 90_000)

  async function newestKey(): Promise<Key> {
    const key = (await keys()).at(-1)
    if (!key) throw new Error('there is no key')
    return key
  }

  const signed = ({ kid }: Key) => ({ console: kid, workspace: kid, token: kid })

  /** Where the browser is led to with a ticket, which it has not presented yet. */
  async function ticketFor(browser: ScriptedBrowser): Promise<URL> {
    let page = await browser.navigate(url)
    while (page.redirect && page.redirect.pathname !== paths.accept)
      page = await browser.navigate(page.redirect, { from: page })
    if (!page.redirect) throw new Error(`no ticket at ${page.url}`)
    return page.redirect
  }

  /** By which keys the cookies of a browser that presents its ticket now are signed, and what the app is told about its person. */
  async function signersAt(browser: ScriptedBrowser) {
    const page = await browser.follow()
    expect([page.status, page.url.href]).toEqual([200, url])
    const echo: EchoAnswer = JSON.parse(browser.page.body)
    const token = decodeProtectedHeader(echo.headers['X-Gatehouse-Assertion'] ?? '').kid
    return { console: kidAt(browser, `${site.origin}/`), workspace: kidAt(browser, url), token }
  }

  function kidAt(browser: ScriptedBrowser, place: string): string | undefined {
    const cookie = browser.cookies.header({ url: new URL(place), isSameSite: true, isSafeNavigation: true })
    return /gatehouse[\w-]*=([0-9a-f]{8})\./.exec(cookie ?? '')?.[1]
  }

  /** In the end. */
  async function areEverywhere(browsers: readonly ScriptedBrowser[], to: string, status: number): Promise<void> {
    for (const browser of browsers) await untilEverywhere(site, browser, to, { status })
  }

  /** As helm puts it in force: by other pods. */
  function renewedEvery(span: string): Promise<void> {
    const external = { scheme: 'https', port: site.port }
    return site.upgrade({ settings: { external, sessions: { renewEvery: span } } })
  }

  /** As if it had been made so much earlier, and a minute. */
  function older(key: Key, span: number): Key {
    return { ...key, createdAt: new Date(Date.parse(key.createdAt) - span - 60_000).toISOString() }
  }

  async function writeKeys(all: readonly Key[]): Promise<void> {
    const spec = Buffer.from(JSON.stringify({ keys: all })).toString('base64')
    const before = Buffer.from((await ringData()).generation, 'base64').toString()
    const generation = Buffer.from(String(Number(before) + 1)).toString('base64')
    await mergeObject(ring(), { data: { spec, generation } })
  }
})

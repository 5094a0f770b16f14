/** An API server, and an etcd, that stand still for a minute under traffic: what is known goes on, nothing new is let in, and then all is as it was. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loginPath, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { type Asker, askerOf } from '#test/support/cluster-site/asker.ts'
import { freeze } from '#test/support/cluster-site/frozen.ts'
import { openShareChanger, type ShareChanger } from '#test/support/cluster-site/share-changer.ts'
import { type ClusterSite, openSite, openWhenRunning, type SiteReplica } from '#test/support/cluster-site/site.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'
import type { WorkspaceSocket } from '#test/support/workspace-socket.ts'

const seconds = 1_000
/** As long as it stands still. */
const span = 60 * seconds
/** Whoever asks first waits the 5 s after which nobody is known to answer, and is let in as a moment ago; nobody waits longer. */
const patience = 6 * seconds

describeWith('freezing', 'a control plane that stands still for 60 s', (program) => {
  let site: ClusterSite
  let shares: ShareChanger
  beforeAll(async () => {
    site = await openSite({ replicas: 2, people: 2 })
    shares = openShareChanger(site.team)
  }, 120_000)
  afterAll(async () => {
    shares?.[Symbol.dispose]()
    await site?.[Symbol.asyncDispose]()
  })

  test('#83 the API server: who was in goes on, who was not gets a 503 that asks to come again, and a share made right after works within 2 s', {
    timeout: 240_000,
  }, async () => {
    const { url } = await site.workspace('first', { owner: 'alice' })
    const [alice, bob, dave] = [await site.as('alice'), await site.as('bob'), await site.as('dave')]
    await openWhenRunning(alice, url)
    // He has the cookie of that host, and nobody was asked about him: there was no grant to ask about.
    expect((await dave.open(url)).status).toBe(403)
    await shares.share('first', { users: ['bob'], called: 'for-bob' })
    await shares.share('first', { users: ['dave'] })
    await openWhenRunning(bob, url)
    await using traffic = await goOn(site, [alice, bob], url)
    {
      await using frozen = await freeze(program, 'kube-apiserver')
      const frozenUntil = Date.now() + span
      await delay(1 * seconds)
      using asker = askerOf(site, dave)
      for (const replica of site.replicas) expect((await asker.ask(replica, url)).status).toBe(503)
      await newcomerIsAskedToComeAgain(site, 'u0')
      await delay(frozenUntil - Date.now())
      for (const replica of site.replicas) expect((await asker.ask(replica, url)).status).toBe(503)
      await frozen.thaw()
      for (const took of await change({ site, shares, name: 'first', browser: dave, url }))
        expect(took).toBeLessThan(2 * seconds)
    }
    expect(await traffic.end()).toEqual([])
  })

  test('etcd: who was in goes on, nobody new can log in, and then shares are followed within 2 s again', {
    timeout: 240_000,
  }, async () => {
    await site.findReplicas()
    const { url } = await site.workspace('second', { owner: 'alice' })
    const [alice, dave] = [await site.as('alice'), await site.as('dave')]
    await openWhenRunning(alice, url)
    await shares.share('second', { users: ['dave'] })
    await openWhenRunning(dave, url)
    await using traffic = await goOn(site, [alice], url)
    {
      await using frozen = await freeze(program, 'etcd')
      const frozenUntil = Date.now() + span
      await delay(1 * seconds)
      await newcomerIsAskedToComeAgain(site, 'u1')
      await delay(frozenUntil - Date.now())
      await frozen.thaw()
      // The API server itself first has to find its way back to it.
      await change({ site, shares, name: 'second', browser: dave, url })
      for (const took of await change({ site, shares, name: 'second', browser: dave, url }))
        expect(took).toBeLessThan(2 * seconds)
    }
    expect(await traffic.end()).toEqual([])
  })
})

/** Who he is can't be written down, and so nobody is let in; what he is shown tries again. */
async function newcomerIsAskedToComeAgain(site: ClusterSite, username: string): Promise<void> {
  const browser = site.browser()
  await browser.open(`${site.origin}/`)
  const { status, headers, body } = await browser.login(username, site.password)
  expect({ status, again: headers['retry-after'] }).toEqual({ status: 503, again: '5' })
  const again = loginPath({ issuer: 'main', to: paths.console }).replaceAll('&', '&amp;')
  expect(body).toContain(`content="5;url=${again}"`)
  expect((await browser.navigate(`${site.origin}/`)).status).toBe(302)
}

interface Change {
  readonly site: ClusterSite
  readonly shares: ShareChanger
  readonly name: string
  readonly browser: ScriptedBrowser
  readonly url: string
}

/** Takes a share away and gives it again: how long each took, from the API server's answer to the last replica's. */
async function change({ site, shares, name, browser, url }: Change): Promise<readonly number[]> {
  using asker = askerOf(site, browser)
  // What is under way at the instant that access ends is reset, which is no answer yet.
  const ask = (replica: SiteReplica) =>
    asker.ask(replica, url).then(
      (answer) => answer.status,
      () => 'cut' as const,
    )
  const becomes = async (status: number) => {
    const began = performance.now()
    for (const replica of site.replicas) await until(async () => ((await ask(replica)) === status ? true : undefined))
    return performance.now() - began
  }
  const revoke = async () => {
    await shares.revoke(name)
    return true
  }
  // It does not answer everybody at once who has waited for it.
  await until(() => revoke().catch(() => undefined))
  const revoked = await becomes(403)
  await shares.share(name, { users: ['dave'] })
  return [revoked, await becomes(200)]
}

interface Traffic extends AsyncDisposable {
  /** What was not as it should be. */
  end(): Promise<readonly string[]>
}

/** Requests and a socket of each person on each replica, and the probe that keeps a pod in its Service. */
async function goOn(site: ClusterSite, people: readonly ScriptedBrowser[], url: string): Promise<Traffic> {
  const ending = new AbortController()
  const faults: string[] = []
  const runs: Promise<void>[] = []
  for (const replica of site.replicas) {
    runs.push(keepProbing(replica, ending.signal, faults))
    for (const browser of people) {
      const socket = await site.socket(browser, url, replica)
      runs.push(keepUsing({ replica, asker: askerOf(site, browser), socket, url }, ending.signal, faults))
    }
  }
  const end = async () => {
    ending.abort()
    await Promise.all(runs)
    return faults
  }
  return { end, [Symbol.asyncDispose]: async () => void (await end()) }
}

async function keepProbing({ pod, address }: SiteReplica, signal: AbortSignal, faults: string[]): Promise<void> {
  while (!signal.aborted) {
    const answer = await fetch(`http://${address}:8802/readyz`).catch((error: unknown) => ({ status: String(error) }))
    if (answer.status !== 200) faults.push(`${pod} is not ready: ${answer.status}`)
    await delay(1 * seconds)
  }
}

interface Use {
  readonly replica: SiteReplica
  readonly asker: Asker
  readonly socket: WorkspaceSocket
  readonly url: string
}

async function keepUsing(use: Use, signal: AbortSignal, faults: string[]): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const began = performance.now()
    const fault = await useOnce(use, turn).catch(String)
    const took = performance.now() - began
    if (fault !== undefined) faults.push(`${use.replica.pod} in turn ${turn}: ${fault}`)
    if (took > patience) faults.push(`${use.replica.pod} in turn ${turn}: after ${took} ms`)
    await delay(500)
  }
  use.socket[Symbol.dispose]()
  use.asker[Symbol.dispose]()
}

async function useOnce({ asker, replica, url, socket }: Use, turn: number): Promise<string | undefined> {
  const { status } = await asker.ask(replica, url)
  if (status !== 200) return `status ${status}`
  if (!socket.isOpen()) return `its socket is closed with ${(await socket.closed).code}`
  await socket.ask(`turn ${turn}`)
  return undefined
}

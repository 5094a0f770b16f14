/** How replicas of the installed chart come, go and take turns: readiness, the end of a pod, evictions, the Lease of the housekeeping. */
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { cookieFor } from '#test/behaviour/gateway/scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { kubectl, tryKubectl } from '#test/support/cluster.ts'
import { listObjects, mergeObject, readObject } from '#test/support/cluster-api.ts'
import { presentEverywhere, statusesEverywhere } from '#test/support/cluster-site/everywhere.ts'
import { openNodeHand } from '#test/support/cluster-site/node-hand.ts'
import { type ClusterSite, openSite, openWhenRunning, type SiteReplica } from '#test/support/cluster-site/site.ts'
import { steadily } from '#test/support/cluster-site/steady-stream.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'

interface Readiness {
  readonly status: number
  readonly missing?: readonly string[]
}

interface Budget {
  readonly status: { readonly disruptionsAllowed: number }
}

interface Lease {
  readonly spec: { readonly holderIdentity: string }
}

interface Pod {
  readonly metadata: { readonly name: string }
  readonly status: { readonly podIP?: string }
}

describeWith('helm', 'replicas', () => {
  let site: ClusterSite
  let alice: ScriptedBrowser
  let url: string
  beforeAll(async () => {
    site = await openSite()
    const [workspace, browser] = await Promise.all([site.workspace('nb', { owner: 'alice' }), site.as('alice')])
    await openWhenRunning(browser, workspace.url)
    alice = browser
    url = workspace.url
  }, 120_000)
  afterAll(() => site[Symbol.asyncDispose]())

  test('#81 [JK2.4] [JK23.1] a new one is alive at once, and ready when its caches and keys are there, with an issuer that is down: whoever is logged in goes on at all, and nobody logs in; its counters are by route and name nobody', async () => {
    const late = await comesBack()
    const bindings = await takeAway('clusterrolebinding', 'rolebinding')
    await site.ours(['scale', `deployment/${site.namespace}`, '--replicas=4'])
    const newcomer = await until(async () => (await addresses()).find((one) => !isKnown(one)))
    await until(async () => (await operations(newcomer, '/healthz'))?.status === 200 || undefined)
    expect(await readiness(newcomer)).toEqual({
      status: 503,
      missing: expect.arrayContaining(['workspaces-known', 'keys-loaded']),
    })
    await site.ours(['delete', 'pod', 'idp', '--grace-period=0', '--force'])
    await kubectl(['create', '-f', '-'], { input: bindings })
    await until(async () => (await readiness(newcomer))?.status === 200 || undefined)
    // The issuer is still away, and the others may remember what it said of itself.
    expect((await site.through(newcomer, site.browser()).open(`${site.origin}/`)).status).toBe(503)
    expect((await late.browser.navigate(late.callback)).status).toBe(503)
    for (const replica of await site.findReplicas(4)) {
      expect(await readiness(replica)).toEqual({ status: 200 })
      expect((await operations(replica, '/healthz'))?.status).toBe(200)
      const counted = async () =>
        (await figures(replica)).get('gatehouse_requests_total{route="workspace",outcome="forwarded"}') ?? 0
      const before = await counted()
      const there = site.through(replica, alice)
      for (let round = 0; round < 3; round += 1) expect((await there.fetch(url)).status).toBe(200)
      expect(await counted()).toBe(before + 3)
      const told = (await operations(replica, '/metrics'))?.body ?? ''
      for (const name of ['alice', 'demo-alice', site.team]) expect(told).not.toContain(name)
    }
    await site.ours(['scale', `deployment/${site.namespace}`, '--replicas=3'])
    await site.findReplicas(3)
  }, 120_000)

  test('#82 [JK23.2] an evicted one is not ready any more, finishes what is in flight and closes its sockets with 1012; no second one is let go meanwhile', async () => {
    const [leaving, staying, ...others] = site.replicas
    if (!leaving || !staying) throw new Error('there are no replicas')
    const budget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: ours(site.namespace) }
    const allowed = async () => (await readObject<Budget>(budget)).status.disruptionsAllowed
    await until(async () => (await allowed()) === 1 || undefined)
    using present = await presentEverywhere(site, alice, url)
    const slow = slowUpload(leaving)
    expect((await evict(leaving)).code).toBe(0)
    const asked = performance.now()
    expect(await evict(staying)).toMatchObject({ code: 1, stderr: expect.stringContaining('disruption budget') })
    const [told, ...untold] = present.sockets
    expect(await told?.closed).toMatchObject({ code: 1012, reason: 'gateway restarting' })
    expect(await readiness(leaving)).toEqual({ status: 503, missing: ['not-draining'] })
    await expect(site.through(leaving, alice).fetch(url)).rejects.toThrow('ECONNREFUSED')
    const body = await slow.finish()
    expect(JSON.parse(body)).toMatchObject({ method: 'POST', body: 'first, last' })
    await site.ours(['wait', '--for=delete', `pod/${leaving.pod}`, '--timeout=30s'])
    expect(performance.now() - asked).toBeLessThan(30_000)
    for (const socket of untold) expect((await socket.ask('still')).toString()).toBe('still')
    await site.findReplicas(3)
    expect(site.replicas.map(({ pod }) => pod)).toEqual(
      expect.arrayContaining([staying, ...others].map(({ pod }) => pod)),
    )
    expect(await statusesEverywhere(site, alice, url)).toEqual([200, 200, 200])
  }, 120_000)

  test('[AC5.2] [AC5.3] one keeps house, all serve: the Lease changes hands without a request lost, and within 15 s where its holder is killed', async () => {
    await Promise.all(site.replicas.map((replica) => site.through(replica, alice).fetch(url)))
    const first = await holder()
    const streams = site.replicas.map((replica) => steadily(site.through(replica, alice), url))
    // By somebody who is not there: whoever held it stops, and it is free when it has run out.
    await mergeObject(lease(), { spec: { holderIdentity: 'somebody-else' } })
    const second = await until(async () => [await holder()].find((one) => one !== 'somebody-else'))
    for (const stream of streams) {
      const answers = await stream.end()
      expect(answers.length).toBeGreaterThan(10)
      expect(answers.filter((answer) => answer !== 200)).toEqual([])
    }
    expect(first.length).toBeGreaterThan(0)
    const [victim] = site.replicas.filter(({ pod }) => second.startsWith(`${pod}_`))
    if (!victim) throw new Error(`nobody is ${second}`)
    const survivors = site.replicas.filter((replica) => replica !== victim)
    const surviving = survivors.map((replica) => steadily(site.through(replica, alice), url))
    const hand = await openNodeHand(site.namespace)
    const killed = await hand.kill(victim.pod)
    const third = await until(async () => [await holder()].find((one) => one !== second))
    expect(Date.now() - killed).toBeLessThan(15_000)
    expect(survivors.some(({ pod }) => third.startsWith(`${pod}_`))).toBe(true)
    for (const stream of surviving) expect((await stream.end()).filter((answer) => answer !== 200)).toEqual([])
    await site.findReplicas(3)
    expect(await statusesEverywhere(site, alice, url)).toEqual([200, 200, 200])
  }, 120_000)

  /** Somebody whom the issuer has just let in, and who comes back from there with a code. */
  async function comesBack(): Promise<{ readonly browser: ScriptedBrowser; readonly callback: URL }> {
    const browser = site.browser()
    await browser.open(`${site.origin}/`)
    let page = await browser.submitOnly({ username: 'bob', password: site.password })
    while (page.redirect && page.redirect.pathname !== paths.callback)
      page = await browser.navigate(page.redirect, { from: page })
    if (!page.redirect) throw new Error(`no way back from ${page.url}`)
    return { browser, callback: page.redirect }
  }

  const ours = (name: string) => ({ namespace: site.namespace, name })
  const lease = () => ({
    ...{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
    metadata: ours('gatehouse-housekeeping'),
  })
  const holder = async () => (await readObject<Lease>(lease())).spec.holderIdentity
  const isKnown = ({ pod }: SiteReplica) => site.replicas.some((known) => known.pod === pod)

  /** Of all its pods that have one, ready or not. */
  async function addresses(): Promise<readonly SiteReplica[]> {
    const labelSelector = `app.kubernetes.io/instance=${site.namespace}`
    const pods = await listObjects<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace: site.namespace, labelSelector })
    return pods.flatMap(({ metadata, status: { podIP } }) =>
      podIP === undefined ? [] : [{ pod: metadata.name, address: podIP }],
    )
  }

  /** Its listener for those who run it; `undefined` while it does not listen. */
  async function operations({ address }: SiteReplica, path: string) {
    const answer = await fetch(`http://${address}:8802${path}`).catch(() => undefined)
    return answer && { status: answer.status, body: await answer.text() }
  }

  async function readiness(replica: SiteReplica): Promise<Readiness | undefined> {
    const answer = await operations(replica, '/readyz')
    if (!answer) return undefined
    const { missing } = JSON.parse(answer.body)
    return { status: answer.status, ...(missing ? { missing } : {}) }
  }

  async function figures(replica: SiteReplica): Promise<ReadonlyMap<string, number>> {
    const lines = ((await operations(replica, '/metrics'))?.body ?? '').split('\n')
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    )
  }

  /** The gateway's rights; given back by creating what this returns. */
  async function takeAway(...kinds: readonly string[]): Promise<readonly object[]> {
    const selector = `app.kubernetes.io/instance=${site.namespace}`
    const all: object[] = []
    for (const kind of kinds) {
      const { items } = JSON.parse(await site.ours(['get', kind, '-l', selector, '-o', 'json']))
      for (const { apiVersion, kind: name, metadata, roleRef, subjects } of items) {
        const { namespace, labels, annotations } = metadata
        all.push({
          apiVersion,
          kind: name,
          metadata: { name: metadata.name, namespace, labels, annotations },
          roleRef,
          subjects,
        })
      }
      await site.ours(['delete', kind, '-l', selector])
    }
    return all
  }

  function evict({ pod }: SiteReplica) {
    const metadata = { namespace: site.namespace, name: pod }
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata }
    const path = `/api/v1/namespaces/${site.namespace}/pods/${pod}/eviction`
    return tryKubectl(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(eviction) })
  }

  /** A request to the app of which half is sent; the rest, and with it the answer, when it is finished. */
  function slowUpload({ address }: SiteReplica): { finish(): Promise<string> } {
    const target = new URL(url)
    const headers = { Host: target.host, Origin: target.origin, 'Content-Length': '11', ...cookieFor(alice, url) }
    const call = request({
      host: address,
      port: target.port,
      path: '/slow',
      method: 'POST',
      headers,
      ca: site.caText,
      agent: false,
    })
    const answered = new Promise<string>((resolve, reject) => {
      call.once('error', reject)
      call.once('response', (answer) => text(answer).then(resolve, reject))
    })
    call.write('first,')
    return {
      finish() {
        call.end(' last')
        return answered
      },
    }
  }
})

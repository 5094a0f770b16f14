/** Two Gatehouses in one cluster, one of them with three replicas: which workspaces they serve, by which settings, and what they leave alone. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { api } from '#surface/urls.ts'
import { callApi, press, share, withBob } from '#test/behaviour/gateway/scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { kubectl } from '#test/support/cluster.ts'
import {
  presentEverywhere,
  revocationBound,
  statusesEverywhere,
  untilEverywhere,
} from '#test/support/cluster-site/everywhere.ts'
import { type ClusterSite, openSite, openWhenRunning } from '#test/support/cluster-site/site.ts'
import { rbacSays } from '#test/support/rbac-says.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'
import { managerAnnotation } from '#workspace/annotations.ts'

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

interface Manager {
  readonly metadata: { readonly generation: number }
  readonly spec: { readonly oidc: readonly object[] }
  readonly status?: { readonly conditions?: readonly Condition[] }
}

const allowed = [200, 200, 200]
const refused = [403, 403, 403]

describeWith('helm', 'two Gatehouses in one cluster', () => {
  let site: ClusterSite
  let other: ClusterSite
  let alice: ScriptedBrowser
  const opened = new AsyncDisposableStack()
  beforeAll(async () => {
    const bare = { managerSpec: { administrators: {} } }
    const opening = [openSite(), openSite({ ...bare, replicas: 1 })].map(async (one) => opened.use(await one))
    // Both are waited for, so that one is closed as well where the other fails.
    const both = await Promise.allSettled(opening)
    for (const one of both) if (one.status === 'rejected') throw one.reason
    const [first, second] = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    if (!first || !second) throw new Error('there are not two')
    site = first
    other = second
    alice = await site.as('alice')
  }, 180_000)
  afterAll(() => opened.disposeAsync(), 60_000)

  /** Which pods serve, and how often their containers were started anew. */
  const podsOf = ({ ours }: ClusterSite) =>
    ours(['get', 'pods', '-l', 'app.kubernetes.io/name=gatehouse', '-o', podLines])
  const managedBy = (manager: ClusterSite) => JSON.stringify({ spec: { managerRef: { name: manager.namespace } } })
  const accepted = async (): Promise<Condition | undefined> => {
    const manager = await site.manager<Manager>()
    const found = manager.status?.conditions?.find(({ type }) => type === 'Accepted')
    return found?.observedGeneration === manager.metadata.generation ? found : undefined
  }

  const said = async () => {
    const condition = await accepted()
    return [condition?.reason, condition?.message]
  }

  test('[JK6.1] freshly installed, without shares and with accessType unset, everybody but the owner gets 403', async () => {
    const { url } = await other.workspace('nb', { owner: 'alice' })
    const owner = await other.as('alice')
    await openWhenRunning(owner, url)
    expect(await other.kubectl(['get', 'workspaceshares.workspace.jupyter.org', '-o', 'name'])).toBe('')
    expect(await other.kubectl(['get', 'workspace', 'nb', '-o', 'jsonpath={.spec.accessType}'])).toBe('')
    for (const username of ['bob', 'carol', 'dave']) {
      const visitor = await other.as(username)
      expect((await visitor.open(`${url}lab`)).status).toBe(403)
      expect(await statusesEverywhere(other, visitor, url)).toEqual([403])
      await expect(other.socket(visitor, url)).rejects.toThrow('refused with 403')
    }
  }, 60_000)

  test('[JK7.1] [JK7.2] each serves the workspaces of its manager alone; a changed reference moves the route, and nothing restarts', async () => {
    const { url } = await site.workspace('moving', { owner: 'alice' })
    await site.workspace('staying', { owner: 'alice' })
    const there = await other.as('alice')
    await openWhenRunning(alice, url)
    await openWhenRunning(alice, site.url('staying'))
    expect((await there.open(url)).status).toBe(403)
    expect((await alice.open(other.url('nb'))).status).toBe(403)
    const before = [await podsOf(site), await podsOf(other)]
    await alice.open(url)
    using moving = await presentEverywhere(site, alice, url)
    using staying = await presentEverywhere(site, alice, site.url('staying'))
    await site.kubectl(['patch', 'workspace', 'moving', '--type=merge', '-p', managedBy(other)], { as: 'alice' })
    const moved = performance.now()
    await moving.closedWith({ code: 1001 }, moved)
    expect(await statusesEverywhere(site, alice, url)).toEqual(refused)
    await openWhenRunning(there, url)
    expect(await staying.live()).toBe(true)
    await site.kubectl(['patch', 'workspace', 'moving', '--type=merge', '-p', managedBy(site)], { as: 'alice' })
    await untilEverywhere(site, alice, url, { status: 200 })
    expect((await there.open(url)).status).toBe(403)
    expect([await podsOf(site), await podsOf(other)]).toEqual(before)
  }, 90_000)

  test('beside a schema that is not ours an annotation names the manager as well', async () => {
    const annotations = { [managerAnnotation]: other.namespace }
    const { url } = await other.workspace('annotated', { owner: 'alice', annotations, spec: { managerRef: undefined } })
    const there = await other.as('alice')
    await openWhenRunning(there, url)
    const named = ['get', 'workspace', 'annotated', '-o', 'jsonpath={.spec.managerRef}']
    expect(await other.kubectl(named)).toBe('')
    await other.kubectl(['annotate', 'workspace', 'annotated', '--overwrite', `${managerAnnotation}=${site.namespace}`])
    await untilEverywhere(other, there, url, { status: 403 })
  }, 60_000)

  test('a domain and a routing that are changed are in force on the pod that runs, and so are those of before when they are back', async () => {
    const { ref, url } = await other.workspace('rerouted', { owner: 'alice' })
    const there = await other.as('alice')
    await openWhenRunning(there, url)
    const before = await podsOf(other)
    const statusAt = async (host: string) => (await other.browser().navigate(`https://${host}:${other.port}/`)).status
    const { host } = new URL(other.origin)
    const { hostname: workspaceHost } = new URL(url)
    await other.manage({ routing: { mode: 'path' } })
    const byPath = `https://workspaces.${host}/workspaces/${ref.namespace}/${ref.name}/`
    await openWhenRunning(there, byPath)
    expect(await statusAt(workspaceHost)).toBe(421)
    // Below the name that the certificate is for.
    const [domain, moved] = [new URL(other.origin).hostname, `moved.${new URL(other.origin).hostname}`]
    await other.manage({ domain: moved })
    await expect.poll(() => statusAt(moved)).toBe(302)
    expect(await statusAt(domain)).toBe(421)
    await other.manage({ domain, routing: { mode: 'host' } })
    await openWhenRunning(there, url)
    // A name below the domain again, of no workspace.
    expect(await statusAt(moved)).toBe(404)
    expect(await podsOf(other)).toBe(before)
  }, 60_000)

  test('a bad change of the manager is refused in its conditions, and what was in force still is, on all replicas; the next good one counts', async () => {
    const { url } = await site.workspace('settled', { owner: 'alice' })
    await openWhenRunning(alice, url)
    const [dave, bob] = await Promise.all([site.as('dave'), site.as('bob')])
    for (const visitor of [dave, bob]) expect((await visitor.open(url)).status).toBe(403)
    await site.manage({ administrators: { groups: ['admins'], users: ['dave'] } })
    await untilEverywhere(site, dave, url, { status: 200 })
    expect(await until(accepted)).toMatchObject({ status: 'True', reason: 'InForce' })
    using ofDave = await presentEverywhere(site, dave, url)
    const { spec } = await site.manager<Manager>()
    // Whoever is alice at one of them would be alice at the other one.
    const oidc = [...spec.oidc, { ...spec.oidc[0], id: 'second', issuer: 'https://elsewhere.example' }]
    await site.manage({ oidc, administrators: { groups: ['admins'], users: ['bob'] } })
    const verdict = await until(accepted)
    expect(verdict).toMatchObject({ status: 'False', reason: 'Invalid' })
    expect(verdict.message).toContain('overlaps')
    expect(await site.ours(['get', 'workspacemanager', site.namespace])).toContain('False')
    const [issuer] = spec.oidc
    await site.manage({ oidc: [{ ...issuer, issuer: 'http://elsewhere.example' }] })
    await expect.poll(said).toMatchObject(['Invalid', expect.stringContaining('https')])
    await site.ours(['patch', 'secret', 'gatehouse-oidc', '--type=merge', '-p', weakSecret])
    await site.manage({ oidc: [{ ...issuer, clientSecretRef: { name: 'gatehouse-oidc', key: 'weak' } }] })
    await expect.poll(said).toMatchObject(['SecretUnusable', expect.stringContaining('placeholder')])
    await new Promise((resolve) => setTimeout(resolve, revocationBound))
    expect(await statusesEverywhere(site, dave, url)).toEqual(allowed)
    expect(await statusesEverywhere(site, bob, url)).toEqual(refused)
    expect(await ofDave.live()).toBe(true)
    // Logins go on by the settings before.
    expect((await (await site.as('carol')).open(url)).status).toBe(200)
    await site.manage({ oidc: spec.oidc })
    await untilEverywhere(site, bob, url, { status: 200 })
    await ofDave.closedWith({ code: 1008, reason: 'access ended' }, performance.now())
    expect(await until(accepted)).toMatchObject({ status: 'True', reason: 'InForce' })
    await site.manage({ administrators: { groups: ['admins'], users: [] } })
    await untilEverywhere(site, bob, url, { status: 403 })
  }, 120_000)

  test('[JK12.1] what was created can be reached within 2 s of being Available, on every replica, and nothing restarts', async () => {
    const before = await podsOf(site)
    // Available says that it answers.
    const readinessProbe = { tcpSocket: { port: 8888 }, periodSeconds: 1 }
    const first = await site.workspace('reached', { owner: 'alice', spec: { readinessProbe } })
    await alice.open(first.url)
    const looking = untilEverywhere(site, alice, first.url, { status: 200 }).then(() => performance.now())
    await site.kubectl(['wait', '--for=create', 'deployment/workspace-reached', '--timeout=30s'])
    await site.kubectl(['wait', '--for=condition=Available', 'deployment/workspace-reached', '--timeout=30s'])
    const available = performance.now()
    expect((await looking) - available).toBeLessThan(revocationBound)
    expect(await podsOf(site)).toBe(before)
  }, 60_000)

  test('nothing of a workspace is written: not by opening, connecting or sharing; by start and stop the wish alone', async () => {
    const { ref, url } = await site.workspace('untouched', { owner: 'alice' })
    await openWhenRunning(alice, url)
    const object = async () =>
      parse(await site.kubectl(['get', 'workspace', 'untouched', '-o', 'yaml', '--show-managed-fields']))
    const before = await object()
    using present = await presentEverywhere(site, alice, url)
    const { name } = await share(site, alice, ref, withBob)
    const bob = await site.as('bob')
    await bob.open(url)
    using _ = await presentEverywhere(site, bob, url)
    expect((await callApi(site, alice, 'DELETE', api.share(ref, name))).status).toBe(204)
    await alice.open(site.origin + api.workspace(ref))
    expect(await object()).toEqual(before)
    await alice.open(`${site.origin}/.gatehouse/open/${ref.namespace}/${ref.name}`)
    expect((await callApi(site, alice, 'POST', api.stop(ref))).status).toBe(202)
    await present.closedWith({ code: 1001 }, performance.now())
    const stopped = await object()
    const { managedFields, generation, resourceVersion, ...metadata } = stopped.metadata
    const { managedFields: was, generation: _g, resourceVersion: _v, ...metadataBefore } = before.metadata
    expect(metadata).toEqual(metadataBefore)
    expect(stopped.spec).toEqual({ ...before.spec, desiredStatus: 'Stopped' })
    expect(stopped.status).toEqual(before.status)
    const ours = managedFields.filter(
      (one: object) => !was.some((old: object) => 'manager' in old && 'manager' in one && old.manager === one.manager),
    )
    expect(ours.map(({ fieldsV1 }: { fieldsV1: object }) => fieldsV1)).toEqual([
      { 'f:spec': { 'f:desiredStatus': {} } },
    ])
    await until(async () => (await alice.open(url)).forms.find(({ action }) => action === api.start(ref)))
    await press(alice, api.start(ref))
    expect((await object()).spec).toEqual(before.spec)
    await openWhenRunning(alice, url)
  }, 90_000)

  test('[JK4.2] [JK4.3] OwnerOnly lets in its owner alone, Public everybody whom RBAC lets connect and nobody else, by name or by group', async () => {
    const mine = await site.workspace('mine', { owner: 'alice', spec: { accessType: 'OwnerOnly' } })
    const open = await site.workspace('public', { owner: 'alice', spec: { accessType: 'Public' } })
    const [bob, dave] = await Promise.all([site.as('bob'), site.as('dave')])
    for (const { url } of [mine, open]) {
      await openWhenRunning(alice, url)
      for (const visitor of [bob, dave]) await visitor.open(url)
    }
    for (const visitor of [bob, dave]) {
      expect(await statusesEverywhere(site, visitor, mine.url)).toEqual(refused)
      expect(await statusesEverywhere(site, visitor, open.url)).toEqual(allowed)
    }
    await site.kubectl(['delete', 'rolebinding', 'connects-dave'])
    await rbacSays({ namespace: site.team, user: 'dave' }, false)
    // What it said before stands for a while, and no longer than the workspace is as it was.
    const renamed = JSON.stringify({ spec: { displayName: 'Another name' } })
    await site.kubectl(['patch', 'workspace', open.ref.name, '--type=merge', '-p', renamed], { as: 'alice' })
    expect(await untilEverywhere(site, dave, open.url, { status: 403 })).toBeLessThan(revocationBound)
    // Dave is of the group ds.
    await kubectl(['create', 'rolebinding', 'connects-ds', '--role=connects', '--group=ds', '-n', site.team])
    await untilEverywhere(site, dave, open.url, { status: 200 })
    expect(await statusesEverywhere(site, dave, mine.url)).toEqual(refused)
  }, 120_000)
})

const weakSecret = JSON.stringify({ stringData: { weak: 'changeme' } })
const podLines = `jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].restartCount}{"\\n"}{end}`

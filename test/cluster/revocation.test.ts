/**
 * Who is let in, on each of three replicas of the installed chart, and how it ends: for the next request and for everything open, within 2 s of whatever
 * ended it, and for nobody else.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { api, openPath, paths } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { callApi, press, refreshOf, share, withBob } from '#test/behaviour/gateway/scene.ts'
import type { Page, ScriptedBrowser } from '#test/support/browser-session.ts'
import { type KubectlOptions, openNamespace, tryKubectl } from '#test/support/cluster.ts'
import { apply, listObjects, mergeObject, readObject } from '#test/support/cluster-api.ts'
import { type Asker, askerOf } from '#test/support/cluster-site/asker.ts'
import {
  askEverywhere,
  type Presence,
  presentEverywhere,
  revocationBound,
  statusesEverywhere,
  untilEverywhere,
} from '#test/support/cluster-site/everywhere.ts'
import { bindPeople } from '#test/support/cluster-site/people.ts'
import {
  type ClusterSite,
  openSite,
  openWhenRunning,
  type SiteReplica,
  type SiteWorkspace,
} from '#test/support/cluster-site/site.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'
import { makeSite, urlOf } from '#workspace/address.ts'

const names = ['alice', 'bob', 'carol', 'dave'] as const
type Person = (typeof names)[number]

const allowed = [200, 200, 200]
const refused = [403, 403, 403]
const accessEnded = { code: 1008, reason: 'access ended' }
const bobAsGrantee = { kind: 'User', name: 'bob' }
const sharedWith = (workspace: string, person: string) => ({
  workspaces: [{ name: workspace }],
  grantees: [{ kind: 'User', name: person }],
})

interface ShareObject {
  readonly metadata: { readonly name: string; readonly uid: string }
  readonly status?: {
    readonly workspaces?: readonly { readonly name: string; readonly uid: string }[]
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[]
  }
}

describeWith('helm', 'on all replicas', () => {
  let site: ClusterSite
  let people: Readonly<Record<Person, ScriptedBrowser>>
  beforeAll(async () => {
    site = await openSite()
    const [alice, bob, carol, dave] = await Promise.all([
      site.as('alice'),
      site.as('bob'),
      site.as('carol'),
      site.as('dave'),
    ])
    people = { alice, bob, carol, dave }
  }, 180_000)
  afterAll(() => site[Symbol.asyncDispose]())

  /** Runs, and alice has opened it; the others have cookies for its host, whatever they are told there. */
  async function opened(name: string, spec: object = {}): Promise<SiteWorkspace> {
    const workspace = await site.workspace(name, { owner: 'alice', spec })
    await openWhenRunning(people.alice, workspace.url)
    await Promise.all([
      people.bob.open(workspace.url),
      people.dave.open(workspace.url),
      people.carol.open(workspace.url),
    ])
    return workspace
  }

  async function sharedWithBob(name: string, input: object = {}): Promise<SiteWorkspace & { share: string }> {
    const workspace = await opened(name)
    const made = await share(site, people.alice, workspace.ref, { ...withBob, ...input })
    await untilEverywhere(site, people.bob, workspace.url, { status: 200 })
    return { ...workspace, share: made.name }
  }

  /** Bob's sockets and those of somebody who is to keep his. */
  async function bobAndCarol({ url }: SiteWorkspace): Promise<readonly [Presence, Presence]> {
    return [await presentEverywhere(site, people.bob, url), await presentEverywhere(site, people.carol, url)]
  }

  const shareObject = (name: string) => readObject<ShareObject>(shareManifest(name, {}))
  const acceptance = async (name: string) => {
    const { status } = await shareObject(name)
    const found = status?.conditions?.find(({ type }) => type === 'Accepted')
    return found && { status: found.status, reason: found.reason }
  }
  /** In whatever namespace. */
  const addressOf = (ref: WorkspaceRef) => {
    const { hostname: domain } = new URL(site.origin)
    return urlOf(makeSite({ domain, scheme: 'https', port: site.port, mode: 'host' }), ref, undefined)
  }
  const sessions = { apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceSession' }
  const sessionsOf = async (person: string): Promise<readonly string[]> => {
    const selected = { ...sessions, namespace: site.namespace, fieldSelector: `spec.username=${person}` }
    const found = await listObjects<{ readonly metadata: { readonly name: string } }>(selected)
    return found.map(({ metadata }) => metadata.name)
  }

  test('a share counts within 2 s; deleted by kubectl, the next request is 403 and its sockets close within 2 s, and no others', async () => {
    const workspace = await opened('shared')
    const { bob, alice } = people
    expect(await statusesEverywhere(site, bob, workspace.url)).toEqual(refused)
    const { name } = await share(site, alice, workspace.ref, withBob)
    expect(await untilEverywhere(site, bob, workspace.url, { status: 200 })).toBeLessThan(revocationBound)
    const [ofBob, ofCarol] = await bobAndCarol(workspace)
    using _ = ofBob
    using kept = ofCarol
    await site.kubectl(['delete', 'workspaceshares.workspace.jupyter.org', name])
    const deleted = performance.now()
    expect(await untilEverywhere(site, bob, workspace.url, { status: 403, since: deleted })).toBeLessThan(
      revocationBound,
    )
    await ofBob.closedWith(accessEnded, deleted)
    expect(await kept.live()).toBe(true)
  }, 90_000)

  test('[JK5.2] an expired share denies: sockets close at its instant, and one that was over before it was made grants nothing', async () => {
    const expiry = Date.now() + 6_000
    const workspace = await sharedWithBob('expiring', { expiresAt: new Date(expiry).toISOString() })
    using ofBob = await presentEverywhere(site, people.bob, workspace.url)
    await ofBob.closedWith(accessEnded, expiry - performance.timeOrigin)
    expect(Date.now()).toBeGreaterThanOrEqual(expiry)
    expect(await statusesEverywhere(site, people.bob, workspace.url)).toEqual(refused)
    const past = { workspaces: [{ name: 'expiring' }], grantees: [bobAsGrantee], expiresAt: '2020-01-01T00:00:00Z' }
    const lasting = { ...past, grantees: [{ kind: 'User', name: 'dave' }], expiresAt: undefined }
    await apply(shareManifest('long-over', past), shareManifest('lasting', lasting))
    await untilEverywhere(site, people.dave, workspace.url, { status: 200 })
    expect(await statusesEverywhere(site, people.bob, workspace.url)).toEqual(refused)
  }, 90_000)

  test('[JK5.3] nobody can share a workspace that he does not own: by no API of Gatehouse’s, and not by kubectl', async () => {
    const workspace = await sharedWithBob('hers')
    const { bob, dave } = people
    const withDave = { grantees: [{ kind: 'User', name: 'dave' }] }
    expect((await callApi(site, bob, 'POST', api.shares(workspace.ref), withDave)).status).toBe(403)
    const spec = { workspaces: [{ name: 'hers' }], ...withDave }
    const byKubectl = await site.share('by-bob', 'bob', spec)
    expect(byKubectl).toMatchObject({ code: 1, stderr: expect.stringContaining('to share needs the verb share') })
    const { stdout } = await tryKubectl(['-n', site.team, 'get', 'workspaceshares.workspace.jupyter.org', '-o', 'name'])
    expect(stdout).not.toContain('by-bob')
    expect(await statusesEverywhere(site, dave, workspace.url)).toEqual(refused)
  }, 90_000)

  test('[JK5.4] [JK5.5] the status of a share says whether it was accepted, and why not; one share names several workspaces, and ends for all', async () => {
    const [first, second] = [await opened('one-of-two'), await opened('two-of-two')]
    const { alice, bob } = people
    const both = { workspaces: [{ name: 'one-of-two' }, { name: 'two-of-two' }], grantees: [bobAsGrantee] }
    const missing = { workspaces: [{ name: 'one-of-two' }, { name: 'nowhere' }], grantees: [bobAsGrantee] }
    const made = await share(site, alice, first.ref, { grantees: [{ kind: 'User', name: 'dave' }] })
    // By somebody who holds the verb; alice does not, and her share is accepted because she owns it.
    await apply(shareManifest('both', both), shareManifest('missing', missing))
    await until(async () => (await acceptance('missing')) && (await acceptance('both')))
    expect(await acceptance(made.name)).toEqual({ status: 'True', reason: 'OwnerGranted' })
    expect(await acceptance('both')).toEqual({ status: 'True', reason: 'RbacGranted' })
    expect(await acceptance('missing')).toEqual({ status: 'False', reason: 'WorkspaceNotFound' })
    expect(await site.kubectl(['get', 'workspaceshares.workspace.jupyter.org', 'missing'])).toMatch(
      /False|WorkspaceNotFound/,
    )
    await alice.open(`${site.origin}/`)
    const { shares } = JSON.parse((await alice.fetch(site.origin + api.shares(first.ref))).body)
    expect(shares).toContainEqual(
      expect.objectContaining({ name: 'both', status: { accepted: true, reason: 'RbacGranted', message: '' } }),
    )
    expect(shares).toContainEqual(
      expect.objectContaining({
        name: 'missing',
        status: { accepted: false, reason: 'WorkspaceNotFound', message: expect.stringContaining('nowhere') },
      }),
    )
    for (const { url } of [first, second]) await untilEverywhere(site, bob, url, { status: 200 })
    using inFirst = await presentEverywhere(site, bob, first.url)
    using inSecond = await presentEverywhere(site, bob, second.url)
    await site.kubectl(['delete', 'workspaceshares.workspace.jupyter.org', 'both'])
    const deleted = performance.now()
    for (const presence of [inFirst, inSecond]) await presence.closedWith(accessEnded, deleted)
    for (const { url } of [first, second]) expect(await statusesEverywhere(site, bob, url)).toEqual(refused)
  }, 90_000)

  test('[JK5.6] a share names no other namespace: no field of it does, and a namesake there is not meant', async () => {
    const { bob, alice } = people
    const { ref } = await sharedWithBob('here')
    await using elsewhere = await openNamespace('gh-team')
    await bindPeople(elsewhere.name)
    const namesake = { namespace: elsewhere.name, name: 'here' }
    const metadata = { ...namesake, annotations: { 'workspace.jupyter.org/created-by': 'alice' } }
    const spec = { displayName: 'here', desiredStatus: 'Stopped', managerRef: { name: site.namespace } }
    await apply({ apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'Workspace', metadata, spec })
    const there = addressOf(namesake)
    const known = await until(async () => [await alice.open(there)].find(({ status }) => status === 200))
    expect(known.url.pathname).toBe(openPath(namesake))
    expect((await bob.open(there)).status).toBe(403)
    expect(await statusesEverywhere(site, bob, there)).toEqual(refused)
    const abroad = { workspaces: [{ name: 'here', namespace: elsewhere.name }], grantees: [bobAsGrantee] }
    const byKubectl = await tryKubectl(['create', '-f', '-'], { input: [shareManifest('abroad', abroad)] })
    expect(byKubectl).toMatchObject({ code: 1, stderr: expect.stringContaining('unknown field') })
    const unlike = { 422: { namespace: elsewhere.name }, 404: { workspaces: [`${elsewhere.name}/here`] } }
    for (const [status, input] of Object.entries(unlike)) {
      const answer = await callApi(site, alice, 'POST', api.shares(ref), { ...withBob, ...input })
      expect(answer.status).toBe(Number(status))
    }
    expect(await statusesEverywhere(site, bob, there)).toEqual(refused)
  }, 90_000)

  test('[JK6.2] an unknown namespace, an unknown name and a forbidden workspace are one and the same: status, body and time', async () => {
    const { bob } = people
    const { url } = await opened('hidden')
    const nowhere = addressOf({ namespace: 'no-such-team', name: 'hidden' })
    const places = [url, site.url('no-such-name'), nowhere]
    for (const place of places) await bob.open(place)
    using asker = askerOf(site, bob)
    for (const replica of site.replicas) {
      const pages = await Promise.all(places.map((place) => site.through(replica, bob).navigate(place)))
      expect(pages.map(({ status }) => status)).toEqual(refused)
      expect(new Set(pages.map(withoutItsOwn)).size).toBe(1)
      const answers = await Promise.all(places.map((place) => asker.ask(replica, place)))
      const problems = answers.map(({ status, body }) => ({ status, ...JSON.parse(body), requestId: '' }))
      expect(problems[0]).toMatchObject({ status: 403, code: 'forbidden' })
      for (const problem of problems) expect(problem).toEqual(problems[0])
      const medians = await mediansOf(asker, replica, places)
      expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(3)
    }
  }, 90_000)

  test('#83 a namesake made later inherits nothing: the share still names the UID of the one before', async () => {
    const before = await opened('again')
    const { alice, bob, carol } = people
    const spec = { workspaces: [{ name: 'again' }], grantees: [bobAsGrantee] }
    await apply(shareManifest('for-again', spec))
    await untilEverywhere(site, bob, before.url, { status: 200 })
    const [ofBob, ofCarol] = await bobAndCarol(before)
    using _ = ofBob
    using __ = ofCarol
    await site.kubectl(['delete', 'workspace', 'again', '--wait=false'])
    const deleted = performance.now()
    for (const presence of [ofBob, ofCarol]) {
      await presence.closedWith({ code: 1001, reason: 'workspace deleted' }, deleted)
    }
    await site.kubectl(['wait', '--for=delete', 'deployment/workspace-again', 'service/workspace-again-service'])
    const after = await opened('again')
    expect(after.uid).not.toBe(before.uid)
    expect((await shareObject('for-again')).status?.workspaces).toEqual([{ name: 'again', uid: before.uid }])
    expect(await statusesEverywhere(site, bob, after.url)).toEqual(refused)
    for (const browser of [alice, carol]) expect(await statusesEverywhere(site, browser, after.url)).toEqual(allowed)
  }, 90_000)

  test('[JK12.2] a deleted workspace is 404 within 2 s, to administrators by its URL and to its owner by the API, and its sockets are closed', async () => {
    const workspace = await sharedWithBob('deleted')
    const { carol } = people
    const [ofBob, ofCarol] = await bobAndCarol(workspace)
    using _ = ofBob
    using __ = ofCarol
    await site.kubectl(['delete', 'workspace', 'deleted', '--wait=false'], { as: 'alice' })
    const deleted = performance.now()
    expect(await untilEverywhere(site, carol, workspace.url, { status: 404, since: deleted })).toBeLessThan(
      revocationBound,
    )
    for (const presence of [ofBob, ofCarol]) await presence.closedWith({ code: 1001 }, deleted)
    const toOwner = await askEverywhere(site, people.alice, site.origin + api.workspace(workspace.ref))
    expect(toOwner.map(({ status }) => status)).toEqual([404, 404, 404])
    expect(await statusesEverywhere(site, people.bob, workspace.url)).toEqual(refused)
  }, 90_000)

  test('[SP8.1] [SP8.2] stop closes open sockets within 2 s with 1001; one click starts it, and the page becomes the app at the deep link by itself', async () => {
    const workspace = await sharedWithBob('stopping')
    const { alice, bob } = people
    const [ofBob, ofCarol] = await bobAndCarol(workspace)
    using _ = ofBob
    using __ = ofCarol
    expect((await callApi(site, alice, 'POST', api.stop(workspace.ref))).status).toBe(202)
    const stopped = performance.now()
    for (const presence of [ofBob, ofCarol]) {
      await presence.closedWith({ code: 1001, reason: 'workspace stopping' }, stopped)
    }
    await untilEverywhere(site, bob, workspace.url, { status: 424 })
    await site.kubectl(['wait', '--for=delete', 'deployment/workspace-stopping'])
    const deep = `${workspace.url}lab/tree/a%20b.ipynb?reset&x=%2F`
    const page = await alice.open(deep)
    expect([page.status, page.url.origin]).toEqual([200, site.origin])
    await press(alice, api.start(workspace.ref))
    expect(await site.kubectl(['get', 'workspace', 'stopping', '-o', 'jsonpath={.spec.desiredStatus}'])).toBe('Running')
    const arrived = await until(async () => {
      const next = refreshOf(alice.page)
      if (!next) return alice.page
      await alice.open(next)
      return undefined
    })
    expect([arrived.status, arrived.url.href]).toEqual([200, deep])
    expect(JSON.parse(arrived.body)).toMatchObject({ url: '/lab/tree/a%20b.ipynb?reset&x=%2F' })
  }, 90_000)

  test('[SP8.3] [SP8.5] who may only connect can neither start nor stop, and a forged cross-site POST is 403; nothing is written', async () => {
    const workspace = await sharedWithBob('steady')
    const { alice, bob } = people
    const before = await site.kubectl(['get', 'workspace', 'steady', '-o', 'json'])
    for (const path of [api.stop(workspace.ref), api.start(workspace.ref)]) {
      expect((await callApi(site, bob, 'POST', path)).status).toBe(403)
      for (const forged of ['https://evil.example', 'null', new URL(workspace.url).origin]) {
        const headers = { Origin: forged, 'Sec-Fetch-Site': 'cross-site', 'Content-Type': 'text/plain' }
        const answers = await askEverywhere(site, alice, site.origin + path, { method: 'POST', headers, body: 'x' })
        expect(answers.map(({ status }) => status)).toEqual(refused)
      }
    }
    const forged = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }
    const toApp = await askEverywhere(site, alice, workspace.url, { method: 'POST', headers: forged, body: 'x' })
    expect(toApp.map(({ status }) => status)).toEqual(refused)
    expect(await site.kubectl(['get', 'workspace', 'steady', '-o', 'json'])).toBe(before)
  }, 90_000)

  test('a locked person is out within 2 s and can’t log in again; nobody else is, and unlocked he may come back', async () => {
    const workspace = await sharedWithBob('lockable')
    const [ofBob, ofCarol] = await bobAndCarol(workspace)
    using _ = ofBob
    using kept = ofCarol
    await site.manage({ locked: ['bob'] })
    const locked = performance.now()
    await ofBob.closedWith({ code: 1008, reason: 'session ended' }, locked)
    expect(await statusesEverywhere(site, people.bob, workspace.url)).toEqual([401, 401, 401])
    for (const replica of site.replicas) {
      const page = await (await site.as('bob', replica)).navigate(site.origin + paths.whoami)
      expect([page.status, page.redirect?.pathname]).toEqual([302, paths.login])
    }
    expect(await kept.live()).toBe(true)
    await site.manage({ locked: [] })
    const bob = await until(async () => {
      const browser = await site.as('bob')
      return (await browser.navigate(site.origin + paths.whoami)).status === 200 ? browser : undefined
    })
    people = { ...people, bob }
    await bob.open(workspace.url)
    expect(await statusesEverywhere(site, bob, workspace.url)).toEqual(allowed)
  }, 90_000)

  test('#111 another name, written into the record of one’s own session, ends it within 2 s on every replica, and is nobody’s; others keep theirs', async () => {
    const workspace = await opened('sealed')
    const { alice, carol } = people
    const dave = await site.as('dave')
    await dave.open(workspace.url)
    await apply(shareManifest('for-dave', sharedWith('sealed', 'dave')))
    await untilEverywhere(site, dave, workspace.url, { status: 200 })
    const theirs = await sessionsOf('dave')
    using ofDave = await presentEverywhere(site, dave, workspace.url)
    using ofCarol = await presentEverywhere(site, carol, workspace.url)
    const patch = (spec: object) =>
      Promise.all(
        theirs.map((name) => mergeObject({ ...sessions, metadata: { namespace: site.namespace, name } }, { spec })),
      )
    await patch({ username: 'alice', uid: 'alice', subject: 'alice' })
    const written = performance.now()
    await ofDave.closedWith({ code: 1008, reason: 'session ended' }, written)
    expect(await statusesEverywhere(site, dave, workspace.url)).toEqual([401, 401, 401])
    await patch({ username: 'dave', uid: 'dave', subject: 'dave' })
    expect(await statusesEverywhere(site, dave, workspace.url)).toEqual([401, 401, 401])
    expect(await ofCarol.live()).toBe(true)
    expect(await statusesEverywhere(site, alice, workspace.url)).toEqual(allowed)
    for (const { pod } of site.replicas) {
      const lines = await site.ours(['logs', pod])
      expect(lines).toMatch(/"event":"session-ended".*"user":"dave".*"reason":"altered"/)
      expect(lines).toContain('"reason":"seal:altered"')
    }
  }, 90_000)

  test('no owner is changed on the object, by whomever; who was made one by an administrator’s share is one for as long as that', async () => {
    const workspace = await opened('owned')
    const { alice, bob, carol } = people
    const annotate = ['annotate', 'workspace', 'owned', '--overwrite', 'workspace.jupyter.org/created-by=bob']
    const askers: readonly KubectlOptions[] = [{ as: 'alice' }, { as: 'bob' }, {}]
    for (const by of askers) {
      const answer = await tryKubectl(['-n', site.team, ...annotate], by)
      expect(answer).toMatchObject({ code: 1, stderr: expect.stringContaining("created-by can't be changed") })
    }
    expect(await statusesEverywhere(site, bob, workspace.url)).toEqual(refused)
    expect((await callApi(site, alice, 'POST', api.shares(workspace.ref), { ...withBob, access: 'own' })).status).toBe(
      403,
    )
    const { name } = await share(site, carol, workspace.ref, { ...withBob, access: 'own' })
    await untilEverywhere(site, bob, workspace.url, { status: 200 })
    expect((await callApi(site, bob, 'POST', api.start(workspace.ref))).status).toBe(200)
    const [ofBob, ofCarol] = await bobAndCarol(workspace)
    using _ = ofBob
    using kept = ofCarol
    expect((await callApi(site, carol, 'DELETE', api.share(workspace.ref, name))).status).toBe(204)
    await ofBob.closedWith(accessEnded, performance.now())
    expect((await callApi(site, bob, 'POST', api.stop(workspace.ref))).status).toBe(404)
    expect(await kept.live()).toBe(true)
  }, 90_000)

  test('a right taken away by RBAC closes its sockets within 30 s and refuses the next request; nobody else’s', async () => {
    const workspace = await sharedWithBob('bound')
    const [ofBob, ofCarol] = await bobAndCarol(workspace)
    using _ = ofBob
    using kept = ofCarol
    await site.kubectl(['delete', 'rolebinding', 'connects-bob'])
    const unbound = performance.now()
    await ofBob.closedWith(accessEnded, unbound, 30_000)
    expect(await untilEverywhere(site, people.bob, workspace.url, { status: 403, since: unbound })).toBeLessThan(30_000)
    expect(await kept.live()).toBe(true)
  }, 90_000)

  function shareManifest(name: string, spec: object) {
    return {
      apiVersion: 'workspace.jupyter.org/v1alpha1',
      kind: 'WorkspaceShare',
      metadata: { namespace: site.team, name },
      spec,
    }
  }
})

/** Everything of a page but its request id and its nonce. */
function withoutItsOwn({ status, headers, body }: Page): string {
  const requestId = String(headers['x-request-id'])
  const names = Object.keys(headers).sort()
  return JSON.stringify({ status, names, body: body.replaceAll(requestId, '').replace(/nonce="[^"]*"/g, '') })
}

/** Of the times that answers took, one from each place in turn, in milliseconds. */
async function mediansOf(asker: Asker, replica: SiteReplica, places: readonly string[]): Promise<readonly number[]> {
  const times: number[][] = places.map(() => [])
  for (let round = 0; round < 60; round += 1) {
    for (const [index, place] of places.entries()) {
      const began = performance.now()
      await asker.ask(replica, place)
      times[index]?.push(performance.now() - began)
    }
  }
  return times.map((all) => all.toSorted((one, other) => one - other)[all.length >> 1] ?? 0)
}

/**
 * What Kubernetes RBAC says, as the whole gateway carries it out. The reviewer is a script of the test, for what a real API server can't be made to
 * show: counts, faults, an answer at a moment of the test's choice. `test/cluster/access-reviews.test.ts` asks a real one.
 */
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import type { ReviewQuestion } from '#resources/reviewer.ts'
import type { Explanation, WorkspaceView } from '#surface/messages.ts'
import { api, openPath, paths } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { type ScriptedReviewer, scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi, cookieFor, modes, press, share, withBob } from './scene.ts'

const second = 1_000
const minute = 60 * second
const html = { Accept: 'text/html', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }

const about = (name: string) => (question: ReviewQuestion) => question.subject.username === name
const allButBob: ScriptedReviewer['says'] = (question) => (about('bob')(question) ? 'denied' : 'allowed')

/** What a script of the workspace's own page would be answered. */
const ask = (browser: ScriptedBrowser, url: string, headers: Record<string, string> = {}) =>
  plainRequest(url, { headers: { ...cookieFor(browser, url), ...headers } })

async function listOf(world: World, browser: ScriptedBrowser): Promise<readonly WorkspaceView[]> {
  await browser.open(`${world.origin}/`)
  return JSON.parse((await browser.fetch(world.origin + api.workspaces)).body).workspaces
}

async function explain(world: World, by: ScriptedBrowser, ref: WorkspaceRef, query: string): Promise<Explanation> {
  await by.open(`${world.origin}/`)
  return JSON.parse((await by.fetch(`${world.origin}${api.explain(ref)}?${query}`)).body)
}

test.each(modes)(
  'in %s mode a grant without the right by RBAC is worth nothing, and told like none at all',
  async (mode) => {
    const reviewer = scriptedReviewer(allButBob)
    await using world = await createWorld({ mode, reviewer })
    const open = await world.workspace({ name: 'open', owner: 'alice', spec: { accessType: 'Public' } })
    const hers = await world.workspace({ name: 'hers', owner: 'alice' })
    const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
    expect((await alice.open(open.url)).status).toBe(200)
    expect((await bob.open(hers.url)).status).toBe(403)
    expect((await bob.open(open.url)).status).toBe(403)
    const told = async (url: string, headers: Record<string, string>) => {
      const { status, body } = await ask(bob, url, headers)
      return { status, body: body.replace(/[\w-]{8,}-\w+/g, '') }
    }
    for (const headers of [{}, html]) expect(await told(open.url, headers)).toEqual(await told(hers.url, headers))
    expect((await refusedSocket(bob, open.url)).status).toBe(403)
    expect((await ask(bob, `${open.url.slice(0, -1)}${paths.status}`)).status).toBe(403)
    const people = open.app.requests.flatMap((echo) => headersOf(echo, 'X-Forwarded-User'))
    expect(new Set(people)).toEqual(new Set(['alice']))
    expect(world.audit.filter(({ event, user }) => event === 'deny' && user === 'bob')).toContainEqual(
      expect.objectContaining({ reason: 'rbac', workspace: 'team/open' }),
    )
  },
)

test('the first requests wait for one question, later ones for none; an upgrade is decided by the same answer', async () => {
  const clock = fakeClock(Date.now())
  const reviewer = scriptedReviewer()
  await using world = await createWorld({ reviewer, clock })
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  await clock.advance(30 * second)
  reviewer.asked.length = 0
  reviewer.isHeld = true
  const waiting = Array.from({ length: 50 }, () => ask(alice, url))
  const socket = openSocket(alice, url)
  await world.until(() => reviewer.asked.length > 0, 'the question')
  reviewer.isHeld = false
  reviewer.release()
  expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([200]))
  using open = await socket
  expect(String(await open.ask('1'))).toBe('1')
  expect(reviewer.asked).toHaveLength(1)
  // Ahead of its end it is asked again, and nobody waits for that.
  reviewer.isHeld = true
  for (let span = 0; span < 20; span += 5) {
    await clock.advance(5 * second)
    expect((await ask(alice, url)).status).toBe(200)
  }
  expect(reviewer.asked).toHaveLength(2)
  reviewer.isHeld = false
  reviewer.release()
})

test('while nobody can be asked nothing new is let in: 503 and when to come again, never a login or a 403', async () => {
  const reviewer = scriptedReviewer('unreachable')
  await using world = await createWorld({ reviewer })
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const { url: ofBob } = await world.workspace({ name: 'bobs', owner: 'bob' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  for (const headers of [{}, html]) {
    await alice.open(url)
    const answer = await ask(alice, url, headers)
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': expect.stringMatching(/^[234]$/) } })
  }
  expect(await refusedSocket(alice, url)).toMatchObject({
    status: 503,
    headers: { 'retry-after': expect.stringMatching(/^[234]$/) },
  })
  expect(app.requests).toEqual([])
  // A stranger learns nothing new by that.
  expect((await bob.open(url)).status).toBe(403)
  await alice.navigate(`${world.origin}/`)
  expect(alice.page.status).toBe(503)
  expect((await alice.fetch(world.origin + api.workspace({ namespace: 'team', name: 'nb' }))).status).toBe(503)
  reviewer.says = 'allowed'
  await world.until(async () => (await ask(alice, url)).status === 200, 'alice is let in')
  expect((await bob.open(ofBob)).status).toBe(200)
})

test('a right taken away by RBAC closes its sockets with 1008 within 30 s and refuses the next request; nobody else’s', async () => {
  const clock = fakeClock(Date.now())
  const reviewer = scriptedReviewer()
  await using world = await createWorld({ reviewer, clock })
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  await share(world, alice, ref, withBob)
  await world.until(async () => (await bob.open(url)).status === 200, 'bob is let in')
  await alice.open(url)
  using ofBob = await openSocket(bob, url)
  using ofAlice = await openSocket(alice, url)
  await clock.advance(5 * minute)
  expect([ofBob.isOpen(), ofAlice.isOpen()]).toEqual([true, true])
  reviewer.says = allButBob
  await clock.advance(30 * second)
  expect(await ofBob.closed).toMatchObject({ code: 1008, reason: 'access ended' })
  expect((await ask(bob, url)).status).toBe(403)
  expect((await refusedSocket(bob, url)).status).toBe(403)
  await clock.advance(5 * minute)
  expect(String(await ofAlice.ask('still here'))).toBe('still here')
  // And a new binding counts within seconds.
  reviewer.says = 'allowed'
  await clock.advance(2 * second)
  expect((await ask(bob, url)).status).toBe(200)
})

test('#83 an earlier allow stands for five minutes while nobody can be asked: requests and sockets go on, then they end', async () => {
  const clock = fakeClock(Date.now())
  const reviewer = scriptedReviewer()
  await using world = await createWorld({ reviewer, clock })
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  using socket = await openSocket(alice, url)
  reviewer.says = 'silent'
  for (let passed = 0; passed < 270; passed += 30) {
    await clock.advance(30 * second)
    expect((await ask(alice, url)).status).toBe(200)
  }
  expect(socket.isOpen()).toBe(true)
  await clock.advance(40 * second)
  expect(await socket.closed).toMatchObject({ code: 1008, reason: 'access not confirmed' })
  reviewer.says = 'unreachable'
  await clock.advance(5 * second)
  expect((await ask(alice, url)).status).toBe(503)
})

test('a change of a workspace or a share drops what was asked before within two seconds, for requests and for sockets', async () => {
  const reviewer = scriptedReviewer()
  await using world = await createWorld({ reviewer })
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice', spec: { accessType: 'Public' } })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  await bob.open(url)
  using socket = await openSocket(bob, url)
  reviewer.says = allButBob
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  expect((await ask(bob, url)).status).toBe(200)
  const changed = performance.now()
  await share(world, alice, ref, { grantees: [{ kind: 'User', name: 'dave' }] })
  expect(await socket.closed).toMatchObject({ code: 1008 })
  expect((await ask(bob, url)).status).toBe(403)
  expect(performance.now() - changed).toBeLessThan(2 * second)
})

test('who is logged out while his request waits for an answer is logged out; who has left gets nothing begun', async () => {
  const reviewer = scriptedReviewer('unreachable')
  await using world = await createWorld({ reviewer })
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const { url: ofBob, app: appOfBob } = await world.workspace({ name: 'bobs', owner: 'bob' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  await alice.open(url)
  await bob.open(ofBob)
  await new Promise((resolve) => setTimeout(resolve, 2 * second + 100))
  reviewer.isHeld = true
  reviewer.says = 'allowed'
  const asked = reviewer.asked.length
  const waiting = ask(alice, url)
  const leaving = connect({ port: world.port, host: '127.0.0.1' })
  const { Cookie = '' } = cookieFor(bob, ofBob)
  leaving.write(`GET / HTTP/1.1\r\nHost: ${new URL(ofBob).host}\r\nCookie: ${Cookie}\r\n\r\n`)
  await world.until(() => reviewer.asked.length === asked + 2, 'both questions')
  const tab = alice.tab()
  await tab.navigate(world.origin + paths.whoami)
  await press(tab, paths.logout)
  leaving.destroy()
  await new Promise((resolve) => setTimeout(resolve, 100))
  reviewer.isHeld = false
  reviewer.release()
  reviewer.release()
  expect((await waiting).status).toBe(401)
  expect([...app.requests, ...appOfBob.requests]).toEqual([])
})

test('the console lists what could be opened, with one question a namespace', async () => {
  const reviewer = scriptedReviewer(({ namespace }) => (namespace === 'closed' ? 'denied' : 'allowed'))
  await using world = await createWorld({ reviewer })
  for (const namespace of ['team', 'closed', 'other'])
    for (const name of ['a', 'b', 'c'])
      await world.workspace({
        namespace,
        name,
        owner: 'alice',
        spec: { accessType: namespace === 'other' ? 'OwnerOnly' : 'Public' },
      })
  reviewer.asked.length = 0
  const bob = await world.as('bob')
  expect((await listOf(world, bob)).map(({ namespace, name }) => `${namespace}/${name}`)).toEqual([
    'team/a',
    'team/b',
    'team/c',
  ])
  const asked = reviewer.asked.filter(about('bob')).map(({ namespace, action }) => [namespace, action.resource])
  expect(new Set(asked.map(([namespace]) => namespace))).toEqual(new Set(['team', 'closed']))
  expect(asked.length).toBeLessThanOrEqual(2)
  const closed = { namespace: 'closed', name: 'a' }
  for (const path of [api.workspace(closed), openPath(closed), api.events(closed), api.logs(closed)])
    expect((await bob.fetch(world.origin + path)).status).toBe(404)
  expect((await callApi(world, bob, 'POST', api.start(closed))).status).toBe(404)
})

test('explain says what RBAC says now, whatever was known, and that it was not asked where there is no grant', async () => {
  const reviewer = scriptedReviewer()
  await using world = await createWorld({ reviewer })
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  await share(world, alice, ref, withBob)
  await world.until(async () => (await bob.open(url)).status === 200, 'bob is let in')
  const check = (explanation: Explanation) => explanation.checks.find(({ check }) => check === 'kubernetes rbac')
  const allowed = await explain(world, alice, ref, 'user=bob&group=ds')
  expect(allowed).toMatchObject({ allowed: true })
  expect(check(allowed)).toMatchObject({ passed: true })
  reviewer.says = allButBob
  const denied = await explain(world, alice, ref, 'user=bob&group=ds')
  expect(denied).toMatchObject({ allowed: false, reason: expect.stringContaining('RBAC') })
  expect(check(denied)).toMatchObject({ passed: false, detail: expect.stringContaining('namespace team') })
  expect(reviewer.asked.at(-1)?.subject).toMatchObject({ username: 'bob', groups: ['ds'] })
  reviewer.asked.length = 0
  const stranger = await explain(world, alice, ref, 'user=mallory')
  expect(check(stranger)).toMatchObject({ passed: false, detail: expect.stringContaining('not asked') })
  expect(reviewer.asked.filter(about('mallory'))).toEqual([])
})

test('who holds the verb `share` shares what he may open, and `own` appoints owners; what is revoked meanwhile is not', async () => {
  const reviewer = scriptedReviewer(({ action }) => (action.verb === 'create' ? 'allowed' : 'denied'))
  await using world = await createWorld({ reviewer })
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: { accessType: 'Public' } })
  const hidden = await world.workspace({ name: 'hidden', owner: 'alice' })
  const bob = await world.as('bob')
  const withDave = { grantees: [{ kind: 'User', name: 'dave' }] }
  const status = async (of: WorkspaceRef, body: object) =>
    (await callApi(world, bob, 'POST', api.shares(of), body)).status
  expect(await status(ref, withDave)).toBe(403)
  reviewer.says = ({ action }) => (action.verb === 'own' ? 'denied' : 'allowed')
  await world.until(async () => (await status(ref, withDave)) === 201, 'the new right counts')
  expect(reviewer.asked.at(-1)).toMatchObject({ action: { verb: 'share', resource: 'workspaces', name: 'nb' } })
  const [made] = JSON.parse((await bob.fetch(world.origin + api.shares(ref))).body).shares
  expect(made).toMatchObject({ createdBy: 'bob', status: { accepted: true, reason: 'RbacGranted' } })
  const view = await bob.fetch(world.origin + api.workspace(ref))
  expect(JSON.parse(view.body)).toMatchObject({ can: { share: true, start: false } })
  // Without a grant he does not know of it, and nobody is asked whether he might.
  expect(await status(hidden.ref, withDave)).toBe(404)
  expect(await status(ref, { ...withDave, workspaces: ['hidden'] })).toBe(404)
  expect(reviewer.asked.filter(({ action }) => action.name === 'hidden')).toEqual([])
  expect(await status(ref, { ...withDave, access: 'own' })).toBe(403)
  reviewer.says = 'allowed'
  await world.until(async () => (await status(ref, { ...withDave, access: 'own' })) === 201, 'owners may be appointed')
  const dave = await world.as('dave')
  expect(await listOf(world, dave)).toContainEqual(expect.objectContaining({ name: 'nb', grant: 'owner' }))
})

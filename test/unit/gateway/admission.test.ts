import { describe, expect, test } from 'vitest'
import { type AdmissionParts, admit } from '#gateway/admission.ts'
import { problemOfDenial } from '#gateway/denial.ts'
import { Passes } from '#gateway/passes.ts'
import { parseTarget } from '#gateway/target.ts'
import { parseAuthority } from '#http/authority.ts'
import { readRequestHead } from '#http/request-head.ts'
import { parseRequestTarget } from '#http/request-target.ts'
import type { Authentication } from '#identity/authentication.ts'
import type { Clock } from '#lib/clock.ts'
import { StreamIndex } from '#live/streams.ts'
import { createLog } from '#observe/log.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { instance, session, share, workspace } from '#test/support/objects.ts'
import { type ScriptedReviewer, scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { makeSite, urlOf } from '#workspace/address.ts'
import { sshPortsOf } from '#workspace/connections.ts'
import { Directory } from '#workspace/directory.ts'
import { Reviews } from '#workspace/reviews.ts'
import type { WorkspaceShare } from '#workspace/share.ts'
import type { Workspace } from '#workspace/workspace.ts'

const site = makeSite({ scheme: 'https', domain: 'ws.example.test', port: 443, mode: 'host' })
const ref = { namespace: 'team', name: 'nb' }
const nb = workspace({
  owner: 'alice',
  spec: {
    ports: [
      { name: 'lab', port: 8888 },
      { name: 'app', port: 8501 },
    ],
  },
})
const endpoints = new Map([
  [8888, { kind: 'unix' as const, path: '/8888' }],
  [8501, { kind: 'unix' as const, path: '/8501' }],
])

interface Given {
  readonly workspace?: Workspace
  readonly shares?: WorkspaceShare[]
  readonly runs?: boolean
  readonly complete?: boolean
  readonly reviews?: (clock: Clock) => Reviews
}

function world(given: Given = {}) {
  const clock = fakeClock(Date.parse('2026-01-01T00:00:00Z'))
  const date = leapingClock(clock)
  const directory = new Directory({ clock: date, serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  const served = given.workspace ?? nb
  directory.applyWorkspaces({ type: 'synced', objects: [served] })
  if (given.complete !== false) directory.applyShares({ type: 'synced', objects: given.shares ?? [] })
  directory.applyInstances({ type: 'synced', instances: given.runs === false ? [] : [instance(served, { endpoints })] })
  const parts: AdmissionParts = {
    site,
    directory,
    clock: date,
    policy: { defaultAccessType: 'OwnerOnly', administrators: { groups: ['admins'], users: [] } },
    passes: new Passes(new StreamIndex(), date),
    ...(given.reviews ? { reviews: given.reviews(date) } : {}),
    upstreamOf: (of, port) => ({
      key: `${of.instanceUid}:${port}`,
      dial: () => Promise.reject(new Error('not dialled here')),
    }),
    isOwnCookie: () => false,
    isAwaited: () => false,
    tunnels: { connections: [], sshPorts: sshPortsOf([]), insecureDirectSsh: false, isByAgent: () => false },
  }
  return { parts, directory, clock, date }
}

const anonymous: Authentication = { kind: 'anonymous', reason: 'none' }
const as = (who: string, ...groups: string[]): Authentication => ({
  kind: 'session',
  via: 'cookie',
  session: session(who, ...groups),
})

function ask(
  parts: AdmissionParts,
  url: string,
  authentication: Authentication,
  fields: Record<string, string> = {},
  method = 'GET',
) {
  const { host, path } = /^https:\/\/(?<host>[^/]+)(?<path>.*)$/.exec(url)?.groups ?? {}
  const head = readRequestHead(Object.entries({ Host: host ?? '', ...fields }).flat(), { httpVersion: '1.1' })
  const authority = parseAuthority(host ?? '')
  const raw = parseRequestTarget(path ?? '')
  if (head.kind === 'problem' || !authority || raw.kind === 'problem') throw new Error('the test asks nonsense')
  const target = parseTarget(site, authority, raw)
  if (target.kind !== 'workspace') throw new Error(`the test asks for ${target.kind}`)
  return admit(parts, { method, head, isUpgrade: fields.Upgrade !== undefined, place: target.place }, authentication)
}

const main = urlOf(site, ref, undefined)
const app = urlOf(site, ref, 8501)
const html = { Accept: 'text/html' }

describe('who is let in', () => {
  test('the owner is forwarded, and the pass names the grant', () => {
    expect(ask(world().parts, main, as('alice'))).toMatchObject({ kind: 'forward', pass: { grant: { kind: 'owner' } } })
  })

  test('nobody without a session, whether the workspace exists or not', () => {
    const { parts } = world()
    const ghost = urlOf(site, { namespace: 'team', name: 'ghost' }, undefined)
    expect(ask(parts, main, anonymous, html)).toEqual({ kind: 'login', reason: 'none', navigation: true })
    expect(ask(parts, ghost, anonymous, html)).toEqual({ kind: 'login', reason: 'none', navigation: true })
    expect(ask(parts, main, anonymous)).toMatchObject({ kind: 'login', navigation: false })
  })

  test('unknown and forbidden are refused alike', () => {
    const { parts } = world()
    const forbidden = ask(parts, main, as('bob'), html)
    const unknown = ask(parts, urlOf(site, { namespace: 'no', name: 'where' }, undefined), as('bob'), html)
    expect(forbidden).toMatchObject({ kind: 'deny', status: 403 })
    expect(unknown).toMatchObject({ kind: 'deny', status: 403 })
  })

  test('a port that is not declared is not there for those who may use all, and forbidden to the others', () => {
    const { parts } = world({ shares: [share([nb], { ports: ['app'] })] })
    const undeclared = urlOf(site, ref, 22)
    expect(ask(parts, undeclared, as('alice'))).toMatchObject({ kind: 'deny', status: 404, reason: 'no-such-port' })
    expect(ask(parts, undeclared, as('bob'))).toMatchObject({ kind: 'deny', status: 403 })
    expect(ask(parts, app, as('bob'))).toMatchObject({ kind: 'forward' })
    expect(ask(parts, main, as('bob'))).toMatchObject({ kind: 'deny', status: 403, reason: 'port-not-granted' })
  })

  test('the main port by its number moves to its one URL', () => {
    expect(ask(world().parts, urlOf(site, ref, 8888), as('alice'))).toMatchObject({ kind: 'moved', prefix: '/' })
    expect(ask(world().parts, urlOf(site, ref, 8888), as('bob'))).toMatchObject({ kind: 'deny' })
  })

  test('nothing is decided on half of the truth, or without a store', () => {
    expect(ask(world({ complete: false }).parts, main, as('alice'))).toMatchObject({ kind: 'deny', status: 503 })
    expect(ask(world().parts, main, { kind: 'unavailable' })).toMatchObject({ kind: 'deny', status: 503 })
  })

  test('what does not run is said only to those who may use it', () => {
    const { parts } = world({ runs: false })
    expect(ask(parts, main, as('alice'), html)).toMatchObject({ kind: 'starting', phase: 'Starting', navigation: true })
    expect(ask(parts, main, as('bob'), html)).toMatchObject({ kind: 'deny', status: 403 })
  })
})

describe('whose page asks', () => {
  const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket' }

  test.each([
    ['a socket from its own page', upgrade, 'GET', 'https://nb-orswc3i.ws.example.test', 'forward'],
    ['a socket of a sibling workspace', upgrade, 'GET', 'https://evil-orswc3i.ws.example.test', 'deny'],
    ['a socket of a page of unknown origin', upgrade, 'GET', 'null', 'deny'],
    ['a socket without a page', upgrade, 'GET', undefined, 'deny'],
    ['a form of a sibling workspace', {}, 'POST', 'https://evil-orswc3i.ws.example.test', 'deny'],
    ['its own form', {}, 'POST', 'https://nb-orswc3i.ws.example.test', 'forward'],
    [
      'a read by a sibling',
      { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' },
      'GET',
      undefined,
      'deny',
    ],
    [
      'a link from elsewhere',
      { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' },
      'GET',
      undefined,
      'forward',
    ],
  ])('%s: %o %s from %s is %s, also when the pass is warm', (_, fields, method, origin, expected) => {
    const { parts } = world()
    const all = { ...fields, ...(origin === undefined ? {} : { Origin: origin }) }
    expect(ask(parts, main, as('alice'), all, method).kind).toBe(expected)
    ask(parts, main, as('alice'))
    expect(ask(parts, main, as('alice'), all, method).kind).toBe(expected)
  })
})

describe('a kept pass', () => {
  test('is the same object as long as nothing changed', () => {
    const { parts } = world()
    const alice = as('alice')
    const pass = (answer: ReturnType<typeof ask>) => (answer.kind === 'forward' ? answer.pass : undefined)
    expect(pass(ask(parts, main, alice))).toBeDefined()
    expect(pass(ask(parts, main, alice))).toBe(pass(ask(parts, main, alice)))
  })

  test('is worth nothing after a revoked share, a stop, or at the share’s end', async () => {
    const given = share([nb], { expiresAt: '2026-01-01T00:01:00Z' })
    const { parts, directory, clock } = world({ shares: [given] })
    const bob = as('bob')
    expect(ask(parts, main, bob).kind).toBe('forward')
    await clock.advance(60_000)
    expect(ask(parts, main, bob).kind).toBe('deny')
    directory.applyShares({ type: 'synced', objects: [share([nb], {})] })
    expect(ask(parts, main, bob).kind).toBe('forward')
    directory.applyWorkspaces({ type: 'applied', object: { ...nb, spec: { ...nb.spec, desiredStatus: 'Stopped' } } })
    expect(ask(parts, main, bob).kind).toBe('starting')
    directory.applyShares({ type: 'deleted', object: share([nb], {}) })
    expect(ask(parts, main, bob).kind).toBe('deny')
  })

  test('is not for the same session with other groups', () => {
    const { parts } = world()
    expect(ask(parts, main, as('carol', 'admins')).kind).toBe('forward')
    expect(ask(parts, main, as('carol')).kind).toBe('deny')
  })
})

describe('where Kubernetes RBAC is asked', () => {
  /** As in a cluster: with a reviewer that says what the test says. */
  function cluster(says: ScriptedReviewer['says'], given: Given = {}) {
    const reviewer = scriptedReviewer(says)
    const { signal } = new AbortController()
    const log = createLog({ level: 'error', clock: fakeClock(), sink: { write: () => undefined } })
    const all = world({ ...given, reviews: (clock) => new Reviews({ reviewer, clock, log, signal, most: 100 }) })
    /** Asks, answers what has to be asked, and asks again, as the gateway does. */
    const settle = async (...of: Parameters<typeof ask> extends [unknown, ...infer Rest] ? Rest : never) => {
      const first = ask(all.parts, ...of)
      if (first.kind !== 'review') return first
      await all.parts.reviews?.decide(first.question)
      return ask(all.parts, ...of)
    }
    return { ...all, reviewer, settle }
  }

  test('the owner is not let in before it has answered, and then once for all of the namespace', async () => {
    const { parts, settle, reviewer } = cluster('allowed')
    const { identity } = session('alice')
    expect(ask(parts, main, as('alice'))).toMatchObject({ kind: 'review', question: { namespace: 'team' } })
    expect(await settle(main, as('alice'))).toMatchObject({ kind: 'forward', pass: { grant: { kind: 'owner' } } })
    expect(ask(parts, app, as('alice'))).toMatchObject({ kind: 'forward' })
    expect(reviewer.asked).toEqual([
      {
        subject: identity,
        namespace: 'team',
        action: { verb: 'create', group: 'connection.workspace.jupyter.org', resource: 'workspaceconnections' },
      },
    ])
  })

  test.each([
    ['the owner', as('alice'), {}],
    ['a grantee', as('bob'), { shares: [share([nb], {})] }],
    ['an administrator', as('carol', 'admins'), {}],
    [
      'anybody, where it is public',
      as('dave'),
      { workspace: workspace({ owner: 'alice', spec: { accessType: 'Public' } }) },
    ],
  ])('%s needs it as well, and gets the very 403 of a stranger', async (_, who, given: Given) => {
    const denied = await cluster('denied', given).settle(main, who, html)
    expect(denied).toMatchObject({ kind: 'deny', status: 403, reason: 'rbac' })
    expect((await cluster('allowed', given).settle(main, who, html)).kind).toBe('forward')
    expect(problemOfDenial('rbac', 403)).toEqual(problemOfDenial('no-grant', 403))
  })

  test('what does not run, has moved, or is not declared is told only to those whom it lets in', async () => {
    for (const url of [main, urlOf(site, ref, 8888), urlOf(site, ref, 22)]) {
      const denied = await cluster('denied', { runs: false }).settle(url, as('alice'), html)
      expect(denied).toMatchObject({ kind: 'deny', status: 403, reason: 'rbac' })
    }
    const allowed = cluster('allowed', { runs: false })
    expect(await allowed.settle(main, as('alice'), html)).toMatchObject({ kind: 'starting' })
    expect(await allowed.settle(urlOf(site, ref, 8888), as('alice'), html)).toMatchObject({ kind: 'moved' })
    expect(await allowed.settle(urlOf(site, ref, 22), as('alice'), html)).toMatchObject({ status: 404 })
  })

  test('nobody is asked about those without a grant, about what does not exist, or for a page of another origin', async () => {
    const { settle, reviewer } = cluster('allowed', { shares: [share([nb], { ports: ['app'] })] })
    const ghost = urlOf(site, { namespace: 'team', name: 'ghost' }, undefined)
    const foreign = { Connection: 'Upgrade', Upgrade: 'websocket', Origin: 'https://evil.example.test' }
    expect((await settle(main, anonymous, html)).kind).toBe('login')
    for (const url of [main, ghost, urlOf(site, ref, 22)]) {
      expect(await settle(url, as('dave'), html)).toMatchObject({ kind: 'deny', status: 403 })
      expect(await settle(url, as('bob'), html)).toMatchObject({ kind: 'deny', status: 403 })
    }
    expect(await settle(main, as('alice'), foreign)).toMatchObject({ kind: 'deny', reason: 'cross-origin' })
    expect(reviewer.asked).toEqual([])
  })

  test('without an answer nothing is said that would be final', async () => {
    const denied = await cluster('unreachable').settle(main, as('alice'), html)
    expect(denied).toMatchObject({ kind: 'deny', status: 503, reason: 'review-unavailable' })
  })

  test('a pass is looked at again no later because the date was put back', async () => {
    const { parts, settle, reviewer, clock, date } = cluster('allowed')
    const alice = as('alice')
    await settle(main, alice)
    reviewer.says = 'denied'
    date.leap(-3_600_000)
    await clock.advance(15_000)
    expect(ask(parts, main, alice).kind).toBe('forward')
    await clock.advance(0)
    expect(ask(parts, main, alice)).toMatchObject({ kind: 'deny', status: 403 })
  })

  test('a pass ends when the answer was taken back, and is looked at again ahead of that', async () => {
    const { parts, settle, reviewer, clock } = cluster('allowed')
    const alice = as('alice')
    await settle(main, alice)
    await clock.advance(14_999)
    expect(ask(parts, main, alice).kind).toBe('forward')
    expect(reviewer.asked).toHaveLength(1)
    reviewer.says = 'denied'
    await clock.advance(1)
    expect(ask(parts, main, alice).kind).toBe('forward')
    await clock.advance(0)
    expect(reviewer.asked).toHaveLength(2)
    expect(ask(parts, main, alice)).toMatchObject({ kind: 'deny', status: 403 })
  })

  test('a warm pass asks nobody, and is the same object', async () => {
    const { parts, settle, reviewer } = cluster('allowed')
    const alice = as('alice')
    const first = await settle(main, alice)
    for (let nth = 0; nth < 100; nth += 1) {
      const next = ask(parts, main, alice)
      expect(next.kind === 'forward' && first.kind === 'forward' && next.pass === first.pass).toBe(true)
    }
    expect(reviewer.asked).toHaveLength(1)
  })
})

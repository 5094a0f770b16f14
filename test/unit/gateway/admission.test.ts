import { describe, expect, test } from 'vitest'
import { type AdmissionParts, admit } from '#gateway/admission.ts'
import { Passes } from '#gateway/passes.ts'
import { parseTarget } from '#gateway/target.ts'
import { parseAuthority } from '#http/authority.ts'
import { readRequestHead } from '#http/request-head.ts'
import { parseRequestTarget } from '#http/request-target.ts'
import type { Authentication } from '#identity/authentication.ts'
import { StreamIndex } from '#live/streams.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { instance, session, share, workspace } from '#test/support/objects.ts'
import { makeSite, urlOf } from '#workspace/address.ts'
import { Directory } from '#workspace/directory.ts'
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

function world(given: { workspace?: Workspace; shares?: WorkspaceShare[]; runs?: boolean; complete?: boolean } = {}) {
  const clock = fakeClock(Date.parse('2026-01-01T00:00:00Z'))
  const directory = new Directory({ clock, serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  const served = given.workspace ?? nb
  directory.applyWorkspaces({ type: 'synced', objects: [served] })
  if (given.complete !== false) directory.applyShares({ type: 'synced', objects: given.shares ?? [] })
  directory.applyInstances({ type: 'synced', instances: given.runs === false ? [] : [instance(served, { endpoints })] })
  const parts: AdmissionParts = {
    site,
    directory,
    clock,
    policy: { defaultAccessType: 'OwnerOnly', administrators: { groups: ['admins'], users: [] } },
    passes: new Passes(new StreamIndex(), clock),
    upstreamOf: (of, port) => ({
      key: `${of.instanceUid}:${port}`,
      dial: () => Promise.reject(new Error('not dialled here')),
    }),
    isOwnCookie: () => false,
    isAwaited: () => false,
  }
  return { parts, directory, clock }
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

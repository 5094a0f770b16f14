import { describe, expect, test } from 'vitest'
import type { ShareView, WorkspaceView } from '#surface/messages.ts'
import { openPath, paths, sharePath } from '#surface/urls.ts'
import {
  alice,
  type Backend,
  fakeSurface,
  navigation,
  ownFetch,
  ownForm,
  portView,
  workspaceView,
} from './fake-surface.ts'

const payload = `'"><img src=x onerror=alert(1)></title><script>alert(1)</script>\${1}`
const script = 'javascript:alert(document.domain)//'
const ref = { namespace: 'alice', name: 'notebook' }

function hostileView(state: WorkspaceView['state']): WorkspaceView {
  return workspaceView({
    namespace: payload,
    name: payload,
    displayName: payload,
    owner: payload,
    mine: false,
    state,
    reason: payload,
    message: payload,
    steps: [{ at: payload, kind: 'warning', reason: payload, message: payload }],
    ports: [
      portView({ name: payload, label: payload, url: script }),
      portView({ name: payload, label: '', port: 2, url: script, ready: false }),
    ],
    can: { open: true, start: true, stop: true, share: true, logs: true },
    connected: [{ user: payload, streams: 1 }],
    url: script,
  })
}

const hostileShare: ShareView = {
  name: payload,
  createdBy: payload,
  createdAt: payload,
  grantees: [
    { kind: 'User', name: payload },
    { kind: 'ServiceAccount', name: payload, namespace: payload },
  ],
  access: 'connect',
  ports: [payload],
  connectionTypes: [payload],
  expiresAt: payload,
  workspaces: [payload, 'notebook'],
  status: { accepted: false, reason: payload, message: payload },
}

function hostile(state: WorkspaceView['state']): Partial<Backend> {
  return {
    listWorkspaces: () => [hostileView(state), { ...hostileView(state), mine: true }],
    viewWorkspace: () => hostileView(state),
    readLogs: () => ({ ok: true, value: [payload, '</pre><script>alert(1)</script>'] }),
    listShares: () => ({ ok: true, value: [hostileShare] }),
    createShare: () => ({
      ok: false,
      problem: {
        code: payload,
        status: 422,
        title: payload,
        detail: payload,
        faults: [{ field: payload, message: payload }],
      },
    }),
    deleteShare: () => ({ ok: false, problem: { code: payload, status: 409, title: payload, detail: payload } }),
    explain: () => ({
      ok: true,
      value: {
        allowed: false,
        grant: payload,
        reason: payload,
        checks: [{ check: payload, passed: true, detail: payload }],
      },
    }),
    listSessions: () => [
      {
        name: payload,
        kind: 'browser',
        current: false,
        username: payload,
        issuer: payload,
        userAgent: payload,
        createdAt: payload,
        expiresAt: payload,
        notAfter: payload,
      },
    ],
    manifestProblems: () => [{ file: payload, line: 1, reason: payload }],
    missingPolicies: () => [{ policy: payload, consequence: payload }],
    startLogin: async () => ({
      kind: 'choose',
      issuers: [
        { id: payload, displayName: payload },
        { id: payload, displayName: '' },
      ],
    }),
    startConsent: () => ({ kind: 'ask', device: payload, redirectUri: 'http://127.0.0.1:4000/cb', form: payload }),
  }
}

function expectHarmless(body: string): void {
  expect(body).not.toContain('<img')
  expect(body).not.toContain('<script>')
  expect(body).not.toMatch(/(?:href|src|action)="\s*javascript:/i)
  // Every attribute is closed where we closed it: nothing of the payload stands outside of quotes within a tag.
  for (const [tag] of body.matchAll(/<[a-z][^<>]*>/g))
    expect(tag.replace(/"[^"]*"/g, '')).not.toMatch(/onerror|alert|['&]/)
}

const states = ['Stopped', 'Starting', 'Running', 'Stopping', 'Degraded'] as const
const pages = [
  paths.console,
  paths.workspaceList,
  paths.whoami,
  paths.login,
  paths.logout,
  paths.cliAuthorize,
  openPath(ref),
  openPath(ref, { port: 2, path: `/${payload}` }),
  `${openPath(ref)}?part`,
  `${sharePath(ref)}?user=${encodeURIComponent(payload)}`,
  `${sharePath(ref)}?part&user=${encodeURIComponent(payload)}`,
]

describe.each(states)('while it is %s', (state) => {
  test.each(pages)('%s shows whatever it is told as text', async (url) => {
    await using fake = await fakeSurface(hostile(state))
    const cookie = `session=${encodeURIComponent(payload)}`
    const { statusCode, body } = await fake.app.inject({ url, headers: { cookie, ...navigation } })
    expect(statusCode).toBe(200)
    expect(body).toContain('&lt;img src=x onerror=alert(1)&gt;')
    expectHarmless(body)
  })
})

test('what was typed into the form of a share comes back as text', async () => {
  await using fake = await fakeSurface(hostile('Running'))
  const form = new URLSearchParams({
    people: 'bob',
    groups: payload,
    until: payload,
    date: payload,
    port: 'lab',
    access: 'connect',
  })
  for (const url of [sharePath(ref), `${sharePath(ref)}?part`]) {
    const headers = { ...alice, ...ownForm }
    const { statusCode, body } = await fake.app.inject({ method: 'POST', url, headers, payload: form.toString() })
    expect(statusCode).toBe(422)
    expect(body).toContain('value="bob"')
    expectHarmless(body)
  }
})

test('a refusal shows what it is told as text', async () => {
  await using fake = await fakeSurface(hostile('Running'))
  const revoke = { method: 'POST', url: `${sharePath(ref)}/revoke`, payload: 'share=x' } as const
  const { statusCode, body } = await fake.app.inject({ ...revoke, headers: { ...alice, ...ownForm } })
  expect(statusCode).toBe(409)
  expectHarmless(body)
})

test('JSON is never taken for a page', async () => {
  await using fake = await fakeSurface(hostile('Running'))
  const { headers } = await fake.app.inject({ url: paths.whoami, headers: { ...alice, ...ownFetch } })
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
  expect(headers['x-content-type-options']).toBe('nosniff')
})

import { describe, expect, test } from 'vitest'
import type { WorkspaceView } from '#surface/messages.ts'
import { problem } from '#surface/problem.ts'
import { api, openPath, paths } from '#surface/urls.ts'
import {
  alice,
  fakeSurface,
  navigation,
  origin,
  ownFetch,
  ownForm,
  portView,
  sessionOf,
  workspaceView,
} from './fake-surface.ts'

const ref = { namespace: 'alice', name: 'notebook' }
const fetched = { ...alice, ...ownFetch, origin }

describe('the API', () => {
  test('lists what the actor may see, and gives one of them', async () => {
    await using fake = await fakeSurface({
      listWorkspaces: (actor) => [workspaceView({ owner: actor.session.identity.username })],
      viewWorkspace: (_actor, { namespace, name }) => workspaceView({ namespace, name }),
    })
    const list = await fake.app.inject({ url: api.workspaces, headers: { authorization: 'Bearer bob' } })
    expect(list.json()).toEqual({ workspaces: [workspaceView({ owner: 'bob' })] })
    const one = await fake.app.inject({ url: api.workspace(ref), headers: fetched })
    expect(one.json()).toEqual(workspaceView())
  })

  test('passes on who asks, by which request, and from where', async () => {
    let seen: unknown
    await using fake = await fakeSurface({
      listWorkspaces(actor) {
        seen = actor
        return []
      },
    })
    await fake.app.inject({ url: api.workspaces, headers: fetched })
    expect(seen).toEqual({ session: sessionOf('alice'), requestId: 'none', address: '' })
  })

  test.each([
    ['start', 'Running', 200],
    ['start', 'Starting', 202],
    ['stop', 'Stopped', 200],
    ['stop', 'Stopping', 202],
  ] as const)('%s of a workspace that is then %s is a %d', async (action, state, status) => {
    const outcome = () => ({ ok: true, value: workspaceView({ state }) }) as const
    await using fake = await fakeSurface({ startWorkspace: outcome, stopWorkspace: outcome })
    const answer = await fake.app.inject({ method: 'POST', url: api[action](ref), headers: fetched })
    expect(answer.statusCode).toBe(status)
    expect(answer.json()).toMatchObject({ state })
  })

  test('says why something is refused, with the id of the request', async () => {
    const refused = { ok: false, problem: problem('forbidden', 403, 'You may open it, but not stop it.') } as const
    await using fake = await fakeSurface({ stopWorkspace: () => refused })
    const answer = await fake.app.inject({ method: 'POST', url: api.stop(ref), headers: fetched })
    expect(answer.statusCode).toBe(403)
    expect(answer.json()).toEqual({
      title: 'This is not allowed.',
      status: 403,
      code: 'forbidden',
      detail: 'You may open it, but not stop it.',
      requestId: 'none',
    })
  })

  test('gives the last lines of the log', async () => {
    await using fake = await fakeSurface({ readLogs: async () => ({ ok: true, value: ['a', 'b'] }) })
    expect((await fake.app.inject({ url: api.logs(ref), headers: fetched })).json()).toEqual({ lines: ['a', 'b'] })
  })

  test('tells of manifests that cannot be used, and of policies that are missing', async () => {
    const problems = [{ file: 'a.yaml', line: 3, reason: 'no' }]
    const missingPolicies = [{ policy: 'gatehouse-workspace-owner', consequence: 'Nobody is let in as an owner.' }]
    await using fake = await fakeSurface({ manifestProblems: () => problems, missingPolicies: () => missingPolicies })
    const answer = await fake.app.inject({ url: api.problems, headers: fetched })
    expect(answer.json()).toEqual({ problems, missingPolicies })
  })
})

describe('the same by forms, where no script runs', () => {
  test('starting leads to the page that waits, with the place that was wanted', async () => {
    await using fake = await fakeSurface({
      startWorkspace: () => ({ ok: true, value: workspaceView({ state: 'Starting' }) }),
    })
    const form = new URLSearchParams({ port: '8050', to: '/app?x=1' }).toString()
    const headers = { ...alice, ...ownForm }
    const answer = await fake.app.inject({ method: 'POST', url: api.start(ref), headers, payload: form })
    expect(answer.statusCode).toBe(303)
    expect(answer.headers.location).toBe(openPath(ref, { port: 8050, path: '/app?x=1' }))
  })

  test('stopping leads back to the console', async () => {
    await using fake = await fakeSurface({ stopWorkspace: () => ({ ok: true, value: workspaceView() }) })
    const answer = await fake.app.inject({ method: 'POST', url: api.stop(ref), headers: { ...alice, ...ownForm } })
    expect([answer.statusCode, answer.headers.location]).toEqual([303, '/'])
  })
})

describe('the console', () => {
  async function consoleOf(views: readonly WorkspaceView[]): Promise<string> {
    await using fake = await fakeSurface({ listWorkspaces: () => views })
    return (await fake.app.inject({ url: '/', headers: { ...alice, ...navigation } })).body
  }

  test('has my workspaces apart from those of others', async () => {
    const body = await consoleOf([
      workspaceView(),
      workspaceView({ name: 'other', owner: 'carol', mine: false, grant: 'share' }),
    ])
    expect(body).toMatch(
      /Yours[\s\S]*alice\/notebook[\s\S]*Open to you[\s\S]*alice\/other[\s\S]*of carol, shared with you/,
    )
  })

  test('shows no name that reads in another direction, or cannot be seen', async () => {
    const body = await consoleOf([
      workspaceView({ displayName: 'photo\u202egnp.exe\u0007' }),
      workspaceView({ name: 'unseen', displayName: ' \u200e\u2066\n' }),
      workspaceView({ name: 'family', displayName: '\u{1f469}\u200d\u{1f52c} שלום' }),
    ])
    const titles = [...body.matchAll(/<h3><a [^>]*>([^<]*)</g)].map(([, title]) => title)
    expect(titles.sort()).toEqual(['photo gnp.exe', 'unseen', '\u{1f469}\u200d\u{1f52c} שלום'].sort())
  })

  test('opens what runs where it is, and what does not where it can be started', async () => {
    expect(await consoleOf([workspaceView()])).toContain(`href="${portView().url}" aria-label="Open: Notebook"`)
    const can = { open: true, start: false, stop: true, share: false, logs: false }
    expect(await consoleOf([workspaceView({ state: 'Starting', can })])).toContain(
      `href="${openPath(ref)}" aria-label="Open: Notebook"`,
    )
  })

  test('offers exactly what is permitted', async () => {
    const nothing = { open: true, start: false, stop: false, share: false, logs: false }
    const body = await consoleOf([workspaceView({ can: nothing })])
    expect(body).not.toMatch(/aria-label="(?:Start|Stop|Share) /)
    const stopped = await consoleOf([
      workspaceView({ state: 'Stopped', can: { ...nothing, start: true, share: true } }),
    ])
    expect(stopped).toContain(`action="${api.start(ref)}"`)
    expect(stopped).toContain('aria-label="Share Notebook"')
    expect(stopped).not.toContain('aria-label="Open: Notebook"')
  })

  test('has a link for every exposed port, and none for the others', async () => {
    const body = await consoleOf([
      workspaceView({
        ports: [
          portView(),
          portView({ name: 'app', label: 'Dashboard', port: 8050, url: 'https://app.example.test/' }),
          portView({ name: 'api', label: 'API', port: 9000, ready: false }),
          portView({ name: 'debug', label: 'Debugger', port: 5678, exposed: false }),
        ],
      }),
    ])
    expect(body).toContain('<a class="port" href="https://app.example.test/">Dashboard</a>')
    expect(body).toContain(`<a class="port off" href="${openPath(ref, { port: 9000 })}">API`)
    expect(body).not.toContain('Debugger')
  })

  test('says who is connected, and which manifests have problems', async () => {
    await using fake = await fakeSurface({
      listWorkspaces: () => [workspaceView({ connected: [{ user: 'github:bob', streams: 2 }] })],
      manifestProblems: () => [{ file: 'a.yaml', line: 3, reason: '/spec is missing' }],
    })
    const { body } = await fake.app.inject({ url: '/', headers: { ...alice, ...navigation } })
    expect(body).toContain('title="2 open streams"')
    expect(body).toContain('github:bob')
    expect(body).toContain('<code>a.yaml:3</code> /spec is missing')
  })

  test('says which policies are missing, and what that means', async () => {
    const missing = { policy: 'gatehouse-workspace-share', consequence: 'Shares grant nothing.' }
    await using fake = await fakeSurface({ missingPolicies: () => [missing] })
    const { body } = await fake.app.inject({ url: '/', headers: { ...alice, ...navigation } })
    expect(body).toContain('An admission policy is missing')
    expect(body).toContain('<code>gatehouse-workspace-share</code> Shares grant nothing.')
    await using whole = await fakeSurface()
    expect((await whole.app.inject({ url: '/', headers: { ...alice, ...navigation } })).body).not.toContain('policy')
  })

  test('is refreshed by a list alone, which costs next to nothing while it stays the same', async () => {
    let message = 'one'
    await using fake = await fakeSurface({ listWorkspaces: () => [workspaceView({ state: 'Starting', message })] })
    const ask = (etag = '') =>
      fake.app.inject({ url: paths.workspaceList, headers: { ...fetched, 'if-none-match': etag } })
    const first = await ask()
    expect(first.body).toContain('data-key="alice/notebook"')
    expect(first.body).not.toContain('<html')
    const etag = String(first.headers.etag)
    expect((await ask(etag)).statusCode).toBe(304)
    message = 'two'
    expect((await ask(etag)).statusCode).toBe(200)
  })

  test('says when there is nothing', async () => {
    expect(await consoleOf([])).toContain('There is no workspace of yours, and none is shared with you.')
  })
})

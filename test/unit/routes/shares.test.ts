import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseShareInput, shareBodyOf } from '#routes/share-input.ts'
import type { ShareInput } from '#surface/messages.ts'
import { problem } from '#surface/problem.ts'
import { api, revokePath, sharePath } from '#surface/urls.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import {
  alice,
  type Backend,
  fakeSurface,
  navigation,
  origin,
  ownFetch,
  ownForm,
  shareView,
  workspaceView,
} from './fake-surface.ts'

const ref = { namespace: 'alice', name: 'notebook' }
const now = fakeClock().now()
const fetched = { ...alice, ...ownFetch, origin, 'content-type': 'application/json' }

/** Remembers what it was asked to make and to delete. */
function recording(): { readonly made: ShareInput[]; readonly deleted: string[]; readonly backend: Partial<Backend> } {
  const made: ShareInput[] = []
  const deleted: string[] = []
  return {
    made,
    deleted,
    backend: {
      viewWorkspace: () => workspaceView(),
      listShares: () => ({ ok: true, value: [shareView()] }),
      createShare(_actor, _ref, input) {
        made.push(input)
        return { ok: true, value: shareView({ name: 'notebook-9z' }) }
      },
      deleteShare(_actor, _ref, name) {
        deleted.push(name)
        return { ok: true, value: undefined }
      },
    },
  }
}

describe('the API of shares', () => {
  test('lists, makes and revokes', async () => {
    const { made, deleted, backend } = recording()
    await using fake = await fakeSurface(backend)
    const list = await fake.app.inject({ url: api.shares(ref), headers: fetched })
    expect(list.json()).toEqual({ shares: [shareView()] })
    const payload = {
      grantees: [{ kind: 'Group', name: 'ds' }],
      ports: ['app'],
      expiresAt: '2026-02-01T00:00:00Z',
      workspaces: ['dashboard'],
    }
    const created = await fake.app.inject({ method: 'POST', url: api.shares(ref), headers: fetched, payload })
    expect(created.statusCode).toBe(201)
    expect(created.headers.location).toBe(api.share(ref, 'notebook-9z'))
    expect(made).toEqual([{ ...payload, access: 'connect' }])
    const gone = await fake.app.inject({
      method: 'DELETE',
      url: api.share(ref, 'notebook-9z'),
      headers: { ...alice, ...ownFetch, origin },
    })
    expect([gone.statusCode, gone.body]).toEqual([204, ''])
    expect(deleted).toEqual(['notebook-9z'])
  })

  test.each([
    [undefined, ''],
    ['"text"', ''],
    ['{}', ''],
    ['{"grantees": []}', 'grantees'],
    ['{"grantees": [{"kind": "User"}]}', 'grantees/0'],
    ['{"grantees": [{"kind": "Robot", "name": "x"}]}', 'grantees/0/kind'],
    ['{"grantees": [{"kind": "User", "name": ""}]}', 'grantees/0/name'],
    ['{"grantees": [{"kind": "User", "name": "x", "namespace": "y"}]}', 'grantees/0/namespace'],
    ['{"grantees": [{"kind": "ServiceAccount", "name": "x"}]}', 'grantees/0/namespace'],
    ['{"grantees": [{"kind": "User", "name": "x"}], "access": "all"}', 'access'],
    ['{"grantees": [{"kind": "User", "name": "x"}], "ports": []}', 'ports'],
    ['{"grantees": [{"kind": "User", "name": "x"}], "expiresAt": "tomorrow"}', 'expiresAt'],
    ['{"grantees": [{"kind": "User", "name": "x"}], "expiresAt": "2026-02-31T99:00:00Z"}', 'expiresAt'],
    ['{"grantees": [{"kind": "User", "name": "x"}], "expiresAt": "2020-01-01T00:00:00Z"}', 'expiresAt'],
    ['{"grantees": [{"kind": "User", "name": "x"}], "expires": "2027-01-01T00:00:00Z"}', ''],
  ])('answers %s with 422 and the field %j', async (payload, field) => {
    const { made, backend } = recording()
    await using fake = await fakeSurface(backend)
    const request = { method: 'POST', url: api.shares(ref) } as const
    const { 'content-type': _, ...plain } = fetched
    const answer = await fake.app.inject(
      payload === undefined ? { ...request, headers: plain } : { ...request, headers: fetched, payload },
    )
    expect(answer.statusCode).toBe(422)
    const { faults } = answer.json<{ faults: { field: string; message: string }[] }>()
    expect(faults.map((fault) => fault.field)).toContain(field)
    for (const { message } of faults) expect(message).not.toBe('')
    expect(made).toEqual([])
  })

  test('tells nothing of faults to who may not share', async () => {
    await using fake = await fakeSurface({ listShares: () => ({ ok: false, problem: problem('forbidden', 403) }) })
    const answer = await fake.app.inject({ method: 'POST', url: api.shares(ref), headers: fetched, payload: '{}' })
    expect(answer.statusCode).toBe(403)
    expect(answer.json()).not.toHaveProperty('faults')
  })

  test('never accepts what is over already, whatever the zone it is said in', () => {
    fc.assert(
      fc.property(
        fc.date({ noInvalidDate: true, min: new Date('2020-01-01'), max: new Date('2030-01-01') }),
        (date) => {
          const body = { grantees: [{ kind: 'User', name: 'bob' }], expiresAt: date.toISOString() }
          expect(parseShareInput(body, now).ok).toBe(date.getTime() > now)
        },
      ),
    )
  })
})

describe('the form of a share', () => {
  const bodyOf = (fields: Record<string, string>) => shareBodyOf(new URLSearchParams(fields), now)

  test('reads names with commas, semicolons, blanks or lines between them, each once', () => {
    expect(bodyOf({ people: ' bob, github:carol;dave\n bob ', groups: 'ds' })).toEqual({
      grantees: [
        { kind: 'User', name: 'bob' },
        { kind: 'User', name: 'github:carol' },
        { kind: 'User', name: 'dave' },
        { kind: 'Group', name: 'ds' },
      ],
      access: 'connect',
    })
  })

  test.each([
    [{ until: 'hour' }, '2026-01-01T01:00:00.000Z'],
    [{ until: 'week' }, '2026-01-08T00:00:00.000Z'],
    [{ until: 'date', date: '2026-03-01T10:30' }, '2026-03-01T10:30:00.000Z'],
    [{ until: 'date', date: '2026-03-01T10:30', offset: '120' }, '2026-03-01T08:30:00.000Z'],
    [{ until: 'date', date: '2026-03-01T10:30', offset: '-300' }, '2026-03-01T15:30:00.000Z'],
    [{ until: '', date: '2026-03-01T10:30' }, undefined],
  ])('reads %j as %s', (fields, expiresAt) => {
    expect(bodyOf(fields)).toMatchObject(expiresAt === undefined ? {} : { expiresAt })
    if (expiresAt === undefined) expect(bodyOf(fields)).not.toHaveProperty('expiresAt')
  })

  test.each([
    { until: 'date' },
    { until: 'date', date: 'soon' },
    { until: 'date', date: '2026-03-01T10:30', offset: 'x' },
    { until: 'for ever' },
  ])('%j makes no share that lasts for ever', (fields) => {
    const input = parseShareInput(bodyOf({ people: 'bob', ...fields }), now)
    expect(input.ok ? input.value : input.problem.status).toBe(422)
  })
})

describe('the page of sharing', () => {
  test('shares and revokes without a script', async () => {
    const { made, deleted, backend } = recording()
    await using fake = await fakeSurface(backend)
    const headers = { ...alice, ...ownForm }
    const payload = 'people=bob&groups=&access=modify&until=day&port=lab&type=web-ui&type=port-forward'
    const posted = await fake.app.inject({ method: 'POST', url: sharePath(ref), headers, payload })
    expect([posted.statusCode, posted.headers.location]).toEqual([303, sharePath(ref)])
    expect(made).toEqual([
      {
        grantees: [{ kind: 'User', name: 'bob' }],
        access: 'modify',
        ports: ['lab'],
        connectionTypes: ['web-ui', 'port-forward'],
        expiresAt: '2026-01-02T00:00:00.000Z',
      },
    ])
    const revoked = await fake.app.inject({
      method: 'POST',
      url: revokePath(ref),
      headers,
      payload: 'share=notebook-1a2b',
    })
    expect([revoked.statusCode, revoked.headers.location]).toEqual([303, sharePath(ref)])
    expect(deleted).toEqual(['notebook-1a2b'])
  })

  test('shows what was wrong, and keeps what was typed', async () => {
    const { backend } = recording()
    await using fake = await fakeSurface(backend)
    const payload = 'people=&groups=&access=modify&until=week&type=ssh-remote'
    const answer = await fake.app.inject({
      method: 'POST',
      url: sharePath(ref),
      headers: { ...alice, ...ownForm },
      payload,
    })
    expect(answer.statusCode).toBe(422)
    expect(answer.body).toContain('role="alert"')
    expect(answer.body).toContain('People and groups: must name somebody')
    expect(answer.body).toContain('<option value="modify" selected>')
    expect(answer.body).toContain('<option value="week" selected>')
    expect(answer.body).toContain('name="type" value="ssh-remote" checked')
    expect(answer.body).not.toContain('name="type" value="port-forward" checked')
  })

  test('is a piece for the dialog of the console, and stays one after posting', async () => {
    const { backend } = recording()
    await using fake = await fakeSurface(backend)
    const url = `${sharePath(ref)}?part`
    const part = await fake.app.inject({ url, headers: { ...alice, ...ownFetch } })
    expect(part.body).toMatch(/^<div class="dialog-head">/)
    const posted = await fake.app.inject({
      method: 'POST',
      url,
      headers: { ...alice, ...ownFetch, origin, 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'people=bob',
    })
    expect(posted.headers.location).toBe(url)
  })

  test('says which shares are in force, and why others are not', async () => {
    const { backend } = recording()
    const status = { accepted: false, reason: 'WorkspaceReplaced', message: 'It was created again.' }
    const only = { ports: ['app'], connectionTypes: ['port-forward', 'zed-remote'] }
    const shares = [shareView(), shareView({ name: 'x', status, ...only, expiresAt: '2026-02-01T00:00:00Z' })]
    await using fake = await fakeSurface({ ...backend, listShares: () => ({ ok: true, value: shares }) })
    const { body } = await fake.app.inject({ url: sharePath(ref), headers: { ...alice, ...navigation } })
    expect(body).toContain('In force')
    expect(body).toMatch(/Not in force<\/span> It was created again\./)
    expect(body).toContain(
      'may open it, only app, only by forwarded ports, zed-remote, until <time datetime="2026-02-01T00:00:00Z">1 Feb 2026, 00:00 UTC</time>',
    )
  })

  test('is a 403 for who may open the workspace, but not share it', async () => {
    const { backend } = recording()
    const refused = { ok: false, problem: problem('forbidden', 403) } as const
    await using fake = await fakeSurface({ ...backend, listShares: () => refused, createShare: () => refused })
    const headers = { ...alice, ...ownForm }
    expect((await fake.app.inject({ url: sharePath(ref), headers: { ...alice, ...navigation } })).statusCode).toBe(403)
    for (const payload of ['people=bob', 'people=']) {
      expect((await fake.app.inject({ method: 'POST', url: sharePath(ref), headers, payload })).statusCode).toBe(403)
    }
  })

  test('answers who may open it, and why', async () => {
    const { backend } = recording()
    const asked: unknown[] = []
    await using fake = await fakeSurface({
      ...backend,
      explain(_actor, _ref, subject) {
        asked.push(subject)
        const checks = [{ check: 'owner', passed: false, detail: 'The owner is alice.' }]
        return { ok: true, value: { allowed: false, reason: 'No live share.', checks } }
      },
    })
    const page = await fake.app.inject({ url: `${sharePath(ref)}?user=bob`, headers: { ...alice, ...navigation } })
    expect(page.body).toContain('<strong>bob may not open it.</strong> No live share.')
    const json = await fake.app.inject({ url: `${api.explain(ref)}?user=bob&group=ds&group=x`, headers: fetched })
    expect(json.json()).toMatchObject({ allowed: false, checks: [{ check: 'owner', passed: false }] })
    expect(asked).toEqual([{ user: 'bob' }, { user: 'bob', groups: ['ds', 'x'] }])
    expect((await fake.app.inject({ url: api.explain(ref), headers: fetched })).statusCode).toBe(400)
  })
})

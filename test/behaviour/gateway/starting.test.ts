import { describe, expect, test } from 'vitest'
import type { InstanceStep } from '#runtime/contract.ts'
import { api } from '#surface/urls.ts'
import { liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi, cookieFor, declare, modes, press, statusOf } from './scene.ts'

const ref = { namespace: 'team', name: 'nb' }
const at = Date.parse('2026-01-01T00:00:00Z')

/** What a cluster says while a pod comes up; here the test's own runtime says it, there the events of a pod do. */
const steps: readonly InstanceStep[] = [
  { at, kind: 'normal', reason: 'Pulling', message: 'Pulling image "registry.example/jupyter:1.2"' },
  {
    at: at + 1000,
    kind: 'warning',
    reason: 'FailedScheduling',
    message: '0/3 nodes are available: 3 node(s) had volume node affinity conflict.',
  },
  { at: at + 2000, kind: 'warning', reason: 'ImagePullBackOff', message: 'Back-off pulling image "jupyter:<1.2>"' },
]

async function tell(world: World, fields: Parameters<World['runtime']['tell']>[1]): Promise<void> {
  const entry = () => world.open.workspaces.directory.get(ref)
  await world.until(() => entry()?.instance !== undefined, 'an instance')
  world.runtime.tell(ref, fields)
  await world.until(() => entry()?.instance?.message === (fields.message ?? ''), 'the gateway has heard of it')
}

describe.each(modes)('in %s mode', (mode) => {
  test('[SP23.1] what a runtime (here a stub) tells of a slow start is on the page that waits and in the JSON status', async () => {
    await using world = await createWorld({ mode })
    const { url } = await declare(world, { owner: 'alice' })
    await tell(world, { phase: 'starting', reason: 'ImagePullBackOff', message: 'It waits for its image.', steps })
    const alice = await world.as('alice')
    const page = await alice.open(url)
    expect(page.url.pathname).toBe('/.gatehouse/open/team/nb')
    expect(page.status).toBe(200)
    const status = await statusOf(world, alice, ref)
    expect(status).toMatchObject({
      state: 'Starting',
      reason: 'ImagePullBackOff',
      message: 'It waits for its image.',
      steps: steps.map((step) => ({ ...step, at: new Date(step.at).toISOString() })),
    })
    for (const text of [
      'Pulling image &quot;registry.example/jupyter:1.2&quot;',
      'FailedScheduling',
      'had volume node affinity conflict.',
      'ImagePullBackOff',
      // What a cluster says is text, and never markup.
      'Back-off pulling image &quot;jupyter:&lt;1.2&gt;&quot;',
      'It waits for its image.',
    ]) {
      expect(page.body).toContain(text)
    }
  })

  test('[SP23.2] while it starts, a request gets 503 with Retry-After', async () => {
    await using world = await createWorld({ mode })
    const { url } = await declare(world, { owner: 'alice' })
    await tell(world, { phase: 'starting', message: 'Soon.', steps })
    const alice = await world.as('alice')
    await alice.open(url)
    for (const path of ['', 'api/kernels?x=1']) {
      const answer = await plainRequest(url + path, { headers: cookieFor(alice, url) })
      expect(answer.status).toBe(503)
      expect(answer.headers['retry-after']).toMatch(/^\d+$/)
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'workspace_starting', status: 503 })
    }
  })
})

describe('a start that fails', () => {
  test('shows the reason and the last lines of the log to those who may start it, and only the reason to others', async () => {
    await using world = await createWorld()
    const { url } = await declare(world, { owner: 'alice', spec: { accessType: 'Public' } })
    await tell(world, { phase: 'failed', reason: 'CrashLoopBackOff', message: 'The program ended with exit code 1.' })
    const alice = await world.as('alice')
    const page = await alice.open(`${url}lab`)
    expect(page.body).toContain('The program ended with exit code 1.')
    expect(page.body).toContain('CrashLoopBackOff')
    expect(page.body).toContain('the last line of its log')
    const bob = await world.as('bob')
    const other = await bob.open(`${url}lab`)
    expect(other.body).toContain('The program ended with exit code 1.')
    expect(other.body).not.toContain('the last line of its log')
    expect((await bob.fetch(world.origin + api.logs(ref))).status).toBe(403)
    const log = await alice.fetch(world.origin + api.logs(ref))
    expect(JSON.parse(log.body)).toEqual({ lines: ['the last line of its log'] })
  })

  test('tells programs 503, and says Degraded in the status', async () => {
    await using world = await createWorld()
    const { url } = await declare(world, { owner: 'alice' })
    await tell(world, { phase: 'failed', reason: 'CrashLoopBackOff', message: 'It ended.' })
    const alice = await world.as('alice')
    await alice.open(url)
    expect((await plainRequest(url, { headers: cookieFor(alice, url) })).status).toBe(503)
    expect(await statusOf(world, alice, ref)).toMatchObject({ state: 'Degraded', reason: 'CrashLoopBackOff' })
  })
})

test('the events of a start come as they happen, and end with the right to see them', async () => {
  await using world = await createWorld()
  await declare(world, { owner: 'alice' })
  const alice = await world.as('alice')

  using events = await liveRequest(world.origin + api.events(ref), { headers: cookieFor(alice, world.origin) })
  expect(events.status).toBe(200)
  await tell(world, { phase: 'starting', reason: 'Pulling', message: 'It waits.', steps })
  await world.until(() => events.text().includes('"message":"It waits."'), 'the news')
  expect(events.text()).toContain('volume node affinity conflict')
  await alice.open(`${world.origin}/`)
  await press(alice, '/.gatehouse/logout')
  await events.ended
  expect(events.text()).toMatch(/event: end\n/)
})

test('a stranger learns nothing of it', async () => {
  await using world = await createWorld()
  const { url } = await declare(world, { owner: 'alice' })
  await tell(world, { phase: 'starting', reason: 'Pulling', message: 'It waits.', steps })
  const bob = await world.as('bob')
  const page = await bob.open(url)
  expect(page.status).toBe(403)
  expect(page.body).not.toContain('It waits.')
  await bob.open(`${world.origin}/`)
  for (const path of [api.workspace(ref), api.events(ref), api.logs(ref), '/.gatehouse/open/team/nb']) {
    expect((await bob.fetch(world.origin + path)).status).toBe(404)
  }
  expect((await callApi(world, bob, 'POST', api.start(ref))).status).toBe(404)
})

/** Endpoints of real pods that fail, or that somebody would have asked elsewhere, on the real API server and with a timeout of a minute. Time passes by leaps. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { type KeeperAnswer, keeperContainer } from '#test/support/echo-container.ts'
import { type IdleCluster, idleAfter, openIdleCluster } from '#test/support/idle-cluster.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'

const seconds = 1_000
const minutes = 60 * seconds
const patience = { timeout: 60 * seconds, interval: 250 }

const text = (body: string): KeeperAnswer => ({ type: 'text/plain', body })
const lastActiveAt = (at: number): KeeperAnswer => ({
  type: 'application/json',
  body: JSON.stringify({ lastActiveTimestamp: new Date(at).toISOString() }),
})

describeWith('cluster', 'in a cluster', () => {
  let cluster: IdleCluster
  beforeAll(async () => {
    cluster = await openIdleCluster()
  }, 120_000)
  afterAll(() => cluster?.[Symbol.asyncDispose]())

  const verdictOf = async (name: string) => (await cluster.activityOf(name)).verdict
  /** By what they answer there. */
  const declare = (name: string, path: string, answer: KeeperAnswer, httpGet: object = {}) => {
    const container = keeperContainer([
      [path, answer],
      ['', text('an app')],
    ])
    const detection = { httpGet: { port: 8888, path, ...httpGet } }
    const spec = { appType: 'streamlit', idleShutdown: { ...idleAfter(1), detection } }
    return cluster.world.workspace(name, 'alice', { container, spec })
  }
  const areActive = async (names: readonly string[]) => {
    for (const name of names) await expect.poll(() => verdictOf(name), patience).toMatchObject({ reason: 'active' })
  }
  /** What is stopped from now on, as soon as one is. */
  const untilOneIsStopped = async () => {
    const { stops, now, pass } = cluster
    const before = stops().length
    const stopped = () => stops().slice(before)
    for (const end = now() + 3 * minutes; stopped().length === 0 && now() < end; ) await pass(10 * seconds)
    return stopped
  }

  test('[SP10.3] one that answers 404, 500, nothing in time or invalid JSON stops nothing, and why is told and kept; one that says so does', {
    timeout: 2 * minutes,
  }, async () => {
    const { world, desired, now, pass } = cluster
    const failures = new Map([
      ['missing', /it answered 404 to \/missing/],
      ['broken', /it answered 500 to \/broken/],
      ['silent', /it did not answer to \/silent within 10 s/],
      ['garbled', /what it answered to \/garbled is no JSON/],
    ])
    await declare('missing', '/missing', { ...text('none'), status: 404 })
    await declare('broken', '/broken', { ...text('a fault'), status: 500 })
    await declare('silent', '/silent', { ...text(''), isHeld: true })
    await declare('garbled', '/garbled', { type: 'application/json', body: '{"lastActiveTimestamp":' })
    await declare('says', '/api/idle', lastActiveAt(now() - 60 * minutes))
    await areActive([...failures.keys(), 'says'])

    const stopped = await untilOneIsStopped()
    for (const [name, message] of failures) {
      const failed = { kind: 'unknown', reason: 'app-failed', message: expect.stringMatching(message) }
      await expect.poll(() => verdictOf(name), patience).toMatchObject(failed)
    }
    const kept = async () => {
      const { items } = JSON.parse(await world.ours(['get', 'workspaceactivities', '-o', 'json']))
      return Object.fromEntries(
        items.map(({ spec }: { spec: RecordSpec }) => [spec.workspace.name, spec.verdict?.message]),
      )
    }
    const messages = [...failures].map(([name, message]) => [name, expect.stringMatching(message)])
    await expect.poll(kept, patience).toMatchObject(Object.fromEntries(messages))
    // They are asked again, and fail again.
    await pass(20 * seconds)
    expect(stopped()).toEqual(['says'])
    for (const name of failures.keys()) expect(await desired(name), name).toBe('Running')
  })

  test('[SP10.5] one whose host, path, header or redirect names another host is asked of its own pod, and of nobody else, with no header of anybody’s choice', {
    timeout: 2 * minutes,
  }, async () => {
    const { world, alice, desired, now, pass } = cluster
    const [longAgo, used] = [lastActiveAt(now() - 60 * minutes), lastActiveAt(now() + 60 * minutes)]
    // It would say of everybody that he is long gone.
    const container = keeperContainer([
      ['/away', longAgo],
      ['', text('an app')],
    ])
    await world.workspace('elsewhere', 'alice', { container, spec: { appType: 'streamlit' } })
    const pod = ['-l', 'workspace.jupyter.org/workspace-name=elsewhere']
    const address = () => world.do(['get', 'pods', ...pod, '-o', 'jsonpath={.items[*].status.podIP}'])
    const host = await until(async () => (await address()) || undefined)
    const httpHeaders = [
      { name: 'Host', value: host },
      { name: 'Authorization', value: 'Bearer secret' },
    ]
    await declare('astray', '/away', used, { host, httpHeaders, path: `//${host}:8888/away` })
    const headers = { Location: `http://${host}:8888/away` }
    await declare('redirected', '/api/idle', { ...text(''), status: 302, headers })
    await declare('says-too', '/api/idle', longAgo)
    await areActive(['astray', 'redirected', 'says-too'])
    await openWhenRunning(alice, world.url('elsewhere'))

    const stopped = await untilOneIsStopped()
    const failed = { reason: 'app-failed', message: expect.stringContaining('it answered 302 to /api/idle') }
    await expect.poll(() => verdictOf('redirected'), patience).toMatchObject(failed)
    await pass(20 * seconds)
    expect(stopped()).toEqual(['says-too'])
    for (const name of ['astray', 'redirected']) expect(await desired(name), name).toBe('Running')
    expect(await verdictOf('astray')).toMatchObject({ kind: 'not-idle', last: { source: 'endpoint' } })

    const requestsOf = async (name: string): Promise<readonly SeenRequest[]> => {
      const lines = (await world.do(['logs', `deployment/workspace-${name}`])).split('\n')
      return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
    }
    const probes = (await requestsOf('astray')).filter(({ url }) => url.endsWith('/away'))
    expect(probes.length).toBeGreaterThan(0)
    for (const { headers: sent } of probes) {
      expect(Object.keys(sent).toSorted()).toEqual(['accept', 'connection', 'host', 'user-agent'])
      expect(sent.host).toBe('localhost')
    }
    // Of whoever opened it.
    expect(new Set((await requestsOf('elsewhere')).map(({ url }) => url))).toEqual(new Set(['/']))
  })
})

/** As far as it is looked at. */
interface RecordSpec {
  readonly workspace: { readonly name: string }
  readonly verdict?: { readonly message: string }
}

interface SeenRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

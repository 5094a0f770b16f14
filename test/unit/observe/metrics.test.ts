import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createMetrics, type RouteKind } from '#observe/metrics.ts'
import { createRequestIds } from '#observe/request-id.ts'

test('requests are counted by route and outcome', async () => {
  const metrics = createMetrics()
  const forwarded = metrics.requests('workspace', 'forwarded')
  forwarded.add()
  forwarded.add(2)
  metrics.requests('api', 'denied').add()
  const text = await metrics.render()
  expect(text).toContain('gatehouse_requests_total{route="workspace",outcome="forwarded"} 3')
  expect(text).toContain('gatehouse_requests_total{route="api",outcome="denied"} 1')
  expect(await metrics.render()).toContain('outcome="forwarded"} 3')
})

test('the same labels give the same series', () => {
  const metrics = createMetrics()
  expect(metrics.requests('workspace', 'forwarded')).toBe(metrics.requests('workspace', 'forwarded'))
})

test('answer times are in seconds', async () => {
  const metrics = createMetrics()
  metrics.answerTime('api').observe(30)
  const text = await metrics.render()
  expect(text).toContain('gatehouse_answer_seconds_bucket{le="0.025",route="api"} 0')
  expect(text).toContain('gatehouse_answer_seconds_bucket{le="0.05",route="api"} 1')
  expect(text).toContain('gatehouse_answer_seconds_sum{route="api"} 0.03')
  expect(text).toContain('# TYPE gatehouse_answer_seconds histogram')
})

test('answer times are told as prom-client’s own histogram tells them', async () => {
  const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
  const spans = fc.array(fc.tuple(fc.constantFrom<RouteKind>('api', 'workspace'), fc.nat(20_000)), { maxLength: 50 })
  await fc.assert(
    fc.asyncProperty(spans, async (all) => {
      const registry = new Registry()
      const theirs = new Histogram({
        ...{ name: 'gatehouse_answer_seconds', help: "From a request's head to its answer's head." },
        ...{ labelNames: ['route'], buckets: bounds, registers: [registry] },
      })
      const ours = createMetrics()
      for (const [route, span] of all) {
        theirs.observe({ route }, span / 1000)
        ours.answerTime(route).observe(span)
      }
      const told = (await ours.render()).split('\n').filter((line) => line.includes('gatehouse_answer_seconds'))
      const expected = (await registry.metrics()).split('\n').filter((line) => line !== '')
      expect(told.sort()).toEqual(expected.sort())
    }),
  )
})

test('a gauge is read when it is scraped, alone or by kind', async () => {
  const metrics = createMetrics()
  let sessions = 1
  metrics.gauge('sessions', () => sessions)
  metrics.gauge('workspaces', () => new Map([['Running', 2]]))
  sessions = 5
  const text = await metrics.render()
  expect(text).toContain('gatehouse_sessions 5')
  expect(text).toContain('gatehouse_workspaces{phase="Running"} 2')
})

test('a kind that is gone is no longer shown', async () => {
  const metrics = createMetrics()
  let kinds = new Map([['websocket', 3]])
  metrics.gauge('streams', () => kinds)
  expect(await metrics.render()).toContain('gatehouse_streams{kind="websocket"} 3')
  kinds = new Map()
  expect(await metrics.render()).not.toContain('gatehouse_streams{kind="websocket"}')
})

test('two registries count apart, and say what the process uses', async () => {
  const [one, other] = [createMetrics(), createMetrics()]
  one.logins('ok').add()
  expect(await other.render()).not.toContain('gatehouse_logins_total{')
  expect(await one.render()).toMatch(/process_resident_memory_bytes \d+/)
})

test('request ids never repeat, within a process and across processes', () => {
  const [one, other] = [createRequestIds(), createRequestIds()]
  const ids = Array.from({ length: 1000 }, () => [one(), other()]).flat()
  expect(new Set(ids).size).toBe(2000)
  expect(ids[0]).toMatch(/^[0-9a-f]{12}-1$/)
})

import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createLog } from '#observe/log.ts'
import { createMetrics } from '#observe/metrics.ts'
import { listenForOperations, type OperationsOptions } from '#server/operations.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'

async function world(options: Partial<OperationsOptions> = {}) {
  const sink = memoryLines()
  const log = createLog({ level: 'debug', clock: fakeClock(), sink })
  const metrics = createMetrics()
  const operations = await listenForOperations({
    hosts: ['127.0.0.1'],
    port: 0,
    conditions: [],
    metrics,
    log,
    ...options,
  })
  const [address = ''] = operations.addresses
  const port = Number(address.slice(address.lastIndexOf(':') + 1))
  const ask = (path: string, more: { method?: string; host?: string } = {}) => {
    const { method = 'GET', host = `localhost:${port}` } = more
    return new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, method, headers: { host } }, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode, body }))
      })
      asked.on('error', reject)
      asked.end()
    })
  }
  return { ask, metrics, port, operations, sink, [Symbol.asyncDispose]: () => operations[Symbol.asyncDispose]() }
}

test('the process is alive whatever else is wrong', async () => {
  await using w = await world({ conditions: [{ name: 'keys-loaded', isMet: () => false }] })
  expect(await w.ask('/healthz')).toEqual({ status: 200, body: '{"status":"ok"}\n' })
})

test('it is ready when every condition is met, and names those that are not', async () => {
  let areKeysLoaded = false
  await using w = await world({
    conditions: [
      { name: 'workspaces-synced', isMet: () => true },
      { name: 'keys-loaded', isMet: () => areKeysLoaded },
    ],
  })
  expect(await w.ask('/readyz')).toEqual({ status: 503, body: '{"status":"not ready","missing":["keys-loaded"]}\n' })
  areKeysLoaded = true
  expect(await w.ask('/readyz')).toEqual({ status: 200, body: '{"status":"ready"}\n' })
})

test('metrics are what the registry says', async () => {
  await using w = await world()
  w.metrics.requests('workspace', 'forwarded').add(3)
  const { status, body } = await w.ask('/metrics')
  expect(status).toBe(200)
  expect(body).toContain('gatehouse_requests_total{route="workspace",outcome="forwarded"} 3')
})

test('metrics that fail are a 500 without a reason, and a line in the log', async () => {
  const render = () => Promise.reject(new Error('secret reason'))
  await using w = await world({ metrics: { contentType: 'text/plain', render } })
  expect(await w.ask('/metrics')).toEqual({ status: 500, body: '{"status":"failed"}\n' })
  expect(w.sink.text).toContain('secret reason')
})

describe('nothing else is there', () => {
  test.each(['/', '/healthz/', '/healthz?x', '/HEALTHZ', '//healthz', '/x/../healthz', '/debug', '/metrics/x'])(
    '%s is a 404',
    async (path) => {
      await using w = await world()
      expect(await w.ask(path)).toEqual({ status: 404, body: '{"status":"not found"}\n' })
    },
  )

  test('and nothing can be changed', async () => {
    await using w = await world()
    expect((await w.ask('/healthz', { method: 'POST' })).status).toBe(405)
    expect((await w.ask('/healthz', { method: 'HEAD' })).status).toBe(200)
  })
})

describe('the Host of the request', () => {
  test.each(['localhost', 'LOCALHOST:9', 'x.localhost', '127.0.0.1:1', '127.9.9.9', '[::1]:2'])(
    '%s is us',
    async (host) => {
      await using w = await world()
      expect((await w.ask('/healthz', { host })).status).toBe(200)
    },
  )

  test.each([
    'evil.example',
    'localhost.evil.example',
    'notlocalhost',
    '10.0.0.1',
    'localhost, evil',
    'a@localhost',
    '[::2]',
  ])('%j is not: a page may have pointed its name here', async (host) => {
    await using w = await world()
    expect((await w.ask('/metrics', { host })).status).toBe(404)
  })

  test.each(['Host: localhost\r\nHost: evil.example', 'Host:', 'Host: '])('%j is nobody', async (lines) => {
    await using w = await world()
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(w.port, '127.0.0.1')
      socket.on('data', (chunk) => {
        text += String(chunk)
      })
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
      socket.end(`GET /metrics HTTP/1.1\r\n${lines}\r\n\r\n`)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /)
  })
})

test('a port that is taken is an error that names it', async () => {
  await using w = await world()
  await expect(world({ port: w.port })).rejects.toThrow(`can't listen on 127.0.0.1 port ${w.port}`)
})

test('an address that this machine does not have is left out, unless it was the only one', async () => {
  await using w = await world({ hosts: ['192.0.2.1', '127.0.0.1'] })
  expect(w.operations.addresses).toEqual([`127.0.0.1:${w.port}`])
  expect(w.sink.text).toContain('no such address')
  await expect(world({ hosts: ['192.0.2.1'] })).rejects.toThrow('none of the addresses')
})

test('disposing it ends connections that are open', async () => {
  const w = await world()
  const socket = connect(w.port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => undefined)
  await w[Symbol.asyncDispose]()
  await closed
  await expect(w.ask('/healthz')).rejects.toThrow('ECONNREFUSED')
})

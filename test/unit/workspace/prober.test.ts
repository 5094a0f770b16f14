import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import { createLog } from '#observe/log.ts'
import type { Endpoint, Instance, InstanceUid } from '#runtime/contract.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { instance, port, workspace } from '#test/support/objects.ts'
import { ask, type Dial, questionOf } from '#workspace/probe.ts'
import { type ProbeNews, Prober } from '#workspace/prober.ts'
import { portsOf, type WorkspacePort } from '#workspace/workspace.ts'

const silent = () => new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
const refused = () => new GatewayError('upstream_unreachable', 'nothing answers at the port (ECONNREFUSED)')

interface Setting {
  readonly prober: Prober
  readonly clock: FakeClock
  readonly news: ProbeNews[]
  /** Times of tries in milliseconds since the start, by socket path. */
  readonly tries: Map<string, number[]>
  /** Sockets that answer. */
  readonly open: Set<string>
  /** Sockets that neither answer nor refuse. */
  readonly hanging: Set<string>
  readonly ending: AbortController
  watch(ports?: readonly WorkspacePort[], uid?: string): Instance
}

const nb = workspace({})
const ref = { namespace: 'team', name: 'nb' }

function setUp(startTimeout = 600_000): Setting {
  const clock = fakeClock()
  const begun = clock.now()
  const tries = new Map<string, number[]>()
  const open = new Set<string>()
  const hanging = new Set<string>()
  const ending = new AbortController()
  const dial: Dial = (endpoint, signal) => {
    if (endpoint.kind !== 'unix') throw new Error('sockets only')
    tries.set(endpoint.path, [...(tries.get(endpoint.path) ?? []), clock.now() - begun])
    if (open.has(endpoint.path)) return Promise.resolve(silent())
    if (!hanging.has(endpoint.path)) return Promise.reject(refused())
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(refused())))
  }
  const prober = new Prober({
    dial,
    settings: { period: 2000, timeout: 5000, failures: 30, startTimeout },
    publicPath: () => '/',
    clock,
    log: createLog({ level: 'debug', clock, sink: memoryLines() }),
    signal: ending.signal,
  })
  const news: ProbeNews[] = []
  prober.subscribe((item) => void news.push(item))
  return {
    prober,
    clock,
    news,
    tries,
    open,
    hanging,
    ending,
    watch(ports = [port()], uid = 'run-1') {
      const endpoints = new Map(
        ports.map((it): [number, Endpoint] => [it.port, { kind: 'unix', path: `/${uid}/${it.port}` }]),
      )
      // A test literal for what a runtime makes.
      const running = instance(nb, { instanceUid: uid as InstanceUid, endpoints })
      const [main = port(), ...others] = ports
      prober.watch({ ref, workspaceUid: nb.metadata.uid, ports: [main, ...others], instance: running })
      return running
    },
  }
}

describe('a port that does not answer', () => {
  test('is tried at once and every 2 s, and is degraded with the reason after 30 of these tries', async () => {
    const { clock, prober, tries, watch } = setUp()
    const running = watch()
    await clock.advance(57_999)
    expect(prober.readinessOf(running, [port()])).toEqual({
      kind: 'waiting',
      message: 'Port 8888 does not answer yet: nothing answers at the port (ECONNREFUSED)',
    })
    expect(prober.status(ref, running.instanceUid, 8888)).toMatchObject({ kind: 'waiting', failures: 29 })
    await clock.advance(1)
    expect(prober.readinessOf(running, [port()])).toEqual({
      kind: 'degraded',
      reason: 'AccessProbeThresholdExceeded',
      message: 'Port 8888 does not answer: nothing answers at the port (ECONNREFUSED)',
    })
    const counted = (tries.get('/run-1/8888') ?? []).filter((at) => at % 2000 === 0)
    expect(counted).toEqual(Array.from({ length: 30 }, (_, index) => index * 2000))
    const late = (tries.get('/run-1/8888') ?? []).filter((at) => at > 10_000)
    expect(late.every((at) => at % 2000 === 0)).toBe(true)
  })

  test('is found soon after it opens, long before the next period', async () => {
    const { clock, open, prober, watch } = setUp()
    const running = watch()
    await clock.advance(650)
    open.add('/run-1/8888')
    await clock.advance(100)
    expect(prober.readinessOf(running, [port()])).toEqual({ kind: 'ready' })
  })

  test('that hangs is given 5 s a try', async () => {
    const { clock, hanging, prober, tries, watch } = setUp()
    hanging.add('/run-1/8888')
    const running = watch()
    await clock.advance(4999)
    expect(prober.status(ref, running.instanceUid, 8888)).toEqual({ kind: 'unknown' })
    await clock.advance(1)
    expect(prober.status(ref, running.instanceUid, 8888)).toMatchObject({
      kind: 'waiting',
      failures: 1,
      lastError: 'it did not answer within 5 s',
    })
    await clock.advance(149_000 - 5000)
    expect(prober.status(ref, running.instanceUid, 8888).kind).toBe('waiting')
    await clock.advance(1000)
    expect(prober.status(ref, running.instanceUid, 8888).kind).toBe('degraded')
    expect(tries.get('/run-1/8888')?.length).toBeLessThanOrEqual(31)
  })

  test('and answers after all is ready, even when it was degraded already', async () => {
    const { clock, open, prober, watch } = setUp()
    const running = watch()
    await clock.advance(70_000)
    open.add('/run-1/8888')
    await clock.advance(2000)
    expect(prober.readinessOf(running, [port()])).toEqual({ kind: 'ready' })
  })
})

describe('which ports are probed', () => {
  const editor = port()
  const plain = port({ name: 'app', port: 8501 })
  const probed = port({ name: 'api', port: 8601, label: 'API', probe: { tcp: {} } })

  test('the first one by TCP, unless a port says otherwise', async () => {
    const { clock, open, prober, tries, watch } = setUp()
    open.add('/run-1/8888')
    const running = watch([editor, plain])
    await clock.advance(0)
    expect(prober.readinessOf(running, [editor, plain])).toEqual({ kind: 'ready' })
    await clock.advance(10_000)
    expect([...tries.keys()]).toEqual(['/run-1/8888'])
    expect(prober.status(ref, running.instanceUid, 8501)).toEqual({ kind: 'unknown' })
    expect(prober.isAwaited(running, plain)).toBe(false)
  })

  test('a further one that declares a probe gates the workspace too', async () => {
    const { clock, open, prober, watch } = setUp()
    open.add('/run-1/8888')
    const running = watch([editor, probed])
    await clock.advance(3000)
    expect(prober.readinessOf(running, [editor, probed])).toMatchObject({
      kind: 'waiting',
      message: expect.stringContaining('API (port 8601)'),
    })
    open.add('/run-1/8601')
    await clock.advance(500)
    expect(prober.readinessOf(running, [editor, probed])).toEqual({ kind: 'ready' })
  })

  test('one without a probe is waited for when it was found shut, and does not concern the workspace', async () => {
    const { clock, news, open, prober, watch } = setUp()
    open.add('/run-1/8888')
    const running = watch([editor, plain])
    await clock.advance(0)
    prober.suspect(ref, running.instanceUid, 8501)
    await clock.advance(0)
    expect(prober.isAwaited(running, plain)).toBe(true)
    expect(prober.readinessOf(running, [editor, plain])).toEqual({ kind: 'ready' })
    news.length = 0
    open.add('/run-1/8501')
    await clock.advance(500)
    expect(prober.isAwaited(running, plain)).toBe(false)
    expect(news).toEqual([{ kind: 'readiness', ref }])
  })
})

describe('a port that was ready', () => {
  test('stays so when a connection failed but it answers, and is tried no more', async () => {
    const { clock, news, open, prober, tries, watch } = setUp()
    open.add('/run-1/8888')
    const running = watch()
    await clock.advance(0)
    news.length = 0
    prober.suspect(ref, running.instanceUid, 8888)
    await clock.advance(60_000)
    expect(tries.get('/run-1/8888')).toHaveLength(2)
    expect(news).toEqual([])
  })

  test('is shut when it does not answer any more', async () => {
    const { clock, open, prober, watch } = setUp()
    open.add('/run-1/8888')
    const running = watch()
    await clock.advance(0)
    open.delete('/run-1/8888')
    prober.suspect(ref, running.instanceUid, 8888)
    await clock.advance(0)
    expect(prober.isAwaited(running, port())).toBe(true)
  })

  test('says nothing of the next run, which is probed anew', async () => {
    const { clock, open, prober, tries, watch } = setUp()
    open.add('/run-1/8888')
    const first = watch()
    await clock.advance(0)
    const second = watch([port()], 'run-2')
    await clock.advance(0)
    expect(prober.readinessOf(second, [port()]).kind).toBe('waiting')
    expect(prober.status(ref, first.instanceUid, 8888)).toEqual({ kind: 'unknown' })
    expect(tries.get('/run-1/8888')).toHaveLength(1)
  })
})

describe('a start', () => {
  test('that never gets ready is degraded and told to be stopped, once, however often it restarts', async () => {
    const { clock, news, prober, watch } = setUp(300_000)
    watch([port()], 'run-1')
    await clock.advance(200_000)
    const running = watch([port()], 'run-2')
    await clock.advance(99_999)
    expect(news.some(({ kind }) => kind === 'start-timed-out')).toBe(false)
    await clock.advance(1)
    const told = news.filter(({ kind }) => kind === 'start-timed-out')
    expect(told).toEqual([
      {
        kind: 'start-timed-out',
        ref,
        workspaceUid: nb.metadata.uid,
        message: expect.stringMatching(/not ready within 300 s\. Port 8888 does not answer.*ECONNREFUSED/),
      },
    ])
    expect(prober.readinessOf(running, [port()])).toMatchObject({ kind: 'degraded', reason: 'StartTimedOut' })
    await clock.advance(600_000)
    expect(news.filter(({ kind }) => kind === 'start-timed-out')).toHaveLength(1)
  })

  test('that got ready is over: a later run has the whole time again', async () => {
    const { clock, news, open, watch } = setUp(300_000)
    open.add('/run-1/8888')
    watch()
    await clock.advance(299_000)
    watch([port()], 'run-2')
    await clock.advance(299_000)
    expect(news.some(({ kind }) => kind === 'start-timed-out')).toBe(false)
    await clock.advance(1000)
    expect(news.some(({ kind }) => kind === 'start-timed-out')).toBe(true)
  })

  test('begins anew after the workspace was stopped', async () => {
    const { clock, news, prober, watch } = setUp(300_000)
    watch()
    await clock.advance(300_000)
    prober.forget(ref)
    const running = watch()
    expect(prober.readinessOf(running, [port()]).kind).toBe('waiting')
    await clock.advance(300_000)
    expect(news.filter(({ kind }) => kind === 'start-timed-out')).toHaveLength(2)
  })

  test('ends with its signal: nothing is tried and nothing told after', async () => {
    const { clock, ending, news, tries, watch } = setUp(300_000)
    watch()
    await clock.advance(1000)
    ending.abort()
    const before = [news.length, tries.get('/run-1/8888')?.length]
    await clock.advance(600_000)
    watch()
    await clock.advance(600_000)
    expect([news.length, tries.get('/run-1/8888')?.length]).toEqual(before)
  })
})

describe('the question', () => {
  const http = (path: string, fields: Partial<WorkspacePort> = {}) => port({ probe: { httpGet: { path } }, ...fields })
  const withBase = (rest: string) => `\${baseUrl}${rest}`

  test.each([
    ['TCP where nothing is said', port(), '/w/', { kind: 'tcp' }],
    [
      'the public prefix without its last slash',
      http(withBase('/api')),
      '/workspaces/a/b/',
      { kind: 'http', path: '/workspaces/a/b/api' },
    ],
    ['nothing in host mode', http(withBase('/api')), '/', { kind: 'http', path: '/api' }],
    ['a path at least', http(withBase('')), '/', { kind: 'http', path: '/' }],
    [
      'nothing where the prefix is stripped',
      http(withBase('/x'), { path: 'strip' }),
      '/w/',
      { kind: 'http', path: '/x' },
    ],
    [
      'the subpath put in front instead',
      http(withBase('/x'), { path: 'strip', subpath: '/sub/' }),
      '/w/',
      { kind: 'http', path: '/sub/x' },
    ],
    ['a path as it is written', http('/healthz?deep=1'), '/w/', { kind: 'http', path: '/healthz?deep=1' }],
  ])('is %s', (_, of, prefix, expected) => {
    expect(questionOf(of, prefix)).toEqual(expected)
  })

  async function serve(status: number): Promise<Dial> {
    const server = createServer((_, answer) =>
      answer.writeHead(status, { location: '/elsewhere' }).end('x'.repeat(100_000)),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port: number } = server.address() as AddressInfo // it listens on TCP
    return async () => connect(number, '127.0.0.1')
  }
  const nowhere: Endpoint = { kind: 'unix', path: '/' }
  const soon = () => AbortSignal.timeout(5000)

  test.each([200, 204, 302, 399])('is answered by HTTP %i', async (status) => {
    const dial = await serve(status)
    expect(await ask({ kind: 'http', path: '/up' }, nowhere, dial, soon())).toBeUndefined()
  })

  test.each([400, 404, 500, 503])('is not answered by HTTP %i, although the port is open', async (status) => {
    const dial = await serve(status)
    expect(await ask({ kind: 'http', path: '/up' }, nowhere, dial, soon())).toBe(`it answered ${status} to /up`)
    expect(await ask({ kind: 'tcp' }, nowhere, dial, soon())).toBeUndefined()
  })

  test('is not answered by what is not HTTP, nor by a closed connection', async () => {
    const say =
      (text: string): Dial =>
      async () => {
        const socket: Duplex = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
        socket.push(text)
        socket.push(null)
        return socket
      }
    expect(await ask({ kind: 'http', path: '/' }, nowhere, say('SSH-2.0-x\r\n'), soon())).toBeTypeOf('string')
    expect(await ask({ kind: 'http', path: '/' }, nowhere, say(''), soon())).toBeTypeOf('string')
  })

  test('with a path that would split the request is never asked', async () => {
    const never: Dial = () => Promise.reject(new Error('dialled'))
    expect(await ask({ kind: 'http', path: '/a b' }, nowhere, never, soon())).toContain('not a valid one')
    expect(await ask({ kind: 'http', path: '/a\r\nx: y' }, nowhere, never, soon())).toContain('not a valid one')
  })
})

test('the port of a workspace that declares none is probed as well', async () => {
  const { clock, open, prober, watch } = setUp()
  open.add('/run-1/8888')
  const running = watch(portsOf(nb))
  await clock.advance(0)
  expect(prober.readinessOf(running, portsOf(nb))).toEqual({ kind: 'ready' })
})

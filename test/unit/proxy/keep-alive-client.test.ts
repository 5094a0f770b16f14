import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { endToEnd, fieldLines } from '#http/end-to-end.ts'
import { ownFields } from '#http/own-fields.ts'
import { KeepAliveClient } from '#proxy/keep-alive-client.ts'
import type { Upstream } from '#proxy/upstream.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { answering, ask, createProxy, dialPort, httpUpstream, rawClient, rawUpstream } from './proxy-world.ts'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('connections', () => {
  test('are used again, one request at a time', async () => {
    await using upstream = await httpUpstream((_incoming, response) => response.end('ok'))
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    for (let round = 0; round < 5; round++) expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/ok$/)
    expect(upstream.accepted()).toBe(1)
    const many = await Promise.all(Array.from({ length: 8 }, () => ask(proxy.port, 'GET / HTTP/1.1')))
    expect(many.every((answer) => answer.endsWith('ok'))).toBe(true)
    expect(upstream.accepted()).toBeLessThanOrEqual(8)
  })

  test.each([
    ['says so', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['speaks HTTP/1.0', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok'],
    ['sends more than was asked', `${ok}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
  ])('are not used again where the upstream %s', async (_name, bytes) => {
    await using upstream = await answering(bytes)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    for (let round = 0; round < 2; round++) expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/\r\n\r\nok$/)
    expect(upstream.accepted()).toBe(2)
  })

  test('on which an answer comes that nobody asked for are never used again', async () => {
    let held: Socket | undefined
    await using upstream = await rawUpstream((socket) => {
      held = socket
      socket.on('data', () => socket.write(ok))
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    await ask(proxy.port, 'GET / HTTP/1.1')
    held?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')
    await expect.poll(() => upstream.sockets.size).toBe(0)
    expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/\r\n\r\nok$/)
  })

  test('are closed when they were idle for long, sooner where the upstream says how long it keeps them', async () => {
    const clock = fakeClock()
    await using upstream = await httpUpstream((_incoming, response) => response.end('ok'))
    await using short = await answering(ok.replace('\r\n', '\r\nKeep-Alive: timeout=3\r\n'))
    await using long = await answering(ok.replace('\r\n', '\r\nKeep-Alive: timeout=600\r\n'))
    const ports = [upstream.port, short.port, long.port]
    const proxies = await Promise.all(ports.map((upstreamPort) => createProxy({ upstreamPort, clock })))
    for (const proxy of proxies) await ask(proxy.port, 'GET / HTTP/1.1')
    const open = () => proxies.map((proxy) => proxy.client.size)
    expect(open()).toEqual([1, 1, 1])
    await clock.advance(2_000)
    await expect.poll(open).toEqual([1, 0, 1])
    await clock.advance(58_500)
    await expect.poll(open).toEqual([0, 0, 0])
    for (const proxy of proxies) await proxy[Symbol.asyncDispose]()
  })

  test('of a key that is forgotten are closed, and busy ones not used again', async () => {
    let answer = () => {}
    await using upstream = await httpUpstream((incoming, response) => {
      if (incoming.url === '/slow') answer = () => response.end('ok')
      else response.end('ok')
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    await ask(proxy.port, 'GET / HTTP/1.1')
    using slow = rawClient(proxy.port, 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
    await ask(proxy.port, 'GET / HTTP/1.1')
    await expect.poll(() => upstream.sockets.size).toBe(2)
    proxy.client.forget('one')
    await expect.poll(() => upstream.sockets.size).toBe(1)
    answer()
    await slow.until(/ok$/)
    await expect.poll(() => upstream.sockets.size).toBe(0)
  })

  test('that are done with are kept up to 512 for each upstream, and those beyond are closed', async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    await using upstream = await httpUpstream(async (_incoming, response) => {
      await answered
      response.end('ok')
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port, clock: fakeClock() })
    using clients = new DisposableStack()
    const asking = Array.from({ length: 520 }, () => clients.use(rawClient(proxy.port, get('/'))))
    await expect.poll(upstream.accepted, { timeout: 10_000 }).toBe(520)
    answer()
    for (const client of asking) await client.until(/ok$/)
    await expect.poll(() => upstream.sockets.size).toBe(512)
    expect(proxy.client.size).toBe(512)
    expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/ok$/)
    expect(upstream.accepted()).toBe(520)
  })

  test('that the upstream closes while they are idle are not used', async () => {
    await using upstream = await rawUpstream((socket) => {
      socket.on('data', () => socket.end(ok))
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    for (let round = 0; round < 3; round++) {
      expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/ok$/)
      await expect.poll(() => proxy.client.size).toBe(0)
    }
  })
})

describe('while as many connections as may be are being opened', () => {
  /** One of them has its connection, and as many as may be are dialled for. */
  const atFirst = 65

  /** So many connections are there at once; the others, when `open` is called. */
  function dialSlowly(port: number, atOnce = 1) {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>()
    const atPort = dialPort(port)
    let count = 0
    const dial: Upstream['dial'] = async (signal, reading) => {
      count += 1
      if (count > atOnce) await opened
      return atPort(signal, reading)
    }
    return { dial, open, dials: () => count }
  }

  /** The first connection is there at once, and its first request is answered when `answer` is called; the others are there when `open` is. */
  async function slowUpstream() {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    const seen: string[] = []
    const upstream = await httpUpstream(async (incoming, response) => {
      seen.push(incoming.url ?? '')
      await answered
      response.end(`of ${incoming.url}`)
    })
    const { dial, dials, open } = dialSlowly(upstream.port)
    const proxy = await createProxy({ upstreamPort: upstream.port, dial })
    const dispose = async () => {
      open()
      await proxy[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
    }
    /** All of these are on their way. */
    const send = async (...requests: readonly string[]) => {
      const before = proxy.open()
      const clients = requests.map((request) => rawClient(proxy.port, request))
      await expect.poll(proxy.open).toBe(before + requests.length)
      return clients
    }
    return { send, answer, open, seen, dials, accepted: upstream.accepted, [Symbol.asyncDispose]: dispose }
  }

  const isAnswered = ({ text }: { text(): string }) => text().includes('200 OK')

  test('who waits goes with one that another has done with, in the order they came', async () => {
    await using world = await slowUpstream()
    const early = await world.send(...Array.from({ length: atFirst }, (_, at) => get(`/${at}`)))
    await expect.poll(world.dials).toBe(atFirst)
    const waiting = await world.send(...Array.from({ length: 20 }, (_, at) => get(`/waits/${at}`)))
    world.answer()
    for (const [at, client] of waiting.entries()) await client.until(new RegExp(`of /waits/${at}$`))
    expect(world.seen.slice(1)).toEqual(Array.from({ length: 20 }, (_, at) => `/waits/${at}`))
    expect(early.filter(isAnswered)).toHaveLength(1)
    expect(world.accepted()).toBe(1)
    expect(world.dials()).toBe(atFirst)
  })

  test('what needs a connection of its own waits for that, and holds up nobody behind it', async () => {
    await using world = await slowUpstream()
    await world.send(...Array.from({ length: atFirst }, () => get('/')))
    await expect.poll(world.dials).toBe(atFirst)
    const [post] = await world.send('POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi')
    const [later] = await world.send(get('/later'))
    world.answer()
    await later?.until(/of \/later$/)
    expect(post?.text()).toBe('')
    world.open()
    await post?.until(/of \/post$/)
  })

  test('nobody is sent on one that its server closes behind its answer', async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    const seen: string[] = []
    await using upstream = await rawUpstream((socket) => {
      socket.on('data', async (bytes) => {
        seen.push(bytes.toString().split(' ')[1] ?? '')
        await answered
        socket.end(ok)
      })
    })
    const { dial, dials, open } = dialSlowly(upstream.port)
    await using proxy = await createProxy({ upstreamPort: upstream.port, dial })
    const early = Array.from({ length: atFirst + 1 }, (_, at) => rawClient(proxy.port, get(`/${at}`)))
    await expect.poll(dials).toBe(atFirst)
    await expect.poll(() => proxy.open()).toBe(atFirst + 1)
    answer()
    await expect.poll(() => early.filter(isAnswered).length).toBe(1)
    await expect.poll(() => proxy.client.size).toBe(0)
    expect(seen).toHaveLength(1)
    open()
    for (const client of early) await client.until(/ok$/)
    expect(seen).toHaveLength(atFirst + 1)
  })

  test('one that was sent on a connection just being closed waits for a new one, so that it is not sent a third time', async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    const seen: string[] = []
    await using upstream = await rawUpstream((socket) => {
      socket.on('data', async (bytes) => {
        const path = bytes.toString().split(' ')[1] ?? ''
        seen.push(path)
        if (path === '/slow') await answered
        if (path === '/closed') socket.destroy()
        else socket.write(ok)
      })
    })
    const { dial, dials, open } = dialSlowly(upstream.port, 2)
    await using proxy = await createProxy({ upstreamPort: upstream.port, dial, clock: fakeClock() })
    using slow = rawClient(proxy.port, get('/slow'))
    await expect.poll(() => seen).toEqual(['/slow'])
    expect(await ask(proxy.port, 'GET /kept HTTP/1.1')).toMatch(/ok$/)
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'
    for (let count = 0; count < 64; count += 1) rawClient(proxy.port, post)
    await expect.poll(dials).toBe(66)
    using closed = rawClient(proxy.port, get('/closed'))
    await expect.poll(() => seen).toEqual(['/slow', '/kept', '/closed'])
    await expect.poll(() => proxy.client.size).toBe(1)
    answer()
    await slow.until(/ok$/)
    expect(proxy.client.size).toBe(1)
    expect(closed.text()).toBe('')
    open()
    await closed.until(/ 502 /)
    expect(seen.filter((path) => path === '/closed')).toHaveLength(2)
  })
})

describe('a request that meets a connection just being closed', () => {
  /** Answers the first request of a connection, and closes without a word on the second. */
  const closingOnSecond = () =>
    rawUpstream((socket) => {
      let asked = 0
      socket.on('data', () => {
        asked += 1
        if (asked === 1) socket.write(ok)
        else socket.destroy()
      })
    })

  test('is sent again on a new one', async () => {
    await using upstream = await closingOnSecond()
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    for (let round = 0; round < 3; round++) expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/ok$/)
    expect(upstream.accepted()).toBe(3)
  })

  test('that may not be sent twice never meets one: it gets a new connection', async () => {
    await using upstream = await closingOnSecond()
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    await ask(proxy.port, 'GET / HTTP/1.1')
    expect(await ask(proxy.port, 'POST / HTTP/1.1\r\nContent-Length: 0')).toMatch(/ok$/)
    expect(proxy.failures).toEqual([])
    expect(upstream.accepted()).toBe(2)
  })

  test('is not sent a third time', async () => {
    let isFirst = true
    await using upstream = await rawUpstream((socket) => {
      socket.on('data', () => {
        if (isFirst) socket.write(ok)
        else socket.destroy()
        isFirst = false
      })
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    await ask(proxy.port, 'GET / HTTP/1.1')
    expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/ 502 .*upstream_unreachable$/s)
    expect(upstream.accepted()).toBe(2)
  })
})

test('a connection that cannot be made in 10 s is given up', async () => {
  const clock = fakeClock()
  const never = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  await using proxy = await createProxy({ upstreamPort: 0, clock, dial: never })
  const asked = ask(proxy.port, 'GET / HTTP/1.1')
  await expect.poll(() => proxy.dials()).toBe(1)
  await clock.advance(10_000)
  expect(await asked).toMatch(/ 502 .*upstream_unreachable$/s)
})

test('its signal ends every connection', async () => {
  await using upstream = await httpUpstream(
    (incoming, response) => void (incoming.url === '/' ? response.end('ok') : 0),
  )
  const proxy = await createProxy({ upstreamPort: upstream.port })
  await ask(proxy.port, 'GET / HTTP/1.1')
  using slow = rawClient(proxy.port, 'GET /never HTTP/1.1\r\nHost: a\r\n\r\n')
  await expect.poll(() => proxy.group.size).toBe(1)
  await proxy[Symbol.asyncDispose]()
  await slow.closed
  await expect.poll(() => upstream.sockets.size).toBe(0)
})

test.each([
  ['GET', '/a b'],
  ['GET', '/a\r\nX: y'],
  ['GET', '/\u010a'],
  ['GET', ''],
  ['GET /x', '/'],
  ['get', '/'],
])('a request line %j %j is never written', (method, target) => {
  const client = new KeepAliveClient({ clock: fakeClock(), signal: new AbortController().signal })
  const request = {
    method,
    target,
    lines: fieldLines(endToEnd([])),
    own: ownFields([]),
    framing: { kind: 'none' as const },
  }
  const flags = { acceptsTrailers: false, expectsContinue: false, isUpgrade: false }
  const ignore = () => undefined
  const listener = {
    ...{ onReady: ignore, onDrain: ignore, onInterim: ignore, onHead: ignore, onSwitch: ignore },
    ...{ onBody: ignore, onLull: ignore, onEnd: ignore, onFailure: ignore },
  }
  const upstream = { key: 'a', dial: dialPort(1) }
  expect(() => client.start(upstream, { ...request, ...flags }, listener)).toThrow(
    expect.objectContaining({ code: 'internal' }),
  )
})

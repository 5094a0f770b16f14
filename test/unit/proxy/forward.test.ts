import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { added, answering, ask, createProxy, hostPolicy, httpUpstream, rawClient, rawUpstream } from './proxy-world.ts'

const crlf = (...lines: string[]) => lines.join('\r\n')
const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4)
const headOf = (answer: string) => answer.slice(0, answer.indexOf('\r\n\r\n'))

async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('a request', () => {
  test('reaches the upstream with its target, fields and values byte for byte, and ours behind them', async () => {
    let seen: IncomingMessage | undefined
    await using upstream = await httpUpstream((incoming, response) => {
      seen = incoming
      response.end()
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const target = '/api/room/json%3Anotebook%3Ax%2Fy;a=1/..%2f?q=%zz&r=\\'
    await ask(
      proxy.port,
      crlf(`GET ${target} HTTP/1.1`, 'x-B: 1', 'X-b: 2', 'X-Latin: h\xe9', 'Cookie: a=1; __Host-gatehouse=s'),
    )
    expect(seen?.url).toBe(target)
    const fields = ['x-B', '1', 'X-b', '2', 'X-Latin', 'h\u00c3\u00a9', 'Host', 'nb.ws.example.com', 'Cookie', 'a=1']
    expect(seen?.rawHeaders).toEqual([...fields, ...added])
  })

  test('with a body streams, and arrives whole, by length and in chunks', async () => {
    await using upstream = await httpUpstream(async (incoming, response) => {
      const digest = createHash('sha256')
        .update(await read(incoming))
        .digest('hex')
      response.end(`${digest} ${incoming.headers['content-length'] ?? incoming.headers['transfer-encoding']}`)
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const body = randomBytes(5_000_000)
    const digest = createHash('sha256').update(body).digest('hex')
    for (const headers of [{ 'Content-Length': String(body.length) }, { 'Transfer-Encoding': 'chunked' }]) {
      const sent = request({ port: proxy.port, method: 'PUT', headers, agent: false })
      for (let offset = 0; offset < body.length; offset += 70_001) sent.write(body.subarray(offset, offset + 70_001))
      sent.end()
      const [answer]: IncomingMessage[] = await once(sent, 'response')
      expect((await read(answer as IncomingMessage)).toString()).toBe(`${digest} ${Object.values(headers)[0]}`)
    }
    expect(proxy.outcomes.map(({ bytesIn }) => bytesIn)).toEqual([body.length, body.length])
  })

  test('passes its trailers on, but for those that a server acts on beforehand', async () => {
    let trailers: string[] = []
    await using upstream = await httpUpstream(async (incoming, response) => {
      await read(incoming)
      trailers = incoming.rawTrailers
      response.end()
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const body = '3\r\nabc\r\n0\r\nX-Sum: 1\r\nX_Forwarded_User: mallory\r\nAuthorization: x\r\n\r\n'
    await ask(proxy.port, crlf('POST / HTTP/1.1', 'Transfer-Encoding: chunked'), body)
    expect(trailers).toEqual(['X-Sum', '1'])
  })
})

describe('an answer', () => {
  test('keeps its fields, raw and repeated; its reason phrase is not trusted and Date not doubled', async () => {
    const head = crlf('HTTP/1.1 404 <script>', 'date: today', 'X-A: 1', 'x-a: 2', 'X-Latin: \xe9', 'Content-Length: 2')
    await using upstream = await answering(Buffer.from(`${head}\r\n\r\nno`, 'latin1'))
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const answer = await ask(proxy.port, 'GET / HTTP/1.1')
    expect(headOf(answer).split('\r\n')).toEqual([
      ...['HTTP/1.1 404 Not Found', 'date: today', 'X-A: 1', 'x-a: 2', 'X-Latin: \xe9', 'Content-Length: 2'],
      'Connection: close',
    ])
    expect(bodyOf(answer)).toBe('no')
  })

  test('without a body has none: HEAD, 204 and 304, on a connection that goes on', async () => {
    await using upstream = await httpUpstream((incoming, response) => {
      const status = Number(incoming.url?.slice(1))
      response.writeHead(status, status === 204 ? {} : { 'Content-Length': '5', ETag: '"x"' })
      response.end(status === 200 ? 'hello' : undefined)
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const pipelined = ['HEAD /200', 'GET /204', 'GET /304', 'GET /200'].map(
      (line) => `${line} HTTP/1.1\r\nHost: a\r\n\r\n`,
    )
    using client = rawClient(proxy.port, pipelined.join(''))
    const text = await client.until(/hello$/)
    expect(text.match(/HTTP\/1\.1 \d+|Content-Length: \d|hello|chunked/g)).toEqual([
      ...['HTTP/1.1 200', 'Content-Length: 5', 'HTTP/1.1 204', 'HTTP/1.1 304', 'Content-Length: 5'],
      ...['HTTP/1.1 200', 'Content-Length: 5', 'hello'],
    ])
  })

  test('in chunks, compressed, with trailers, arrives as it was sent', async () => {
    const body = randomBytes(300_000)
    await using upstream = await httpUpstream((_incoming, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip', Trailer: 'X-Sum' })
      for (let offset = 0; offset < body.length; offset += 999) response.write(body.subarray(offset, offset + 999))
      response.addTrailers({ 'X-Sum': '7' })
      response.end()
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const [answer]: IncomingMessage[] = await once(
      get({ port: proxy.port, headers: { 'Accept-Encoding': 'gzip' } }),
      'response',
    )
    const message = answer as IncomingMessage
    expect((await read(message)).equals(body)).toBe(true)
    expect(message.headers).toMatchObject({ 'content-encoding': 'gzip', trailer: 'X-Sum' })
    expect(message.rawTrailers).toEqual(['X-Sum', '7'])
  })

  test('that ends with its connection is passed on whole', async () => {
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end'))
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    expect(await ask(proxy.port, 'GET / HTTP/1.1')).toContain('\r\na\r\nto the end\r\n0\r\n')
    expect(proxy.outcomes[0]).toEqual({ status: 200, bytesIn: 0, bytesOut: 10, cut: undefined })
  })

  test("of a stream of events begins at once, before there is an event, and is one that doesn't end by itself", async () => {
    await using upstream = await httpUpstream((_incoming, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
      response.flushHeaders()
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/text\/event-stream.*\r\n\r\n$/s)
    expect(proxy.group.size).toBe(1)
    expect(proxy.group.endLasting({ code: 1012, reason: 'restart' })).toBe(1)
    await client.closed
  })

  test('is timed to its head, and not to its end', async () => {
    const clock = fakeClock()
    const held: ServerResponse[] = []
    await using upstream = await httpUpstream((_incoming, response) => {
      held.push(response)
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port, clock })
    using client = rawClient(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await expect.poll(() => held).toHaveLength(1)
    await clock.advance(30)
    held[0]?.writeEarlyHints({ link: '</a>; rel=preload' })
    await client.until(/103/)
    await clock.advance(40)
    held[0]?.write('begin')
    await client.until(/begin/)
    await clock.advance(1_000)
    held[0]?.end('end')
    await client.until(/end\r\n0/)
    expect(proxy.answerTimes).toEqual([70])
  })

  test('is a stream by what it says of itself, or when its body is still under way after 10 s', async () => {
    const clock = fakeClock()
    await using upstream = await httpUpstream((incoming, response) => {
      const isEvents = incoming.url === '/events'
      response.writeHead(200, { 'Content-Type': isEvents ? 'Text/Event-Stream' : 'text/event-streams' })
      response.write('begin')
      if (incoming.url === '/short') response.end()
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port, clock })
    // What the client says that it would like is not looked at.
    const head = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
    using events = rawClient(proxy.port, head('/events'))
    using body = rawClient(proxy.port, head('/body', 'Accept: text/event-stream\r\n'))
    using short = rawClient(proxy.port, head('/short', 'Accept: text/event-stream\r\n'))
    await Promise.all([events.until(/begin/), body.until(/begin/), short.until(/begin.*0\r\n\r\n$/s)])
    expect(proxy.lasting).toEqual(['events'])
    await clock.advance(9_999)
    expect(proxy.lasting).toEqual(['events'])
    await clock.advance(1)
    expect(proxy.lasting).toEqual(['events', 'body'])
    // Of both, the restart of a gateway waits for the one that may end by itself.
    expect(proxy.group.endLasting({ code: 1012, reason: 'restart' })).toBe(1)
    await events.closed
    expect(proxy.group.size).toBe(1)
  })

  test('sets no cookie of ours, and none for a wider domain', async () => {
    const cookies =
      'Set-Cookie: __Host-gatehouse=x; Path=/; Secure\r\nSet-Cookie: a=1; Domain=ws.example.com\r\nSet-Cookie: b=2'
    await using upstream = await answering(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${cookies}\r\n\r\n`)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    expect((await ask(proxy.port, 'GET / HTTP/1.1')).match(/Set-Cookie.*/g)).toEqual(['Set-Cookie: b=2'])
  })

  test('leads back to the public prefix where the app does not know of it', async () => {
    await using upstream = await answering(
      'HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /login?next=%2F\r\n\r\n',
    )
    const policy = { ...hostPolicy, publicPrefix: '/workspaces/team/nb/' }
    await using proxy = await createProxy({ upstreamPort: upstream.port, policy })
    expect(await ask(proxy.port, 'GET / HTTP/1.1')).toContain('Location: /workspaces/team/nb/login?next=%2F\r\n')
  })

  test('to a client that stalls does not pile up', async () => {
    const chunk = Buffer.alloc(1 << 20)
    let sent = 0
    await using upstream = await httpUpstream((_incoming, response) => {
      const push = () => {
        sent += 1
        if (sent < 256) response.write(chunk, push)
      }
      push()
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    client.socket.pause()
    await expect.poll(() => sent).toBeGreaterThan(1)
    let before = -1
    while (before !== sent) {
      before = sent
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(sent).toBeLessThan(64)
    const { external, arrayBuffers } = process.memoryUsage()
    expect(external + arrayBuffers).toBeLessThan(200 << 20)
  })
})

describe('interim answers', () => {
  const upload = (...lines: string[]) =>
    crlf('PUT / HTTP/1.1', 'Host: a', 'Content-Length: 4', 'Expect: 100-continue', ...lines)

  test('100 comes from the upstream, not before it has decided', async () => {
    let goOn = () => {}
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', (head: Buffer) => {
        expect(head.toString()).toMatch(/\r\nExpect: 100-continue\r\n/)
        goOn = () => socket.write('HTTP/1.1 100 Continue\r\n\r\n')
        socket.on('data', (body: Buffer) =>
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
        )
      })
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, `${upload()}\r\n\r\n`)
    await expect.poll(() => upstream.accepted()).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(client.text()).toBe('')
    goOn()
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    client.socket.write('data')
    await client.until(/200 OK.*data$/s)
  })

  test('a refusal comes without 100, and closes a connection on which the body may or may not follow', async () => {
    await using upstream = await answering('HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n')
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, `${upload()}\r\n\r\n`)
    expect(await client.closed).toBe('end')
    expect(client.text()).toMatch(/^HTTP\/1\.1 413 Payload Too Large\r\n/)
    expect(client.text()).toMatch(/Connection: close/)
  })

  test('come before the answer, whatever they are, but for a 100 that nobody waits for; none reaches an HTTP/1.0 client', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\n\r\n'
    const others = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 What\r\n\r\n'
    await using upstream = await answering(`${early}${others}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    expect((await ask(proxy.port, 'GET / HTTP/1.1')).match(/HTTP.*|Link.*/g)).toEqual([
      ...['HTTP/1.1 103 Early Hints', 'Link: </a.css>; rel=preload; as=style', 'HTTP/1.1 102 Processing'],
      ...['HTTP/1.1 199 unknown', 'HTTP/1.1 200 OK'],
    ])
    expect((await ask(proxy.port, 'GET / HTTP/1.0')).match(/HTTP.*/g)).toEqual(['HTTP/1.1 200 OK'])
  })

  test.each([
    ['a flood of them', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)],
    ['101 to a request that was no upgrade', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'],
  ])('%s is 502', async (_name, bytes) => {
    await using upstream = await answering(bytes)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/HTTP\/1\.1 502 .*upstream_protocol$/s)
    await expect.poll(() => upstream.sockets.size).toBe(0)
  })
})

describe('an upload', () => {
  test('that is refused early gets its answer, then nobody reads on, and no connection is used again dirty', async () => {
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig'))
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome')
    await client.until(/413.*big$/s)
    await expect.poll(() => upstream.sockets.size).toBe(0)
    // The rest is read over, and the next request on the client's connection is a request.
    client.socket.write(Buffer.alloc(1_000_000 - 4))
    client.socket.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/413.*big.*413.*big$/s)
    expect(upstream.accepted()).toBe(2)
  })

  test('that is refused while the upstream has stopped reading is read over all the same', async () => {
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', () => {
        socket.pause()
        setTimeout(() => socket.write('HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig'), 200)
      })
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const length = 32 << 20
    using client = rawClient(proxy.port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`)
    client.socket.write(Buffer.alloc(length))
    await client.until(/413.*big$/s)
    client.socket.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/413.*big.*413.*big$/s)
  })

  test('that nobody reads over ends after 10 s', async () => {
    const clock = fakeClock()
    await using upstream = await answering('HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig')
    await using proxy = await createProxy({ upstreamPort: upstream.port, clock })
    using client = rawClient(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome')
    await client.until(/413.*big$/s)
    await expect.poll(() => proxy.outcomes.length).toBe(1)
    await clock.advance(9_000)
    expect(proxy.open()).toBe(1)
    await clock.advance(2_000)
    await client.closed
  })

  test('to an upstream that stalls does not pile up', async () => {
    await using upstream = await rawUpstream((socket) => void socket.once('data', () => socket.pause()))
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const length = 256 << 20
    using client = rawClient(proxy.port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`)
    const chunk = Buffer.alloc(1 << 20)
    let sent = 0
    const push = () => {
      sent += 1
      if (sent < 255) client.socket.write(chunk, push)
    }
    push()
    await expect.poll(() => sent).toBeGreaterThan(1)
    let before = -1
    while (before !== sent) {
      before = sent
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(sent).toBeLessThan(64)
  })

  test.each(['POST', 'GET', 'DELETE'])(
    'by %s is the last thing on its connection, whatever the upstream says',
    async (method) => {
      await using upstream = await answering('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok')
      await using proxy = await createProxy({ upstreamPort: upstream.port })
      expect(await ask(proxy.port, crlf(`${method} / HTTP/1.1`, 'Content-Length: 1'), 'x')).toMatch(/ok$/)
      await expect.poll(() => upstream.sockets.size).toBe(0)
      expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/ok$/)
      expect(upstream.accepted()).toBe(2)
    },
  )
})

describe('when a side goes', () => {
  test('a client that leaves ends the work of the upstream at once', async () => {
    await using upstream = await httpUpstream((_incoming, response) => void response.write('begin'))
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/begin/)
    client.socket.destroy()
    await expect.poll(() => upstream.sockets.size).toBe(0)
    await expect.poll(() => proxy.outcomes).toEqual([{ status: 200, bytesIn: 0, bytesOut: 5, cut: 'client' }])
    expect(proxy.group.size).toBe(0)
  })

  test('a client that leaves takes with it what it asked for ahead of its turn', async () => {
    await using upstream = await httpUpstream((_incoming, response) => void response.write('begin'))
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20))
    await expect.poll(() => upstream.sockets.size).toBe(20)
    await client.until(/begin/)
    client.socket.destroy()
    await expect.poll(() => upstream.sockets.size).toBe(0)
    await expect.poll(() => proxy.outcomes.map(({ cut }) => cut)).toEqual(Array.from({ length: 20 }, () => 'client'))
    expect(proxy.group.size).toBe(0)
  })

  test('a client that leaves while the connection is made, or amid its upload, leaves nothing behind', async () => {
    await using upstream = await rawUpstream((socket) => void socket.resume())
    let aborted = false
    const never = (signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(signal.reason)
        })
      })
    await using dialling = await createProxy({ upstreamPort: 0, dial: never })
    using first = rawClient(dialling.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await expect.poll(() => dialling.dials()).toBe(1)
    first.socket.destroy()
    await expect.poll(() => aborted).toBe(true)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using second = rawClient(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf')
    await expect.poll(() => upstream.sockets.size).toBe(1)
    second.socket.resetAndDestroy()
    await expect.poll(() => upstream.sockets.size).toBe(0)
    await expect.poll(() => proxy.outcomes.map(({ cut }) => cut)).toEqual(['client'])
  })

  test.each([
    ['by length', 'Content-Length: 100\r\n\r\nhalf'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n9\r\nhalf'],
    ['to the end', '\r\nhalf'],
  ])('an upstream that breaks off an answer %s resets the client: half is never the whole', async (_name, rest) => {
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${rest}`)
        setTimeout(() => socket.resetAndDestroy(), 30)
      })
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
    await client.until(/half/)
    expect(await client.closed).toBe('reset')
    await expect.poll(() => proxy.outcomes).toMatchObject([{ status: 200, cut: 'upstream' }])
  })

  test('an end that comes too soon is a break as well', async () => {
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'))
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.closed).toBe('reset')
  })

  test('before anything was answered, the caller answers', async () => {
    await using silent = await rawUpstream((socket) => void socket.once('data', () => socket.end()))
    await using proxy = await createProxy({ upstreamPort: silent.port })
    expect(await ask(proxy.port, 'GET / HTTP/1.1')).toMatch(/^HTTP\/1\.1 502 .*upstream_unreachable$/s)
    await using nobody = await createProxy({ upstreamPort: 1 })
    expect(await ask(nobody.port, 'POST / HTTP/1.1\r\nContent-Length: 4', 'body')).toMatch(
      / 502 .*upstream_unreachable$/s,
    )
    expect(proxy.outcomes).toEqual([])
    expect(proxy.group.size + nobody.group.size).toBe(0)
  })

  test('an ended group resets its clients and ends the work of the upstream', async () => {
    await using upstream = await httpUpstream((_incoming, response) => void response.write('begin'))
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/begin/)
    proxy.group.end({ code: 1008, reason: 'Access ended' })
    expect(await client.closed).toBe('reset')
    await expect.poll(() => upstream.sockets.size).toBe(0)
    await expect.poll(() => proxy.outcomes.map(({ cut }) => cut)).toEqual(['ended'])
  })
})

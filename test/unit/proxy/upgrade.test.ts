import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { acceptKey } from '#http/accept-key.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import {
  added,
  answering,
  createProxy,
  hostPolicy,
  type Listening,
  listening,
  rawClient,
  rawUpstream,
} from './proxy-world.ts'

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const handshake = [
  ...[
    'GET /api/kernels/1/channels?session_id=a%2Fb HTTP/1.1',
    'Host: nb.ws.example.com',
    'Connection: keep-alive, Upgrade',
  ],
  ...['Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`, '\r\n'],
].join('\r\n')
const switching = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n`

interface SocketUpstream extends Listening {
  readonly server: WebSocketServer
}

async function socketUpstream(onSocket: (socket: WebSocket) => void): Promise<SocketUpstream> {
  const http = createServer()
  const server = new WebSocketServer({
    server: http,
    maxPayload: 32 << 20,
    perMessageDeflate: true,
    handleProtocols: (protocols) => [...protocols].at(-1) ?? false,
  })
  server.on('connection', onSocket)
  return { ...(await listening(http)), server }
}

const echo = (socket: WebSocket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}

describe('a WebSocket', () => {
  test('[JK20.5] keeps subprotocol, extensions and a message of 16 MB, byte for byte', async () => {
    await using upstream = await socketUpstream(echo)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const offered = ['v2.example', 'v1.kernel.websocket.jupyter.org']
    for (const perMessageDeflate of [false, true]) {
      const options = { perMessageDeflate, maxPayload: 32 << 20 }
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, offered, options)
      await once(socket, 'open')
      expect(socket.protocol).toBe('v1.kernel.websocket.jupyter.org')
      expect(socket.extensions).toBe(perMessageDeflate ? 'permessage-deflate' : '')
      const message = randomBytes(16 << 20)
      socket.send(message)
      const [answer] = await once(socket, 'message')
      const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex')
      expect(digest(answer)).toBe(digest(message))
      socket.close(1000, 'done')
      expect((await once(socket, 'close'))[0]).toBe(1000)
    }
    await expect
      .poll(() => proxy.outcomes.map(({ status, cut }) => ({ status, cut })))
      .toEqual([
        { status: 101, cut: undefined },
        { status: 101, cut: undefined },
      ])
    expect(proxy.outcomes[0]?.bytesIn).toBeGreaterThan(16 << 20)
    expect(proxy.outcomes[0]?.bytesOut).toBeGreaterThan(16 << 20)
    expect(proxy.group.size).toBe(0)
  })

  test('is asked for with names and values as the client wrote them, ours behind, and none that belongs to one hop', async () => {
    let seen = ''
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', (head: Buffer) => {
        seen = head.toString('latin1')
        socket.write(
          `${switching}sec-webSocket-Protocol: x\r\nSet-Cookie: __Host-gatehouse=1\r\nSet-Cookie: a=1\r\n\r\n`,
        )
      })
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const own = 'sEC-websocket-PROTOCOL: x\r\nX-Forwarded-User: mallory\r\nCookie: __Host-gatehouse=s; a=1\r\nUpgrade:'
    using client = rawClient(proxy.port, handshake.replace('Upgrade:', own))
    await client.until(/\r\n\r\n/)
    expect(seen.split('\r\n')).toEqual([
      'GET /api/kernels/1/channels?session_id=a%2Fb HTTP/1.1',
      'Host: nb.ws.example.com',
      'sEC-websocket-PROTOCOL: x',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${key}`,
      'Cookie: a=1',
      ...['X-Forwarded-User: alice', 'X-Forwarded-Proto: https', 'Connection: Upgrade', 'Upgrade: websocket', '', ''],
    ])
    expect(added).toHaveLength(4)
    expect(client.text().split('\r\n').slice(0, -2)).toEqual([
      ...['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'],
      ...[`Sec-WebSocket-Accept: ${acceptKey(key)}`, 'sec-webSocket-Protocol: x', 'Set-Cookie: a=1'],
    ])
    expect(proxy.switched()).toBe(1)
  })

  test('loses no byte that comes with the handshake, in either direction', async () => {
    await using upstream = await rawUpstream((socket) => {
      let seen = ''
      socket.on('data', (bytes: Buffer) => {
        seen += bytes.toString('latin1')
        if (seen.endsWith('\r\n\r\n')) socket.write(`${switching}\r\n\x81\x02hi`, 'latin1')
        if (seen.endsWith('later')) socket.write(seen.slice(seen.indexOf('\r\n\r\n') + 4))
      })
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, `${handshake}early `)
    await client.until(/hi$/)
    client.socket.write('later')
    await client.until(/hiearly later$/)
  })

  test('[JK20.6] whose reader stalls makes nothing pile up', async () => {
    const message = Buffer.alloc(1 << 20)
    let sent = 0
    await using upstream = await socketUpstream((socket) => {
      const push = () => {
        if (sent >= 512) return
        sent += 1
        socket.send(message, push)
      }
      push()
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, handshake)
    await client.until(/\r\n\r\n/)
    client.socket.pause()
    await expect.poll(() => sent).toBeGreaterThan(1)
    const before = process.memoryUsage().rss
    let last = -1
    while (last !== sent) {
      last = sent
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    expect(sent).toBeLessThan(64)
    expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20)
  })

  test('[JK20.3] of a client that vanishes is closed towards the upstream', async () => {
    await using upstream = await socketUpstream(echo)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`)
    await once(socket, 'open')
    expect(upstream.sockets.size).toBe(1)
    socket.terminate()
    await expect.poll(() => upstream.sockets.size).toBe(0)
    await expect.poll(() => proxy.open()).toBe(0)
    expect(proxy.outcomes).toMatchObject([{ status: 101 }])
  })

  test('[JK20.2] of an upstream that dies is closed with 1011', async () => {
    await using upstream = await socketUpstream(echo)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`)
    await once(socket, 'open')
    socket.send('hello')
    await once(socket, 'message')
    for (const one of upstream.sockets) one.resetAndDestroy()
    expect((await once(socket, 'close'))[0]).toBe(1011)
    await expect.poll(() => proxy.open()).toBe(0)
    expect(proxy.outcomes).toMatchObject([{ status: 101, cut: 'upstream' }])
  })

  test('of a group that is ended says the code and the reason', async () => {
    await using upstream = await socketUpstream(echo)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`)
    await once(socket, 'open')
    expect(proxy.group.endLasting({ code: 1008, reason: 'Access ended' })).toBe(1)
    const [code, reason] = await once(socket, 'close')
    expect([code, String(reason)]).toEqual([1008, 'Access ended'])
    await expect.poll(() => upstream.sockets.size + proxy.open()).toBe(0)
    expect(proxy.outcomes).toMatchObject([{ status: 101, cut: 'ended' }])
  })
})

describe('a refusal', () => {
  test.each([404, 401, 500])('[JK20.1] of %i is passed on with its body, and both sockets close', async (status) => {
    const http = createServer((_request, response) => {
      response.writeHead(status, { 'WWW-Authenticate': 'token', 'Content-Length': '4' })
      response.end('nope')
    })
    await using upstream = await listening(http)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`)
    socket.on('error', () => undefined)
    const [, response] = await once(socket, 'unexpected-response')
    expect([response.statusCode, response.headers['www-authenticate'], response.headers.connection]).toEqual([
      ...[status, 'token', 'close'],
    ])
    response.setEncoding('utf8')
    expect((await once(response, 'data'))[0]).toBe('nope')
    await expect.poll(() => upstream.sockets.size).toBe(0)
    await expect.poll(() => proxy.open()).toBe(0)
    expect(proxy.outcomes).toEqual([{ status, bytesIn: 0, bytesOut: 4, cut: undefined }])
    expect(proxy.group.size).toBe(0)
  })

  test.each([
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    ['to the end of the connection', '\r\nhello'],
  ])('%s is passed on', async (_name, rest) => {
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', () => socket.end(`HTTP/1.1 200 Sure\r\n${rest}`))
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, handshake)
    expect(await client.closed).toBe('end')
    expect(client.text()).toMatch(
      /^HTTP\/1\.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/,
    )
  })

  test('of any length does not pile up before a client that stalls', async () => {
    let sent = 0
    const http = createServer((_request, response) => {
      const push = () => {
        sent += 1
        if (sent < 256) response.write(Buffer.alloc(1 << 20), push)
      }
      push()
    })
    await using upstream = await listening(http)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, handshake)
    client.socket.pause()
    await expect.poll(() => sent).toBeGreaterThan(1)
    let last = -1
    while (last !== sent) {
      last = sent
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    expect(sent).toBeLessThan(64)
  })

  test('in very many pieces waits for the client once', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => void warnings.push(warning)
    process.on('warning', onWarning)
    await using upstream = await rawUpstream((socket) => {
      const body = `1000\r\n${'z'.repeat(4_096)}\r\n`.repeat(4_096)
      socket.once('data', () => socket.end(`HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\n\r\n`))
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, handshake)
    client.socket.pause()
    // Until nothing more goes between the two.
    await new Promise((resolve) => setTimeout(resolve, 150))
    client.socket.resume()
    expect(await client.closed).toBe('end')
    expect(client.text().replace(/[^z]/g, '')).toHaveLength(1 << 24)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })

  test('that breaks off resets the client', async () => {
    await using upstream = await rawUpstream((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\nhalf'))
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, handshake)
    expect(await client.closed).toBe('reset')
    await expect.poll(() => proxy.outcomes).toMatchObject([{ status: 404, cut: 'upstream' }])
  })

  test('gets nothing of what the client sent behind the handshake: it would be read as a request', async () => {
    let seen = ''
    await using upstream = await rawUpstream((socket) => {
      socket.on('data', (bytes: Buffer) => {
        seen += bytes.toString('latin1')
        if (seen.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n')
      })
    })
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, `${handshake}GET /secret HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(await client.closed).toBe('end')
    expect(client.text().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 403'])
    expect(seen).not.toContain('/secret')
    await expect.poll(() => upstream.sockets.size).toBe(0)
  })

  test('of 2,000 handshakes leaves no descriptor open', async () => {
    await using upstream = await answering('HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno')
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    const descriptors = () => readdirSync('/proc/self/fd').length
    const refuse = async () => {
      using client = rawClient(proxy.port, handshake)
      await client.closed
    }
    await refuse()
    await expect.poll(() => proxy.open() + upstream.sockets.size).toBe(0)
    const before = descriptors()
    for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 100 }, refuse))
    await expect.poll(() => proxy.open() + upstream.sockets.size).toBe(0)
    expect(descriptors()).toBeLessThanOrEqual(before + 2)
    expect(proxy.outcomes).toHaveLength(2_001)
    expect(proxy.client.size).toBe(0)
  })
})

describe('refused as 502, with the connection to the upstream closed', () => {
  test.each([
    ['a proof for another key', switching.replace(acceptKey(key), acceptKey('other'))],
    ['no proof', switching.replace(/Sec-.*\r\n/, '')],
    ['two proofs', `${switching}Sec-WebSocket-Accept: ${acceptKey(key)}\r\n`],
    ['no Upgrade', switching.replace('Upgrade: websocket\r\n', '')],
    ['another protocol', switching.replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['no Connection', switching.replace('Connection: Upgrade\r\n', '')],
    ['another Connection', switching.replace('Connection: Upgrade', 'Connection: keep-alive')],
    ['nonsense', 'HTTP/1.1 xxx\r\n'],
  ])('%s', async (_name, head) => {
    await using upstream = await answering(`${head}\r\n`)
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, handshake)
    expect(await client.closed).toBe('end')
    expect(client.text()).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n.*upstream_protocol$/s)
    await expect.poll(() => upstream.sockets.size + proxy.open()).toBe(0)
    expect([proxy.switched(), proxy.group.size, proxy.outcomes.length]).toEqual([0, 0, 0])
  })

  test('an upstream that cannot be reached', async () => {
    await using proxy = await createProxy({ upstreamPort: 1 })
    using client = rawClient(proxy.port, handshake)
    expect(await client.closed).toBe('end')
    expect(client.text()).toMatch(/^HTTP\/1\.1 502 .*upstream_unreachable$/s)
    await expect.poll(() => proxy.open()).toBe(0)
  })
})

describe('before there is an answer', () => {
  test.each(['end', 'resetAndDestroy'] as const)('a client that leaves (%s) leaves nothing behind', async (how) => {
    await using upstream = await rawUpstream((socket) => void socket.resume())
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, handshake)
    await expect.poll(() => upstream.sockets.size).toBe(1)
    client.socket[how]()
    await expect.poll(() => upstream.sockets.size + proxy.open()).toBe(0)
    expect(proxy.outcomes).toMatchObject([{ status: 0, cut: 'client' }])
    expect(proxy.group.size).toBe(0)
  })

  test('an upstream gets 30 s', async () => {
    const clock = fakeClock()
    await using upstream = await rawUpstream((socket) => void socket.resume())
    await using proxy = await createProxy({ upstreamPort: upstream.port, clock })
    using client = rawClient(proxy.port, handshake)
    await expect.poll(() => upstream.sockets.size).toBe(1)
    await clock.advance(29_000)
    expect(client.text()).toBe('')
    await clock.advance(2_000)
    await client.until(/^HTTP\/1\.1 502 /)
    await expect.poll(() => upstream.sockets.size).toBe(0)
  })

  test('and no longer counts the time once there is one', async () => {
    const clock = fakeClock()
    await using upstream = await socketUpstream(echo)
    await using proxy = await createProxy({ upstreamPort: upstream.port, clock })
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`)
    await once(socket, 'open')
    await clock.advance(3_600_000)
    socket.send('still here')
    expect(String((await once(socket, 'message'))[0])).toBe('still here')
    expect(proxy.failures).toEqual([])
  })

  test('a group that is ended takes the handshake with it', async () => {
    await using upstream = await rawUpstream((socket) => void socket.resume())
    await using proxy = await createProxy({ upstreamPort: upstream.port, policy: hostPolicy })
    using client = rawClient(proxy.port, handshake)
    await expect.poll(() => upstream.sockets.size).toBe(1)
    proxy.group.end({ code: 1008, reason: 'Access ended' })
    expect(await client.closed).toBe('reset')
    await expect.poll(() => upstream.sockets.size).toBe(0)
  })

  test('a client that sends on and on is read no further', async () => {
    await using upstream = await rawUpstream((socket) => void socket.resume())
    await using proxy = await createProxy({ upstreamPort: upstream.port })
    using client = rawClient(proxy.port, handshake)
    let sent = 0
    const chunk = Buffer.alloc(1 << 20)
    const push = () => {
      while (sent < 64 && client.socket.write(chunk)) sent++
      if (sent < 64) client.socket.once('drain', push)
    }
    push()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(client.socket.writableLength).toBeGreaterThan(0)
    expect(sent).toBeLessThan(32)
  })
})

import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { readRequestHead } from '#http/request-head.ts'
import { TurnShare } from '#lib/turn-share.ts'
import { openListener } from '#server/listener.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { listenerParts, listenerWorld, plain, received } from './listener-world.ts'

const get = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n'
const getAndClose = 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const upgrade = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** An answer of the listener's own: its status line, and its body as JSON. */
function parseAnswer(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  return { head, body: JSON.parse(body) }
}

/** Turns that come when the test says so. */
class HeldTurns extends TurnShare {
  readonly held: (() => void)[] = []

  constructor() {
    super({ share: 1, mostWaiting: 10 })
  }

  override add(work: () => void): boolean {
    this.held.push(work)
    return true
  }

  release(): void {
    for (const work of this.held.splice(0)) work()
  }
}

describe('openListener', () => {
  test('a request reaches its handler with what is known of the connection', async () => {
    await using world = await listenerWorld()
    expect(await world.exchange(getAndClose)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*hello$/)
    expect(world.seen).toMatchObject([
      {
        event: 'request',
        method: 'GET',
        target: '/x',
        connection: { peer: '127.0.0.1', localPort: world.port, isEncrypted: false },
      },
    ])
  })

  test('an upgrade reaches its handler with the bytes behind it', async () => {
    await using world = await listenerWorld()
    const socket = await world.connect()
    socket.write(`${upgrade}early`)
    expect(await received(socket, 'early')).toMatch(/^HTTP\/1\.1 101 /)
    socket.write('later')
    expect(await received(socket, 'later')).toBe('later')
    expect(world.seen).toMatchObject([{ event: 'upgrade', target: '/ws' }])
    socket.destroy()
  })

  test('100 Continue is sent by the handler alone', async () => {
    await using world = await listenerWorld({
      handlers: {
        checkContinue(_request, response) {
          response.writeHead(401, [])
          response.end()
        },
      },
    })
    const answer = await world.exchange(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 401 /)
    expect(world.seen).toMatchObject([{ event: 'checkContinue' }])
  })

  test('the raw target and every raw field are handed over as they came, so that http/ can judge them', async () => {
    await using world = await listenerWorld()
    const fields = `Host: a\r\nHost: b\r\n__proto__: x\r\n${'n:v\r\n'.repeat(2100)}Host: c\r\nConnection: close\r\n`
    await world.exchange(`GET //evil/a/../b#c HTTP/1.1\r\n${fields}\r\n`)
    expect(world.seen[0]?.target).toBe('//evil/a/../b#c')
    const { rawHeaders = [] } = world.seen[0] ?? {}
    expect(rawHeaders.filter((_, index) => index % 2 === 0 && rawHeaders[index] === 'Host')).toHaveLength(3)
    expect(readRequestHead(rawHeaders, { httpVersion: '1.1' })).toMatchObject({ status: 431 })
  })

  test('a handler that throws costs its request a 500 and a line in the log, not the process', async () => {
    const fail = () => {
      throw new Error('bug')
    }
    await using world = await listenerWorld({ handlers: { request: fail, upgrade: fail } })
    const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    for (const [index, bytes] of [get, upgrade, get].entries()) {
      const answer = await world.exchange(bytes)
      expect(answer).toMatch(/^HTTP\/1\.1 500 /)
      expect(answer).toContain(`"requestId":"request-${index + 1}"`)
      expect(answer).not.toContain('bug')
      expect(world.lines.text).toMatch(new RegExp(`"requestId":"request-${index + 1}".*a handler threw`))
    }
  })

  test('a handler that throws when its answer has begun costs its connection', async () => {
    await using world = await listenerWorld({
      handlers: {
        request: (_request, response) => {
          response.writeHead(200, ['content-length', '10'])
          response.write('part')
          throw new Error('bug')
        },
      },
    })
    expect(await world.exchange(get)).not.toContain('500')
    expect(world.lines.text).toContain('a handler threw')
  })

  test('an address that is taken is said so', async () => {
    await using world = await listenerWorld()
    const owner = new AbortController()
    const parts = listenerParts(owner.signal, fakeClock(), memoryLines())
    const handlers = { request: () => undefined, checkContinue: () => undefined, upgrade: () => undefined }
    await expect(openListener({ ...plain, port: world.port }, handlers, parts)).rejects.toMatchObject({
      code: 'listen_failed',
      message: expect.stringContaining(`127.0.0.1 port ${world.port}`),
    })
    owner.abort()
  })
})

describe('what never becomes a request', () => {
  const canary = 'CANARY'
  const refusedByParser: ReadonlyArray<readonly [what: string, bytes: string, status: number]> = [
    ['a method nobody knows', `${canary} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
    ['a method in lower case', 'get / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['a TLS hello', '\u0016\u0003\u0001\u0002\u0000\u0001', 400],
    ['a line without its carriage return', `GET /${canary} HTTP/1.1\nHost: a\n\n`, 505],
    [
      'both framings at once',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nh', 400],
    ['a space before the colon', `GET / HTTP/1.1\r\nHost: a\r\n${canary} : x\r\n\r\n`, 400],
    ['a folded field', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', 400],
    ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['a header beyond the limit', `GET / HTTP/1.1\r\nHost: a\r\nX: ${canary.repeat(3000)}\r\n\r\n`, 431],
    ['a target beyond the limit of the header', `GET /${canary.repeat(3000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ]

  test.each(refusedByParser)(
    '%s gets problem+json with a request id, nothing of what it sent, and a closed connection',
    async (_what, bytes, status) => {
      await using world = await listenerWorld()
      const answer = await world.exchange(Buffer.from(bytes, 'latin1'))
      const { head, body } = parseAnswer(answer)
      expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
      expect(head).toMatch(/\r\nContent-Type: application\/problem\+json\r\n/)
      expect(head).toMatch(/\r\nConnection: close$/)
      expect(body).toMatchObject({
        status,
        requestId: 'request-1',
        code: expect.any(String),
        title: expect.any(String),
      })
      expect(answer).not.toContain(canary)
      expect(world.lines.text).not.toContain(canary)
      expect(world.seen).toEqual([])
      expect(world.refused).toMatchObject([{ status, requestId: 'request-1', peer: '127.0.0.1' }])
    },
  )

  test.each(['\u0000', '\u0001', '\u000b', '\u001b', '\u007f', '\r', '\n'])(
    'a control character in any field is refused by the parser itself: %j',
    async (character) => {
      await using world = await listenerWorld()
      const bytes = `GET / HTTP/1.1\r\nHost: a\r\nX-Unread: a${character}b\r\nConnection: close\r\n\r\n`
      expect(await world.exchange(Buffer.from(bytes, 'latin1'))).toMatch(/^HTTP\/1\.1 400 /)
      expect(world.seen).toEqual([])
    },
  )

  test('CONNECT is refused, and what follows it is not a request', async () => {
    await using world = await listenerWorld()
    const { head, body } = parseAnswer(await world.exchange(`CONNECT ${canary}:443 HTTP/1.1\r\nHost: a\r\n\r\n${get}`))
    expect(head).toMatch(/^HTTP\/1\.1 405 /)
    expect(body).toMatchObject({ code: 'method_not_allowed' })
    expect(world.seen).toEqual([])
  })

  test('an expectation that nobody can meet is 417', async () => {
    await using world = await listenerWorld()
    const answer = await world.exchange('POST / HTTP/1.1\r\nHost: a\r\nExpect: CANARY\r\nContent-Length: 1\r\n\r\nx')
    expect(answer).toMatch(/^HTTP\/1\.1 417 [\s\S]*application\/problem\+json/)
    expect(answer).not.toContain(canary)
  })

  test('a header that does not come to its end is 408', async () => {
    await using world = await listenerWorld({ limits: { headerTimeout: 300 } })
    const { head, body } = parseAnswer(await world.exchange('GET / HTTP/1.1\r\nHost: a\r\nX: '))
    expect(head).toMatch(/^HTTP\/1\.1 408 /)
    expect(body).toMatchObject({ code: 'request_timeout' })
  })

  test('a connection that says nothing is closed without a word', async () => {
    await using world = await listenerWorld({ limits: { headerTimeout: 300 } })
    expect(await world.exchange('')).toBe('')
    expect(world.refused).toEqual([])
  })

  test('garbage behind a request that is still being answered closes, so that no answer is taken for another one', async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
    await using world = await listenerWorld({ handlers: { request: () => arrive() } })
    const socket = await world.connect()
    socket.write(`${get}GARBAGE\r\n\r\n`)
    await arrived
    expect(await received(socket)).toBe('')
  })

  test('garbage behind an answered request is answered', async () => {
    await using world = await listenerWorld()
    const socket = await world.connect()
    socket.write(get)
    expect(await received(socket, 'hello')).toMatch(/^HTTP\/1\.1 200 /)
    socket.write('GARBAGE\r\n\r\n')
    expect(await received(socket)).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('a broken body of an answered request closes: its sender would take a second answer for the next request', async () => {
    await using world = await listenerWorld()
    const socket = await world.connect()
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    await received(socket, 'hello')
    socket.write('GARBAGE\r\n')
    expect(await received(socket)).toBe('')
  })

  test('a broken body of a request that waits for its answer is answered', async () => {
    await using world = await listenerWorld({ handlers: { request: (request) => void request.resume() } })
    const answer = await world.exchange('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nGARBAGE\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('an upgrade behind a request that is not answered yet never reaches its handler', async () => {
    await using world = await listenerWorld({ handlers: { request: () => undefined } })
    expect(await world.exchange(get + upgrade)).toBe('')
    expect(world.seen.map((one) => one.event)).toEqual(['request'])
  })

  test('an upgrade where too many wait already is asked to come again, and everybody else is answered', async () => {
    await using world = await listenerWorld({ turns: new TurnShare({ share: 1, mostWaiting: 0 }) })
    const { head, body } = parseAnswer(await world.exchange(upgrade))
    expect(head).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nRetry-After: 5(?:\r\n|$)/)
    expect(body).toMatchObject({ code: 'too_many_at_once' })
    expect(await world.exchange(getAndClose)).toMatch(/hello$/)
    expect(world.seen.map((one) => one.event)).toEqual(['request'])
    expect(world.refused).toMatchObject([{ code: 'too_many_at_once', status: 503, peer: '127.0.0.1' }])
  })

  test('who leaves before an upgrade has its turn never reaches its handler, and is let go', async () => {
    const turns = new HeldTurns()
    await using world = await listenerWorld({ turns })
    const socket = await world.connect()
    socket.write(upgrade)
    await expect.poll(() => turns.held.length).toBe(1)
    socket.end()
    await pause(20)
    turns.release()
    expect(await received(socket)).toBe('')
    expect(world.seen).toEqual([])
  })

  test.each([
    ['a request', '\r\n\r\n', /hello$/],
    ['an upgrade', '\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n', /^HTTP\/1\.1 101 /],
  ])(
    'a header that comes to its end while its 408 waits for its turn makes %s, and nobody is sent the 408',
    async (_what, rest, answer) => {
      const turns = new HeldTurns()
      await using world = await listenerWorld({ turns, limits: { headerTimeout: 300 } })
      const socket = await world.connect()
      socket.write('GET / HTTP/1.1\r\nHost: a')
      await expect.poll(() => turns.held.length).toBe(1)
      socket.write(rest)
      await expect.poll(() => world.seen.length + turns.held.length).toBe(2)
      turns.release()
      socket.end()
      const got = await received(socket)
      expect(got).toMatch(answer)
      expect(got).not.toContain(' 408 ')
      expect(world.refused).toEqual([])
    },
  )

  test('an upgrade behind an answered request does', async () => {
    await using world = await listenerWorld()
    const socket = await world.connect()
    socket.write(get)
    await received(socket, 'hello')
    socket.write(upgrade)
    expect(await received(socket, '\r\n\r\n')).toMatch(/^HTTP\/1\.1 101 /)
    socket.destroy()
  })

  test.each([
    ['a request', get],
    ['an upgrade', upgrade],
    ['a request that waits for 100 Continue', get.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n')],
  ])('%s behind an answer that closes the connection never reaches its handler', async (_what, next) => {
    await using world = await listenerWorld({
      handlers: {
        request(_request, response) {
          response.shouldKeepAlive = false
          response.end('the last')
        },
      },
    })
    const answer = await world.exchange(get + next)
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*\r\nConnection: close\r\n.*the last$/s)
    expect(world.seen.map((one) => one.event)).toEqual(['request'])
  })

  test('a refused client may not go on for ever', async () => {
    await using world = await listenerWorld()
    const socket = await world.connect()
    socket.write('GARBAGE\r\n\r\n')
    expect(await received(socket, '}')).toMatch(/^HTTP\/1\.1 400 /)
    const broken = once(socket, 'error')
    const nagging = setInterval(() => socket.write('more'), 5)
    await pause(50)
    expect(socket.destroyed).toBe(false)
    await world.clock.advance(1_000)
    await broken
    clearInterval(nagging)
  })
})

describe('the end of a listener', () => {
  test('the signal ends everything at once: idle, waiting and upgraded connections', async () => {
    await using world = await listenerWorld({ handlers: { request: () => undefined } })
    const sockets = [await world.connect(), await world.connect(), await world.connect()] as const
    sockets[1].write(get)
    sockets[2].write(upgrade)
    await received(sockets[2], '\r\n\r\n')
    await vi.waitFor(() => expect(world.seen).toHaveLength(2))
    const closed = Promise.all(sockets.map((socket) => received(socket)))
    world.end()
    await world.listener.closed
    await closed
    await expect(world.connect()).rejects.toThrow('ECONNREFUSED')
  })

  test('after stopAccepting no connection is taken, idle ones close, and an answer that is due is given first', async () => {
    const { promise: asked, resolve: answer } = Promise.withResolvers<() => void>()
    await using world = await listenerWorld({
      handlers: { request: (_request, response) => answer(() => response.end('late')) },
    })
    const [idle, waiting, upgraded] = [await world.connect(), await world.connect(), await world.connect()]
    waiting.write(get)
    upgraded.write(upgrade)
    await received(upgraded, '\r\n\r\n')
    const finish = await asked
    world.listener.stopAccepting()
    await received(idle)
    await expect(world.connect()).rejects.toThrow('ECONNREFUSED')
    finish()
    expect(await received(waiting)).toMatch(/^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*late$/)
    upgraded.write('still here')
    expect(await received(upgraded, 'here')).toBe('still here')
    upgraded.destroy()
    await world.listener.closed
  })

  test('after stopAccepting a response that had begun closes its connection when it ends', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<() => void>()
    await using world = await listenerWorld({
      handlers: {
        request: (_request, response) => {
          response.write('first')
          begin(() => response.end('last'))
        },
      },
    })
    const socket = await world.connect()
    socket.write(get)
    await received(socket, 'first')
    world.listener.stopAccepting()
    ;(await begun)()
    expect(await received(socket)).toContain('last')
    socket.end()
    await world.listener.closed
  })
})

/** Requests by HTTP/2 as clients send them: the app sees what it would see of HTTP/1.1, and the client what the app says. */
import { execFile } from 'node:child_process'
import { constants } from 'node:http2'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { answerTo, type Http2Client, openHttp2Client } from '#test/support/http2-client.ts'
import {
  codes,
  type Field,
  type FrameConnection,
  flags,
  frame,
  headers,
  openGreeted,
  types,
  uint32,
} from '#test/support/http2-frames.ts'
import { useHttp2Tenants } from '#test/support/http2-tenants.ts'
import { requestText, type Tenant } from '#test/support/tenants.ts'
import { callApi, share, withBob } from '../gateway/scene.ts'

const tenants = useHttp2Tenants()

let client: Http2Client
beforeAll(async () => {
  client = await openHttp2Client(`http://127.0.0.1:${tenants().world.port}`)
})
afterAll(() => client[Symbol.dispose]())
afterEach(() => {
  tenants().a.app.answer = undefined
})

const at = ({ authority, cookie }: Tenant, path: string, more: Readonly<Record<string, string>> = {}) => ({
  ...{ ':method': 'GET', ':scheme': 'http', ':authority': authority, ':path': path, cookie },
  ...more,
})
const posted = (tenant: Tenant, path: string, more: Readonly<Record<string, string>> = {}) =>
  at(tenant, path, { ':method': 'POST', origin: `http://${tenant.authority}`, ...more })

describe('an app', () => {
  test('sees of a request what it sees of the same one by HTTP/1.1', async () => {
    const { a, ask } = tenants()
    const fields = ['accept', '*/*', 'x-one', 'caf\xe9', 'x-one', 'two', 'user-agent', 'test']
    const target = '/some/%2e/path%2Fraw//?a=%41&b="'
    await ask(requestText({ target, host: a.authority, cookie: `${a.cookie}; own=1; other=2`, fields }))
    const first = a.app.requests.at(-1)
    const { status } = await client.ask({
      ...at(a, target),
      cookie: [a.cookie, 'own=1', 'other=2'],
      ...{ accept: '*/*', 'x-one': ['caf\xe9', 'two'], 'user-agent': 'test' },
    })
    expect(status).toBe(200)
    const second = a.app.requests.at(-1)
    const lower = (raw: readonly string[] = []) =>
      raw.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text)).join('\n')
    expect(second).not.toBe(first)
    expect(second?.url).toBe(target)
    expect(lower(second?.rawHeaders).split('\n').sort()).toEqual(lower(first?.rawHeaders).split('\n').sort())
    expect(headersOf(second ?? { rawHeaders: [] }, 'cookie')).toEqual(['own=1; other=2'])
  })

  test('gets bodies with and without a length, whole, and trailers', async () => {
    const { a } = tenants()
    const body = Buffer.alloc(3_000_000, 'abcdefg')
    for (const more of [{}, { 'content-length': String(body.length) }]) {
      const { status } = await client.ask(posted(a, '/up', more), body)
      expect(status).toBe(200)
      const seen = a.app.requests.at(-1)
      expect(Buffer.from(seen?.body ?? '', 'latin1').equals(body)).toBe(true)
      const framing =
        'content-length' in more ? ['Content-Length', 'Transfer-Encoding'] : ['Transfer-Encoding', 'Content-Length']
      expect(framing.map((name) => headersOf(seen ?? { rawHeaders: [] }, name).length)).toEqual([1, 0])
    }
    expect((await client.ask(posted(a, '/up'), '')).status).toBe(200)
    let trailers: readonly string[] = []
    a.app.answer = (request, response) => {
      request.resume().once('end', () => {
        trailers = request.rawTrailers
        response.end()
      })
      return true
    }
    const stream = client.session.request(posted(a, '/up', { trailer: 'x-sum' }), { waitForTrailers: true })
    stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42', host: 'evil' }))
    await answerTo(stream, 'body')
    expect(trailers).toEqual(['x-sum', '42'])
  })

  test('says what it says: interim answers, trailers, no body, any status', async () => {
    const { a } = tenants()
    a.app.answer = (request, response) => {
      request.resume()
      if (request.url === '/hints') response.writeEarlyHints({ link: '</a.css>; rel=preload', 'x-early': '1' })
      const status = Number(/^\/status\/(\d+)/.exec(request.url ?? '')?.[1] ?? 200)
      response.writeHead(status, [
        ...['X-Upper', 'Case', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Connection', 'close'],
        ...(status === 200 ? ['Trailer', 'X-Sum'] : []),
      ])
      if (status === 200) {
        response.write('body')
        response.addTrailers([['X-Sum', '42']])
      }
      response.end()
      return true
    }
    const hinted = await client.ask(at(a, '/hints'))
    expect(hinted).toMatchObject({
      status: 200,
      body: 'body',
      interim: [{ ':status': 103, link: '</a.css>; rel=preload', 'x-early': '1' }],
      trailers: { 'x-sum': '42' },
      headers: { 'x-upper': 'Case', 'set-cookie': ['a=1', 'b=2'] },
    })
    expect(hinted.headers).not.toHaveProperty('connection')
    expect(hinted.headers).not.toHaveProperty('transfer-encoding')
    for (const status of [204, 205, 304, 404, 418, 503, 599]) {
      expect(await client.ask(at(a, `/status/${status}`))).toMatchObject({ status, body: '' })
    }
    a.app.answer = (_request, response) => {
      response.writeHead(200, { 'content-length': 1000 })
      response.end()
      return true
    }
    const head = await client.ask(at(a, '/', { ':method': 'HEAD' }))
    expect(head).toMatchObject({ status: 200, body: '', headers: { 'content-length': '1000' } })
  })

  test('is asked to go on before a body by who may send it, and nobody else', async () => {
    const { a, b } = tenants()
    const waiting = (tenant: Tenant) => posted(tenant, '/up', { expect: '100-continue', 'content-length': '4' })
    const allowed = client.open(waiting(a), true)
    const continued = new Promise((resolve) => allowed.once('continue', resolve))
    const answered = answerTo(allowed)
    await continued
    allowed.end('body')
    expect(await answered).toMatchObject({ status: 200 })
    expect(a.app.requests.at(-1)).toMatchObject({ body: 'body' })
    const before = b.app.requests.length
    const denied = client.open({ ...waiting(b), cookie: a.cookie }, true)
    let isContinued = false
    denied.once('continue', () => {
      isContinued = true
    })
    const { status } = await new Promise<{ status: number }>((resolve) =>
      denied.once('response', (fields) => resolve({ status: Number(fields[':status']) })),
    )
    denied.close()
    expect([status, isContinued, b.app.requests.length - before]).toEqual([401, false, 0])
    expect((await client.ask(posted(a, '/up', { expect: '200-maybe' }), 'x')).status).toBe(417)
  })

  test('that breaks off costs its own stream, with an error, and no other', async () => {
    const { a } = tenants()
    a.app.answer = (request, response) => {
      if (request.url !== '/broken') return false
      response.writeHead(200, { 'content-length': 1000 })
      response.write('part')
      setTimeout(() => request.socket.resetAndDestroy(), 10)
      return true
    }
    const [broken, whole] = await Promise.allSettled([client.ask(at(a, '/broken')), client.ask(at(a, '/x'))])
    expect(broken).toMatchObject({ status: 'rejected', reason: { code: constants.NGHTTP2_INTERNAL_ERROR } })
    expect(whole).toMatchObject({ status: 'fulfilled', value: { status: 200 } })
    expect(client.session.destroyed).toBe(false)
  })
})

describe('a client', () => {
  test.each([
    [
      'a reset that names no error',
      (raw: FrameConnection) => raw.send(frame(types.reset, 0, 1, uint32(codes.noError))),
    ],
    ['a reset', (raw: FrameConnection) => raw.send(frame(types.reset, 0, 1, uint32(codes.cancel)))],
    ['the end of its connection', (raw: FrameConnection) => void raw.socket.end()],
    ['the loss of its connection', (raw: FrameConnection) => void raw.socket.resetAndDestroy()],
  ])('that breaks off an upload by %s is not taken for one that has sent all of it', async (_how, breakOff) => {
    const { a, world } = tenants()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const { promise: ended, resolve: end } = Promise.withResolvers<string>()
    a.app.answer = (request) => {
      request.once('end', () => end('whole')).once('error', () => end('broken'))
      request.on('data', begin)
      return true
    }
    using raw = await openGreeted(world.port)
    const fields = Object.entries(posted(a, '/up')).map(([name, value]): Field => [name, value])
    raw.send(headers(1, fields, flags.endHeaders), frame(types.data, 0, 1, Buffer.from('part')))
    await begun
    breakOff(raw)
    expect(await ended).toBe('broken')
  })

  test('that leaves amid an answer ends it at the app', async () => {
    const { a } = tenants()
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    a.app.answer = (_request, response) => {
      response.write('some')
      response.once('close', resolve)
      return true
    }
    const stream = client.open(at(a, '/long'))
    await new Promise((seen) => stream.once('data', seen))
    // Amid what it reads, Node's client would keep it back.
    await setImmediate()
    stream.close(constants.NGHTTP2_CANCEL)
    await closed
    a.app.answer = undefined
    expect((await client.ask(at(a, '/x'))).status).toBe(200)
  })

  test('that does not read holds up its own answer, at the app, and no other of its connection', async () => {
    const { a } = tenants()
    let written = 0
    a.app.answer = (request, response) => {
      if (request.url !== '/endless') return false
      const piece = Buffer.alloc(65_536)
      const fill = () => {
        while (response.write(piece)) written += piece.length
        written += piece.length
        response.once('drain', fill)
      }
      fill()
      return true
    }
    const stream = client.open(at(a, '/endless'))
    await new Promise((seen) => stream.once('response', seen))
    let last = -1
    await expect
      .poll(
        () => {
          const isSteady = written > 0 && written === last
          last = written
          return isSteady
        },
        { interval: 200 },
      )
      .toBe(true)
    // What the sockets of this machine hold, and our own few pieces.
    expect(written).toBeLessThan(16_000_000)
    expect((await client.ask(at(a, '/x'))).status).toBe(200)
    stream.close(constants.NGHTTP2_CANCEL)
  })

  test('is held up by an app that does not read, and by no other', async () => {
    const { a } = tenants()
    a.app.answer = (request) => request.url === '/unread' && Boolean(request.pause())
    const stream = client.open(posted(a, '/unread'), true)
    let taken = 0
    const piece = Buffer.alloc(65_536)
    const feed = () => {
      stream.write(piece, (error) => {
        if (error) return
        taken += piece.length
        feed()
      })
    }
    feed()
    let last = -1
    await expect
      .poll(
        () => {
          const isSteady = taken > 0 && taken === last
          last = taken
          return isSteady
        },
        { interval: 200 },
      )
      .toBe(true)
    expect(taken).toBeLessThan(16_000_000)
    expect((await client.ask(posted(a, '/x'), 'small')).status).toBe(200)
    stream.close(constants.NGHTTP2_CANCEL)
  })
})

describe('one connection', () => {
  test('serves every name of the domain, each by its own rules, and no other name', async () => {
    const { a, b, world } = tenants()
    const [own, other, foreign, anonymous, front] = await Promise.all([
      client.ask(at(a, '/x')),
      client.ask(at(b, '/x')),
      client.ask(at(a, '/x', { ':authority': 'elsewhere.test' })),
      client.ask({ ...at(b, '/x'), cookie: a.cookie }),
      client.ask({
        ':path': '/',
        ':authority': `localhost:${world.port}`,
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        'sec-fetch-site': 'none',
        accept: 'text/html',
      }),
    ])
    expect(JSON.parse(own.body).app).toBe('team/a')
    expect(JSON.parse(other.body).app).toBe('team/b')
    expect([own, other, foreign, anonymous, front].map(({ status }) => status)).toEqual([200, 200, 421, 401, 302])
  })

  test('has a console whose forms can be sent', async () => {
    const { alice, world } = tenants()
    const authority = `localhost:${world.port}`
    const cookie = alice.cookies.header({ url: new URL(world.origin), isSameSite: true, isSafeNavigation: true }) ?? ''
    const base = { ':authority': authority, cookie, 'sec-fetch-site': 'same-origin', origin: `http://${authority}` }
    const listed = await client.ask({ ...base, ':path': '/.gatehouse/api/v1/workspaces' })
    expect(listed.status).toBe(200)
    expect(JSON.parse(listed.body)).toMatchObject({})
    const post = { ...base, ':method': 'POST', 'content-type': 'application/json' }
    const path = '/.gatehouse/api/v1/workspaces/team/a/shares'
    const made = await client.ask({ ...post, ':path': path }, JSON.stringify({ grantees: [] }))
    expect([made.status, JSON.parse(made.body).code]).toEqual([422, 'unprocessable'])
    const foreign = await client.ask({ ...post, ':path': path, origin: 'http://evil.test' }, '{}')
    expect(foreign.status).toBe(403)
    const large = await client.ask({ ...post, ':path': path }, Buffer.alloc(100_000, ' '))
    expect(large.status).toBe(413)
  })

  test('loses a stream whose right ends, within two seconds, and no other', async () => {
    const { a, b, alice, bob, world } = tenants()
    const given = await share(world, alice, a.ref, withBob)
    await bob.open(a.url)
    const cookie = bob.cookieHeader(a.url) ?? ''
    const shared = client.open({ ...at(a, '/events'), cookie })
    const own = client.open(at(b, '/events'))
    await Promise.all([shared, own].map((stream) => new Promise((seen) => stream.once('data', seen))))
    const ended = new Promise<number>((resolve) => shared.once('close', () => resolve(performance.now())))
    const began = performance.now()
    await callApi(world, alice, 'DELETE', api.share(a.ref, given.name))
    expect((await ended) - began).toBeLessThan(2_000)
    expect(shared.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    expect([own.closed, client.session.destroyed]).toEqual([false, false])
    expect((await client.ask({ ...at(a, '/x'), cookie })).status).toBe(403)
    own.close()
  })

  test('has answers for heads that are too large, and goes on', async () => {
    const { a } = tenants()
    const long = await client.ask(at(a, `/${'x'.repeat(9_000)}`))
    const large = await client.ask(at(a, '/x', { 'x-large': 'x'.repeat(17_000) }))
    const many = await client.ask(
      at(a, '/x', Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`x-${n}`, '1']))),
    )
    expect([long.status, large.status, many.status]).toEqual([414, 431, 431])
    expect((await client.ask(at(a, '/x'))).status).toBe(200)
  })

  test('counts and audits like any other', async () => {
    const { a, world } = tenants()
    const before = await world.figure('gatehouse_requests_total', 'route="workspace",outcome="forwarded"')
    await client.ask(at(a, '/x'))
    expect(await world.figure('gatehouse_requests_total', 'route="workspace",outcome="forwarded"')).toBe(before + 1)
    const events = world.audit.length
    await client.ask({ ...at(a, '/x'), cookie: 'none=1' })
    expect(world.audit.slice(events)).toMatchObject([{ event: 'deny', workspace: 'team/a', client: '127.0.0.1' }])
  })
})

test('curl speaks it by prior knowledge, and HTTP/1.1 beside it; an upgrade to it is not taken', async () => {
  const { a, world } = tenants()
  const run = promisify(execFile)
  const ask = async (...args: readonly string[]) => {
    const url = `http://${a.authority}/curl`
    const common = ['-s', '--max-time', '5', '--connect-to', `::127.0.0.1:${world.port}`, '-H', `cookie: ${a.cookie}`]
    const { stdout } = await run('curl', [
      ...common,
      '-o',
      '/dev/null',
      '-w',
      '%{http_version} %{http_code}',
      ...args,
      url,
    ])
    return stdout
  }
  expect(await ask('--http2-prior-knowledge')).toBe('2 200')
  expect(await ask('--http1.1')).toBe('1.1 200')
  expect(await ask('--http2')).toBe('1.1 426')
})

/** HTTP/2 on one listener: how it comes to be spoken, by whom, when a connection ends, and what becomes of what is under way. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import type { ClientResponse } from '#http/messages.ts'
import { parseNetwork } from '#lib/network.ts'
import type { ListenerSettings } from '#settings/settings.ts'
import { openHttp2Client } from '#test/support/http2-client.ts'
import {
  answerOf,
  codes,
  type Field,
  frame,
  headers,
  openFrames,
  openGreeted,
  preface,
  settings,
  types,
} from '#test/support/http2-frames.ts'
import { proxyHeaderFrom } from '#test/support/proxy-header.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { listenerWorld, plain } from './listener-world.ts'

const dir = mkdtempSync(join(tmpdir(), 'gatehouse-http2-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const ca = createTestCa(join(dir, 'ca'))
const pem = readFileSync(ca.caFile, 'utf8')
const certificates = [{ ...ca.issue(['example.test', '*.example.test']), serverNames: [] }]

const h2c: ListenerSettings = { ...plain, http2: true }
const tls: ListenerSettings = { ...plain, kind: 'tls', http2: true, certificates }
const proxied = { trusted: ['127.0.0.0/8'].flatMap((text) => parseNetwork(text) ?? []) }
const get: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'example.test'],
  [':path', '/x'],
]

describe('HTTP/2 is spoken', () => {
  test('in TLS by whom it was agreed with, beside HTTP/1.1, unless it is switched off', async () => {
    const agreed = (port: number, protocols: string[]) =>
      new Promise((resolve) => {
        const servername = 'example.test'
        const socket = connectTls({ port, host: '127.0.0.1', ca: pem, servername, ALPNProtocols: protocols })
        const settle = (answer: unknown) => {
          socket.destroy()
          resolve(answer)
        }
        socket.once('secureConnect', () => settle(socket.alpnProtocol))
        socket.once('error', () => settle('refused'))
      })
    await using on = await listenerWorld({ settings: tls })
    expect(await agreed(on.port, ['http/1.1', 'h2'])).toBe('h2')
    expect(await agreed(on.port, ['http/1.1'])).toBe('http/1.1')
    expect(await agreed(on.port, ['h2c', 'http/1.0'])).toBe('refused')
    await using off = await listenerWorld({ settings: { ...tls, http2: false } })
    expect(await agreed(off.port, ['h2'])).toBe('refused')
    expect(await agreed(off.port, ['h2', 'http/1.1'])).toBe('http/1.1')
    using client = await openHttp2Client(`https://127.0.0.1:${on.port}`, { ca: pem, servername: 'example.test' })
    expect(await client.ask({ ':path': '/a', ':authority': 'one.example.test' })).toMatchObject({
      status: 200,
      body: 'hello',
    })
    expect(on.seen).toMatchObject([
      {
        method: 'GET',
        target: '/a',
        rawHeaders: ['host', 'one.example.test'],
        connection: { peer: '127.0.0.1', isEncrypted: true },
      },
    ])
  })

  test('in TLS with its scheme alone', async () => {
    await using world = await listenerWorld({ settings: tls })
    using connection = await openGreeted(world.port, pem, 'example.test')
    connection.send(headers(1, get))
    expect(await connection.until('a reset', (all) => all.find(({ type }) => type === types.reset))).toMatchObject({
      stream: 1,
    })
    expect(world.refused).toMatchObject([{ code: 'http2_scheme', status: undefined, peer: '127.0.0.1' }])
    expect(world.seen).toEqual([])
  })

  test('behind a balancer that says first for whom it comes, plain and in TLS', async () => {
    await using world = await listenerWorld({ settings: { ...h2c, proxyProtocol: proxied } })
    using connection = await openFrames(world.port)
    connection.send(Buffer.concat([proxyHeaderFrom('203.0.113.9', 4711), preface, settings(), headers(1, get)]))
    expect(await connection.until('an answer', (all) => answerOf(all, 1))).toBe(200)
    expect(world.seen).toMatchObject([{ connection: { peer: '203.0.113.9', isEncrypted: false } }])
  })

  test('on a plain listener beside HTTP/1.1, which may begin with any byte', async () => {
    await using world = await listenerWorld({ settings: h2c })
    for (const method of ['GET', 'POST', 'PUT', 'PRI']) {
      const answer = await world.exchange(
        `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      )
      expect(answer, method).toContain(method === 'PRI' ? 'HTTP/1.1 505' : 'hello')
    }
  })
})

describe('a connection', () => {
  test('ends when it has been idle for as long as any may be, and not amid an answer', async () => {
    const answers: ClientResponse[] = []
    await using world = await listenerWorld({
      settings: h2c,
      handlers: { request: (_request, response) => void answers.push(response) },
    })
    using connection = await openGreeted(world.port)
    connection.send(headers(1, get))
    await expect.poll(() => answers.length).toBe(1)
    await world.clock.advance(200_000)
    expect(connection.isEnded()).toBe(false)
    answers[0]?.end('late')
    expect(await connection.until('an answer', (all) => answerOf(all, 1))).toBe(200)
    await connection.until('its end', (all) => all.find(({ type, flags }) => type === types.data && flags === 1))
    await expect.poll(() => world.clock.advance(66_000).then(() => connection.isEnded())).toBe(true)
    expect(await connection.ended()).toBe(codes.noError)
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['half of its first word', preface.subarray(0, 10)],
    ['its first word alone', preface],
  ])('that says %s is closed in the time for a head', async (_what, bytes) => {
    await using world = await listenerWorld({ settings: h2c })
    using connection = await openFrames(world.port)
    connection.send(bytes)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await world.clock.advance(10_000)
    await connection.ended()
    expect(world.seen).toEqual([])
  })

  test('is told to go elsewhere when nothing new is taken, after what it has asked for', async () => {
    const answers: ClientResponse[] = []
    await using world = await listenerWorld({
      settings: h2c,
      handlers: { request: (_request, response) => void answers.push(response) },
    })
    using busy = await openGreeted(world.port)
    using idle = await openGreeted(world.port)
    busy.send(headers(1, get))
    await expect.poll(() => answers.length).toBe(1)
    world.listener.stopAccepting()
    expect(await idle.ended()).toBe(codes.noError)
    const goaway = await busy.until('a goodbye', (all) => all.find(({ type }) => type === types.goaway))
    expect([goaway.payload.readUInt32BE(0), goaway.payload.readUInt32BE(4)]).toEqual([1, codes.noError])
    busy.send(headers(3, get))
    answers[0]?.end('last')
    expect(await busy.until('an answer', (all) => answerOf(all, 1))).toBe(200)
    await busy.ended()
    await world.listener.closed
    expect(answers).toHaveLength(1)
  })

  test('ends with the listener', async () => {
    await using world = await listenerWorld({ settings: h2c, handlers: { request: () => undefined } })
    using connection = await openGreeted(world.port)
    connection.send(headers(1, get))
    await expect.poll(() => world.seen.length).toBe(1)
    world.end()
    await connection.ended()
    await world.listener.closed
  })
})

describe('a handler', () => {
  test('that throws costs its request a 500, or where its answer has begun its stream, and nobody else anything', async () => {
    await using world = await listenerWorld({
      settings: h2c,
      handlers: {
        request(request, response) {
          if (request.url === '/good') return void response.end('good')
          if (request.url === '/late') {
            response.writeHead(200, [])
            response.write('part')
          }
          throw new Error('bug')
        },
      },
    })
    using client = await openHttp2Client(`http://127.0.0.1:${world.port}`)
    expect(await client.ask({ ':path': '/early' })).toMatchObject({ status: 500 })
    await expect(client.ask({ ':path': '/late' })).rejects.toMatchObject({ code: constants.NGHTTP2_INTERNAL_ERROR })
    expect(await client.ask({ ':path': '/good' })).toMatchObject({ status: 200, body: 'good' })
    expect(world.lines.text).toContain('a handler threw')
  })

  test('may destroy the request that it reads', async () => {
    await using world = await listenerWorld({
      settings: h2c,
      handlers: { request: (request) => void request.socket.destroy() },
    })
    using connection = await openGreeted(world.port)
    connection.send(headers(1, get, 4), frame(types.data, 0, 1, Buffer.alloc(10)))
    const reset = await connection.until('a reset', (all) => all.find(({ type }) => type === types.reset))
    expect(reset.payload.readUInt32BE()).toBe(codes.internal)
  })
})

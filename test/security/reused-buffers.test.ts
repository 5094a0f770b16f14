/**
 * Buffers that answers are read into are used again for the next one. A client over HTTP/2 without TLS holds back what it was sent, the stream is
 * ended meanwhile, somebody else downloads, and the client reads on: whatever it gets then was its own.
 */
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RequestHeads } from '#http/end-to-end.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import { ownFields } from '#http/own-fields.ts'
import { ResponseHeads } from '#http/response-fields.ts'
import { systemClock as clock } from '#lib/clock.ts'
import { StreamGroup, StreamIndex } from '#live/streams.ts'
import { forwardRequest } from '#proxy/forward.ts'
import { KeepAliveClient } from '#proxy/keep-alive-client.ts'
import { Outbox } from '#proxy/outbox.ts'
import { connectTo } from '#runtime/connection.ts'
import { Http2Door } from '#server/http2/http2-door.ts'
import { Http2Sessions } from '#server/http2/sessions.ts'

/** Larger than what a client takes of a stream at once, so that a part of the last piece has to wait. */
const window = 250_000
const held = 320_000
/** Of somebody else. */
const foreign = { letter: 'B', length: 20_000_000 }
const [most, times] = [66, 12]

function countOf(letter: string, bytes: Buffer): number {
  const code = letter.charCodeAt(0)
  return bytes.reduce((count, byte) => (byte === code ? count + 1 : count), 0)
}

describe('bytes of another answer', () => {
  const stack = new AsyncDisposableStack()
  const ending = new AbortController()
  const client = new KeepAliveClient({ clock, signal: ending.signal })
  const group = new StreamGroup({ session: 's', workspace: 'w', part: '1' }, new StreamIndex())
  let appPort = 0
  const open = async (server: Server): Promise<number> => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sockets = new Set<Socket>()
    server.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)))
    stack.defer(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    return port
  }
  beforeAll(async () => {
    appPort = await open(
      createHttpServer(({ url = '' }, answer) => {
        const length = url.startsWith('/B') ? foreign.length : url.startsWith('/small') ? 60_000 : held
        answer.setHeader('Content-Length', length)
        answer.end(Buffer.alloc(length, url.startsWith('/B') ? foreign.letter : 'A'))
      }),
    )
  })
  afterAll(async () => {
    ending.abort()
    await stack.disposeAsync()
  })

  const forward = (request: ClientRequest, response: ClientResponse): void => {
    const isOwnCookie = () => false
    forwardRequest(
      {
        ...{ client, clock, bodies: { uploadIdle: 60_000, downloadIdle: 60_000 } },
        ...{ requestHeads: new RequestHeads(isOwnCookie), responseHeads: new ResponseHeads(), outbox: new Outbox() },
      },
      {
        ...{ request, response, group, own: ownFields([]), target: request.url ?? '/' },
        upstream: {
          key: 'app',
          dial: (signal, reading) => connectTo({ host: '127.0.0.1', port: appPort }, signal, reading),
        },
        ...{ isAuthorizationOurs: false, expectsContinue: false, began: clock.now() },
        policy: { publicAuthority: 'x', hostname: 'x', publicPrefix: '/', upstreamPrefix: '/', isOwnCookie },
        answerTime: { observe: () => undefined },
        ...{ onLasting: () => undefined, onFailure: () => undefined, onDone: () => undefined },
      },
    )
  }

  test('#113 never reach a client whose own answer was cut off while it did not read', async () => {
    const nothing = () => undefined
    const handlers = { request: forward, checkContinue: forward, upgrade: nothing }
    const log = { error: nothing, warn: nothing, info: nothing }
    const door = new Http2Door(handlers, { clock, log, newRequestId: () => 'r' }, 16_384)
    const limits = { headerBytes: 16_384, headerFields: 100, headerTimeout: 60_000, keepAlive: 60_000 }
    const sessions = new Http2Sessions({
      ...{ limits: { ...limits, streamsPerConnection: 100 }, clock, onFault: nothing },
      onStream: (...of) => door.enter(...of),
    })
    stack.defer(() => sessions.destroy())
    const gateway = await open(
      createServer((socket) => sessions.open(socket, { peer: '127.0.0.1', localPort: 1, isEncrypted: false })),
    )
    // Between client and gateway, so that nothing is read of a connection that goes on being one.
    let fromGateway: Socket | undefined
    const seen = { own: 0, foreign: 0 }
    const relay = await open(
      createServer((socket) => {
        const onward = connect(gateway, '127.0.0.1').on('error', nothing)
        fromGateway = onward
        socket.pipe(onward)
        onward.on('data', (bytes: Buffer) => {
          seen.foreign += countOf('B', bytes)
          seen.own += countOf('A', bytes)
          socket.write(bytes)
        })
      }),
    )
    const browser = connectHttp2(`http://127.0.0.1:${relay}`, { settings: { initialWindowSize: window } })
    browser.on('error', nothing)
    stack.defer(() => browser.destroy())
    await once(browser, 'remoteSettings')
    browser.setLocalWindowSize(2 ** 30)
    await wait(100)
    fromGateway?.pause()
    for (let index = 0; index < most + 8; index += 1) {
      const stream = browser.request({ ':path': `/${index < most ? 'small' : 'A'}`, ':authority': 'x' })
      stream.on('error', nothing).resume()
      await wait(10)
    }
    await wait(300)
    group.end({ code: 1008, reason: 'ended' })
    await wait(200)
    const others = await open(createHttpServer(forward))
    const downloads = await Promise.all(
      Array.from({ length: times }, async (_, index) => {
        const answer = await fetch(`http://127.0.0.1:${others}/B${index}`)
        return (await answer.arrayBuffer()).byteLength
      }),
    )
    expect(downloads).toEqual(downloads.map(() => foreign.length))
    fromGateway?.resume()
    await expect.poll(() => seen.own).toBeGreaterThan(held)
    await wait(300)
    expect(seen.foreign).toBeLessThan(100)
  })
})

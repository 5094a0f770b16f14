/**
 * WebSockets over HTTP/2 (RFC 8441) are left out; the README says why. This is what a client gets that tries: it is told beforehand, and where it does not
 * listen its stream is refused. The same socket by HTTP/1.1 works beside it. Below is what `node:http2` gives a server that offers it, and what it lacks.
 */
import { once } from 'node:events'
import { constants, createServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { openHttp2Client } from '#test/support/http2-client.ts'
import { useHttp2Tenants } from '#test/support/http2-tenants.ts'
import { openSocket } from '#test/support/workspace-socket.ts'

const tenants = useHttp2Tenants()

test('a client is told that extended CONNECT is not spoken, and its stream is refused if it tries', async () => {
  const { a, alice, world } = tenants()
  using client = await openHttp2Client(`http://127.0.0.1:${world.port}`)
  await expect.poll(() => client.session.remoteSettings.initialWindowSize).toBe(262_144)
  expect(client.session.remoteSettings.enableConnectProtocol).toBe(false)
  const fields = {
    ...{ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':authority': a.authority, ':path': '/ws' },
    ...{ cookie: a.cookie, origin: `http://${a.authority}`, 'sec-websocket-version': '13' },
  }
  await expect(client.ask(fields, '')).rejects.toMatchObject({ code: constants.NGHTTP2_PROTOCOL_ERROR })
  expect(a.app.sockets.size).toBe(0)
  using socket = await openSocket(alice, `${a.url}ws`)
  expect(String(await socket.ask('hello'))).toBe('hello')
  expect(await client.ask({ ':path': '/x', ':authority': a.authority, cookie: a.cookie })).toMatchObject({
    status: 200,
  })
})

/** A bare server of `node:http2` that offers RFC 8441, and the first request that comes to it by `CONNECT`. */
async function offering() {
  const server = createServer({ settings: { enableConnectProtocol: true } })
  const heard: string[] = []
  for (const event of ['request', 'upgrade', 'connect']) server.on(event, () => heard.push(event))
  const connected = new Promise<readonly [Http2ServerRequest, Http2ServerResponse]>((resolve) => {
    server.once('connect', (request, response) => resolve([request, response]))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return { server, heard, connected, port, [Symbol.dispose]: () => void server.close() }
}

const asBrowsersDo = {
  ...{ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':authority': 'ws.test', ':path': '/ws' },
  ...{ origin: 'http://ws.test', 'sec-websocket-version': '13' },
}

test('node:http2 has the stream of an extended CONNECT and nothing of the handshake: no upgrade, no key to prove, no 101, no raw bytes to refuse in', async () => {
  using bare = await offering()
  using client = await openHttp2Client(`http://127.0.0.1:${bare.port}`)
  if (!client.session.remoteSettings.enableConnectProtocol) await once(client.session, 'remoteSettings')
  expect(client.session.remoteSettings.enableConnectProtocol).toBe(true)
  const stream = client.open(asBrowsersDo, true)
  const [request, response] = await bare.connected
  // What the one handshake here begins with is never said: an app that speaks HTTP/1.1 asks for all of it.
  expect(bare.heard).toEqual(['connect'])
  for (const name of ['upgrade', 'connection', 'sec-websocket-key']) expect(request.headers[name], name).toBeUndefined()
  // Nor is there what it ends with: neither the status, nor the socket on which a refusal is written and closed.
  expect(() => response.writeHead(101)).toThrow(expect.objectContaining({ code: 'ERR_HTTP2_STATUS_INVALID' }))
  expect(() => request.socket.write('HTTP/1.1 403 Forbidden\r\n\r\n')).toThrow(
    expect.objectContaining({ code: 'ERR_HTTP2_NO_SOCKET_MANIPULATION' }),
  )
  // The stream itself works: it is a second handshake that is missing, not bytes.
  response.writeHead(200)
  request.stream.pipe(request.stream)
  stream.write('frame')
  const [piece] = await once(stream, 'data')
  expect(String(piece)).toBe('frame')
  stream.destroy()
})

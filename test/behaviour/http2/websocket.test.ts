/**
 * WebSockets over HTTP/2 (RFC 8441) are left out; the README says why. This is what a client gets that tries: it is told beforehand, and where it does not
 * listen its stream is refused. The same socket by HTTP/1.1 works beside it.
 */
import { constants } from 'node:http2'
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

/** An exchange that is under way when the right to it ends comes to no end of its own, however far it had got. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { openRaw, type RawConnection } from '#test/support/raw-http.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi, cookieFor, revocationBound, share, withBob } from './scene.ts'

const ref = { namespace: 'team', name: 'nb' }
const large = 64 << 20

interface Exchange {
  readonly what: string
  readonly method: 'GET' | 'PUT'
  /** Behind the head of the request. */
  readonly fields?: string
  readonly body?: string
  /** What the app does with it. */
  answer(request: IncomingMessage, response: ServerResponse): void
  /** The client reads nothing of the answer. */
  readonly isStalled?: true
}

const exchanges: readonly Exchange[] = [
  {
    what: 'a download whose client reads slowly',
    method: 'GET',
    answer: (_, response) => void response.writeHead(200, { 'content-length': large }).end(Buffer.alloc(large)),
    isStalled: true,
  },
  {
    what: 'a body that ends with its connection',
    method: 'GET',
    answer: (_, response) => void response.writeHead(200, { connection: 'close' }).write('some of it'),
  },
  { what: 'a question that the app thinks about', method: 'GET', answer: () => undefined },
  {
    what: 'an upload',
    method: 'PUT',
    fields: `Content-Length: ${large}\r\n`,
    body: 'a beginning',
    answer: (request) => void request.resume(),
  },
  {
    what: 'an upload that is answered while it comes',
    method: 'PUT',
    fields: 'Transfer-Encoding: chunked\r\n',
    body: '5\r\nhello\r\n',
    answer: (request, response) => void request.pipe(response),
  },
]

async function begin(world: World, browser: ScriptedBrowser, url: string, exchange: Exchange): Promise<RawConnection> {
  const connection = await openRaw(world.port)
  const { host, origin } = new URL(url)
  const cookie = cookieFor(browser, url).Cookie ?? ''
  const fields = `Host: ${host}\r\nOrigin: ${origin}\r\nCookie: ${cookie}\r\n${exchange.fields ?? ''}`
  if (exchange.isStalled) connection.socket.pause()
  connection.send(`${exchange.method} /exchange HTTP/1.1\r\n${fields}\r\n${exchange.body ?? ''}`)
  return connection
}

/** How its connection ends. */
function endOf({ socket }: RawConnection): Promise<'whole' | 'reset'> {
  return new Promise((resolve) => {
    socket.once('error', () => resolve('reset'))
    socket.once('end', () => resolve('whole'))
    socket.once('close', () => resolve('reset'))
  })
}

test.each(exchanges)('a revoked share ends $what, for its grantee alone', async (exchange) => {
  await using world = await createWorld()
  const { url, app } = await world.workspace({ ...ref, owner: 'alice' })
  const [alice, bob] = [await world.as('alice'), await world.as('bob')]
  const { name } = await share(world, alice, ref, withBob)
  for (const visitor of [alice, bob]) expect((await visitor.open(url)).status).toBe(200)
  const atApp: ServerResponse[] = []
  app.answer = (request, response) => {
    if (request.url !== '/exchange') return false
    atApp.push(response)
    exchange.answer(request, response)
    return true
  }
  using ofAlice = await begin(world, alice, url, exchange)
  using ofBob = await begin(world, bob, url, exchange)
  await world.until(() => atApp.length === 2, 'both are at the app')
  // As far as it gets.
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(atApp.map(({ destroyed }) => destroyed)).toEqual([false, false])

  const ended = endOf(ofBob)
  const began = performance.now()
  expect((await callApi(world, alice, 'DELETE', api.share(ref, name))).status).toBe(204)
  await world.until(() => atApp.some(({ destroyed }) => destroyed), 'its end is known to the app')
  expect(performance.now() - began).toBeLessThan(revocationBound)
  // Only who reads comes to know of it.
  ofBob.socket.resume()
  expect(await ended).toBe('reset')
  expect(ofBob.socket.bytesRead).toBeLessThan(large)
  expect(atApp.map(({ destroyed }) => destroyed)).toContain(false)
  expect(ofAlice.socket.closed).toBe(false)
})

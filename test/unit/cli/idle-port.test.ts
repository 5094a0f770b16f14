/** The port in the pod, in front of a gateway that answers as it is told. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keepIdlePort, listening } from '#cli/idle-port.ts'
import { paths } from '#surface/urls.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { freePort } from '#test/support/free-port.ts'
import { plainRequest } from '#test/support/plain-request.ts'

const told = { lastActiveTimestamp: '2026-01-01T00:00:00.000Z' }
const json = { 'Content-Type': 'application/json' }

async function listen(listener: RequestListener, port = 0): Promise<Server> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}

async function scene(listener: RequestListener) {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'gh-idle-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, 'first\n')
  const gateway = await listen(listener)
  opened.defer(async () => {
    gateway.closeAllConnections()
    gateway.close()
  })
  const port = await freePort()
  const clock = fakeClock()
  const said: string[] = []
  const begin = () => {
    const ending = new AbortController()
    const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}` // It listens on TCP.
    const ended = keepIdlePort({
      ...{ port, tokenFile, clock, env: {}, gateway: { url, at: undefined } },
      ...{ signal: ending.signal, say: (what) => void said.push(what) },
    })
    running.defer(async () => {
      ending.abort()
      await ended
    })
  }
  const running = opened.use(new AsyncDisposableStack())
  const kept = opened.move()
  const ask = (path: string = paths.lastActive) => plainRequest(`http://127.0.0.1:${port}${path}`)
  return { port, clock, said, tokenFile, begin, ask, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

test('many who ask at once are one question, by the token of that moment; the next one is asked anew', async () => {
  const tokens: (string | undefined)[] = []
  const gate = Promise.withResolvers<void>()
  await using port = await scene((request, response) => {
    tokens.push(request.headers.authorization)
    void gate.promise.then(() => response.writeHead(200, json).end(JSON.stringify(told)))
  })
  port.begin()
  const asked = Array.from({ length: 8 }, (_, at) => port.ask(`/workspaces/team/nb${at}${paths.lastActive}`))
  await expect.poll(() => tokens.length).toBe(1)
  await Promise.race([Promise.all(asked), new Promise((resolve) => setTimeout(resolve, 50))])
  gate.resolve()
  for (const { status, body } of await Promise.all(asked)) expect([status, JSON.parse(body)]).toEqual([200, told])
  await writeFile(port.tokenFile, 'second\n')
  expect((await port.ask()).status).toBe(200)
  expect(tokens[0]).toBe('Bearer first')
  expect(tokens.at(-1)).toBe('Bearer second')
  expect(tokens.length).toBeLessThan(8)
  expect(port.said).toEqual([])
})

test('a gateway that knows nothing, says something else or nothing at all: no time, and it is said once until it is known again', async () => {
  const answers: RequestListener[] = [
    (_, response) => void response.writeHead(404, { 'Content-Type': 'application/problem+json' }).end('{}'),
    (_, response) => void response.writeHead(200, json).end('{"lastActiveTimestamp":1767225600}'),
    (_, response) => void response.writeHead(200).end('<html>'),
    (request) => void request.socket.destroy(),
  ]
  let answer: RequestListener | undefined
  await using port = await scene((request, response) => answer?.(request, response))
  port.begin()
  for (const next of answers) {
    answer = next
    expect(await port.ask()).toMatchObject({ status: 503, body: '{"error":"not known"}' })
  }
  answer = undefined
  const asked = port.ask()
  let isAnswered = false
  void asked.then(() => {
    isAnswered = true
  })
  await expect.poll(() => port.clock.advance(1_000).then(() => isAnswered)).toBe(true)
  expect((await asked).status).toBe(503)
  expect(port.said).toHaveLength(1)
  answer = (_, response) => void response.writeHead(200, json).end(JSON.stringify(told))
  expect((await port.ask()).status).toBe(200)
  expect(port.said).toHaveLength(2)
})

test('a port that somebody else in the pod has is taken as soon as it is free', async () => {
  await using port = await scene((_, response) => void response.writeHead(200, json).end(JSON.stringify(told)))
  const other = await listen((_, response) => void response.writeHead(204).end(), port.port)
  port.begin()
  await expect.poll(() => port.said.join()).toContain('EADDRINUSE')
  expect((await port.ask()).status).toBe(204)
  await new Promise((resolve) => other.close(resolve))
  await port.clock.advance(10_000)
  await expect
    .poll(() =>
      port.ask().then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200)
})

test('one that fails while it listens gives the port back, whatever fails after that', async () => {
  const port = await freePort()
  const server = createServer()
  const ended = listening(server, port, new AbortController().signal)
  await once(server, 'listening')
  server.emit('error', new Error('it broke'))
  expect(await ended).toBe('it broke')
  server.emit('error', new Error('again'))
  const next = await listen((_, response) => void response.end(), port)
  await new Promise((resolve) => next.close(resolve))
})

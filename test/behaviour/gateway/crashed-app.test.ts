/** An app that has gone is known to be gone by the first request that finds it so: it is waited for, and no error is shown. */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type EchoApp, echoApp } from '#test/support/echo-app.ts'
import { freePort } from '#test/support/free-port.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { cookieFor, declare, waitOnPage } from './scene.ts'

type Where = EchoApp['endpoint']

/** An app that can crash and come back at the same place. */
async function crashing(where: Where, listener: RequestListener) {
  let server = createServer(listener)
  const listen = () =>
    new Promise<void>((resolve) => {
      server = createServer(listener)
      if (where.kind === 'unix') server.listen(where.path, resolve)
      else if (where.kind === 'tcp') server.listen(where.port, where.host, resolve)
    })
  const crash = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await listen()
  return { listen, crash, [Symbol.asyncDispose]: crash }
}

const ports = [
  { name: 'ide', port: 8888 },
  { name: 'app', port: 8501 },
]

describe.each(['tcp', 'unix'] as const)('an app on a %s port without a probe', (kind) => {
  test('that crashed is waited for from the first request on, by people and by programs, until it is back', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'app-'))
    await using _folder = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
    const where: Where =
      kind === 'unix' ? { kind, path: join(folder, 'app.sock') } : { kind, host: '127.0.0.1', port: await freePort() }
    await using world = await createWorld()
    await using ide = await echoApp('ide')
    await using app = await crashing(where, (_request, response) => response.end('the app'))
    const { ref } = await declare(world, {
      owner: 'alice',
      spec: { ports, desiredStatus: 'Running' },
      endpoints: { 8888: ide.endpoint, 8501: where },
    })
    await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Running', 'it runs')
    const url = world.url(ref, 8501)
    const alice = await world.as('alice')
    expect((await alice.open(`${url}deep?x=1`)).body).toBe('the app')

    const asPerson = async () => {
      const page = await alice.navigate(`${url}deep?x=1`)
      return [page.status, page.redirect?.pathname]
    }
    const asProgram = async (method = 'GET') => {
      const headers = { ...cookieFor(alice, url), Origin: new URL(url).origin }
      const answer = await plainRequest(`${url}api`, { headers, method, ...(method === 'GET' ? {} : { body: 'x' }) })
      return [answer.status, answer.headers['retry-after'], JSON.parse(answer.body).code]
    }
    const waited = [503, expect.stringMatching(/^[234]$/), 'workspace_starting']
    const firsts: readonly (readonly [() => Promise<unknown>, unknown])[] = [
      [asPerson, [302, '/.gatehouse/open/team/nb']],
      [asProgram, waited],
      [() => asProgram('POST'), waited],
      [async () => (await refusedSocket(alice, url)).status, 503],
    ]
    for (const [ask, expected] of firsts) {
      await app.crash()
      expect(await ask()).toEqual(expected)
      // And so it is from there on, without another try.
      expect(await asPerson()).toEqual([302, '/.gatehouse/open/team/nb'])
      expect((await alice.follow()).body).toContain('app')
      await app.listen()
      expect((await waitOnPage(alice)).body).toBe('the app')
      expect(alice.page.url.href).toBe(`${url}deep?x=1`)
    }
    // The workspace itself never was anything but running.
    expect(ide.requests).toEqual([])
    expect(world.open.workspaces.directory.get(ref)?.state.phase).toBe('Running')
  })
})

test('an app that took the request and broke is no app that is waited for: the request may have been acted on', async () => {
  await using world = await createWorld()
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  using _socket = await openSocket(alice, url)
  app.answer = (request) => {
    request.socket.destroy()
    return true
  }
  expect((await plainRequest(`${url}api`, { headers: cookieFor(alice, url) })).status).toBe(502)
  expect((await alice.navigate(url)).status).toBe(502)
})

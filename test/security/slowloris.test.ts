/** Connections that are kept busy by saying as little as possible: each form ends at its limit, and people log in meanwhile. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { openRaw, type RawConnection } from '#test/support/raw-http.ts'
import { requestText, useTenants } from '#test/support/tenants.ts'

const second = 1_000
/** Node looks once a second whether a header has taken too long; the rest is for a machine that is busy. */
const slack = 6 * second

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({
    mode,
    settings: (settings) => ({
      ...settings,
      limits: {
        ...settings.limits,
        ...{ headerTimeout: second, keepAlive: second, uploadIdle: second, downloadIdle: second },
      },
    }),
  })

  /** What it got until the gateway closed it. It says a byte now and then, if it says anything. */
  async function closed(connection: RawConnection, drip: string | undefined): Promise<string> {
    const { signal, abort } = controller()
    const limit = performance.now() + slack
    const dripping = async () => {
      while (!signal.aborted && performance.now() < limit) {
        if (drip !== undefined) connection.send(drip)
        await delay(200)
      }
    }
    const drips = dripping()
    connection.socket.on('error', () => undefined)
    try {
      return await connection.rest()
    } finally {
      abort()
      await drips
    }
  }

  function controller() {
    const one = new AbortController()
    return { signal: one.signal, abort: () => one.abort() }
  }

  test.concurrent.each([
    ['nothing at all', '', undefined, ''],
    ['an empty line now and then', '', '\r\n', undefined],
    ['a first line letter by letter', 'GET /', 'a', '408'],
    ['a header field by field', 'GET / HTTP/1.1\r\nHost: localhost\r\n', 'X: y\r\n', '408'],
    ['a field letter by letter', 'GET / HTTP/1.1\r\nHost: localhost\r\nX: ', 'y', '408'],
  ])('#75 %s: closed when the time for a header is over', async (_what, first, drip, status) => {
    const { attack, world } = tenants()
    const began = performance.now()
    using connection = await openRaw(world.port)
    if (first !== '') connection.send(first)
    let said = ''
    const outcome = await attack(async () => {
      said = await closed(connection, drip)
      return { status: 0 }
    })
    expect(performance.now() - began).toBeGreaterThan(second - 50)
    expect(outcome.upstreamBytes).toBe(0)
    if (status === '') expect(said).toBe('')
    else if (status !== undefined) expect(said).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })

  test('#75 a connection that has its answer and says no more is closed when the time for that is over', async () => {
    const { a, world } = tenants()
    using connection = await openRaw(world.port)
    connection.send(requestText({ target: a.prefix, host: a.authority, cookie: a.cookie }))
    expect((await connection.answer()).status).toBe(200)
    expect(await closed(connection, undefined)).toBe('')
  })

  test('#75 a body that stands still ends, for the app as well', async () => {
    const { a, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const seen = a.app.requests.length
    for (const framing of [
      ['Content-Length', '100'],
      ['Transfer-Encoding', 'chunked'],
    ]) {
      using connection = await openRaw(world.port)
      const fields = ['Origin', `http://${host}`, ...framing]
      connection.send(requestText({ method: 'POST', target, host, cookie, fields, body: '5\r\nhello\r\n' }))
      expect(await closed(connection, undefined)).not.toContain('200')
    }
    // It never came to its end, so the app has no request of it.
    expect(a.app.requests.slice(seen)).toEqual([])
  })

  test('#75 a reader who stands still is cut off, and the app with him', async () => {
    const { a, world } = tenants()
    let isOver = false
    a.app.answer = (_request, response) => {
      response.writeHead(200, { 'content-length': 1024 ** 3 })
      const send = () => {
        while (response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', send)
      response.on('close', () => {
        isOver = true
      })
      send()
      return true
    }
    using connection = await openRaw(world.port)
    connection.socket.pause()
    connection.socket.on('error', () => undefined)
    connection.send(requestText({ target: a.prefix, host: a.authority, cookie: a.cookie }))
    await expect.poll(() => isOver).toBe(true)
    a.app.answer = undefined
  })

  test('#75 two hundred of them at once keep nobody from logging in', async () => {
    const { world, a } = tenants()
    const slow = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const connection = await openRaw(world.port)
        connection.socket.on('error', () => undefined)
        if (index % 2 === 0) connection.send('GET / HTTP/1.1\r\nHost: localhost\r\nX: ')
        return connection
      }),
    )
    const dave = await world.as('dave')
    expect((await dave.open(a.url)).status).toBe(403)
    await Promise.all(slow.map((connection) => connection.rest()))
    for (const connection of slow) connection[Symbol.dispose]()
  })
})

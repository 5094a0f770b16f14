import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, test } from 'vitest'
import type { ListenerHandlers } from '#server/door.ts'
import { type ListenersParts, openListeners } from '#server/listeners.ts'
import { isLoopbackAddress, loopbackListeners } from '#server/loopback.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { freePort } from '#test/support/free-port.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { listenerParts, plain } from './listener-world.ts'

const handlers: ListenerHandlers = {
  request: (_request, response, connection) => void response.end(connection.peer),
  checkContinue: (_request, response) => void response.end(),
  upgrade: (_request, socket) => void socket.destroy(),
}

function world(options: Partial<ListenersParts> = {}) {
  const owner = new AbortController()
  const lines = memoryLines()
  const { limits, ...known } = listenerParts(owner.signal, fakeClock(), lines)
  const parts = {
    ...known,
    limits: { ...limits, connectionsPerAddress: 10_000 },
    trustedProxies: [],
    insecureWideBind: false,
    isBehindTls: false,
    ...options,
  }
  return { parts, lines, [Symbol.dispose]: () => owner.abort() }
}

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === '::1'))

describe('isLoopbackAddress', () => {
  test.each(['127.0.0.1', '127.8.9.10', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])('%s is this machine', (host) => {
    expect(isLoopbackAddress(host)).toBe(true)
  })

  test.each(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', 'localhost', '127.1', '127.0.0.1.example.test', '', '::2'])(
    '%j may be reached from others',
    (host) => {
      expect(isLoopbackAddress(host)).toBe(false)
    },
  )
})

describe('openListeners', () => {
  test.runIf(hasIpv6)('listens on both loopback addresses of one port', async () => {
    using test = world()
    const port = await freePort()
    const listeners = await openListeners(loopbackListeners(port), handlers, test.parts)
    expect(listeners.map(({ host, port }) => [host, port])).toEqual([
      ['127.0.0.1', port],
      ['::1', port],
    ])
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('127.0.0.1')
    expect(await (await fetch(`http://[::1]:${port}/`)).text()).toBe('::1')
  })

  test.each(['0.0.0.0', '::', '192.0.2.1', 'localhost'])(
    'a plain listener on %s needs insecureWideBind',
    async (host) => {
      using test = world()
      const settings = [plain, { ...plain, host }]
      await expect(openListeners(settings, handlers, test.parts)).rejects.toMatchObject({ code: 'invalid_settings' })
      expect(test.lines.text, 'nothing was opened').toBe('')
    },
  )

  test('a wide bind that somebody accepted is said in the log', async () => {
    using test = world({ insecureWideBind: true })
    const [listener] = await openListeners([{ ...plain, host: '0.0.0.0' }], handlers, test.parts)
    expect(listener?.port).toBeGreaterThan(0)
    expect(test.lines.entries).toContainEqual(expect.objectContaining({ level: 'warn', setting: 'insecureWideBind' }))
  })

  test('a wide bind behind a balancer that ends TLS is nothing unusual', async () => {
    using test = world({ isBehindTls: true })
    const [listener] = await openListeners([{ ...plain, host: '0.0.0.0' }], handlers, test.parts)
    expect(listener?.port).toBeGreaterThan(0)
    expect(test.lines.entries).not.toContainEqual(expect.objectContaining({ level: 'warn' }))
  })

  test('when one address is taken, those that were opened are closed again', async () => {
    using test = world()
    const port = await freePort()
    const other = createServer().listen(port, '127.0.0.2')
    await once(other, 'listening')
    const settings = ['127.0.0.1', '127.0.0.2'].map((host) => ({ ...plain, host, port }))
    await expect(openListeners(settings, handlers, test.parts)).rejects.toMatchObject({
      code: 'listen_failed',
      message: expect.stringContaining(`127.0.0.2 port ${port}`),
    })
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow()
    other.close()
    await once(other, 'close')
  })

  test('an address that is not of this machine is a failure', async () => {
    using test = world({ insecureWideBind: true })
    const foreign = { ...plain, host: '192.0.2.1' }
    await expect(openListeners([plain, foreign], handlers, test.parts)).rejects.toMatchObject({ code: 'listen_failed' })
  })
})

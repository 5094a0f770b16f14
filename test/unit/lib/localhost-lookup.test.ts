import type { LookupAddress, LookupOptions } from 'node:dns'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { isLocalhostName, localhostLookup } from '#lib/localhost-lookup.ts'

function resolve(name: string, options: LookupOptions): Promise<string | LookupAddress[]> {
  return new Promise((done, fail) => {
    localhostLookup(name, options, (error, address) => (error ? fail(error) : done(address)))
  })
}

describe('localhostLookup', () => {
  test.each(['localhost', 'LocalHost', 'a.localhost', 'notebook-mfwgsy3f--8888.localhost', 'localhost.'])(
    '%s is this machine, in both families',
    async (name) => {
      expect(await resolve(name, { all: true })).toEqual([
        { address: '127.0.0.1', family: 4 },
        { address: '::1', family: 6 },
      ])
    },
  )

  test('one family can be asked for', async () => {
    expect(await resolve('a.localhost', {})).toBe('127.0.0.1')
    expect(await resolve('a.localhost', { family: 6 })).toBe('::1')
    expect(await resolve('a.localhost', { family: 'IPv6' })).toBe('::1')
    expect(await resolve('a.localhost', { family: 4, all: true })).toEqual([{ address: '127.0.0.1', family: 4 }])
  })

  test.each(['localhost.example', 'xlocalhost', 'localhost.localdomain', ''])('%j is not below localhost', (name) => {
    expect(isLocalhostName(name)).toBe(false)
  })

  test('other names go to the resolver of the system', async () => {
    expect(await resolve('192.0.2.7', { family: 4 })).toBe('192.0.2.7')
  })

  test('a socket connects to a name below localhost with it', async () => {
    const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const socket = connect({ host: 'any.thing.localhost', port, lookup: localhostLookup })
    const [greeting] = await once(socket, 'data')
    expect(String(greeting)).toBe('hello')
    socket.destroy()
    server.close()
    await once(server, 'close')
  })
})

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { type Network, parseNetwork } from '#lib/network.ts'
import type { ListenerSettings } from '#settings/settings.ts'
import { proxyHeader, proxyHeaderFrom } from '#test/support/proxy-header.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { askByTls, listenerWorld, plain, received } from './listener-world.ts'

const dir = mkdtempSync(join(tmpdir(), 'gatehouse-proxy-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function network(text: string): Network {
  const parsed = parseNetwork(text)
  if (!parsed) throw new Error(text)
  return parsed
}

const fromLoopback: ListenerSettings = { ...plain, proxyProtocol: { trusted: [network('127.0.0.0/8')] } }
const get = Buffer.from('GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')

describe('a listener behind a balancer that speaks PROXY', () => {
  test('knows the client by the header, and the request behind it in the same packet', async () => {
    await using world = await listenerWorld({ settings: fromLoopback })
    expect(await world.exchange(Buffer.concat([proxyHeaderFrom('203.0.113.9', 4711), get]))).toContain('hello')
    expect(world.seen).toMatchObject([{ connection: { peer: '203.0.113.9', localPort: world.port } }])
  })

  test('takes the header byte by byte', async () => {
    await using world = await listenerWorld({ settings: fromLoopback })
    const socket = await world.connect()
    for (const byte of proxyHeaderFrom('203.0.113.9', 4711)) {
      socket.write(Uint8Array.of(byte))
      await pause(1)
    }
    socket.write(get)
    expect(await received(socket)).toContain('hello')
    expect(world.seen).toMatchObject([{ connection: { peer: '203.0.113.9' } }])
  })

  test('a balancer that speaks for itself is known by its own address', async () => {
    await using world = await listenerWorld({ settings: fromLoopback })
    expect(await world.exchange(Buffer.concat([proxyHeader(0x20, 0, []), get]))).toContain('hello')
    expect(world.seen).toMatchObject([{ connection: { peer: '127.0.0.1' } }])
  })

  test('each connection has its own client, and keeps it for all its requests', async () => {
    await using world = await listenerWorld({ settings: fromLoopback })
    const twice = Buffer.from('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
    await Promise.all(
      ['203.0.113.1', '203.0.113.2', '203.0.113.3'].map((address) =>
        world.exchange(Buffer.concat([proxyHeaderFrom(address, 1), twice, get])),
      ),
    )
    const peers = (target: string) =>
      world.seen.filter((one) => one.target === target).map((one) => one.connection.peer)
    expect(peers('/1').toSorted()).toEqual(['203.0.113.1', '203.0.113.2', '203.0.113.3'])
    expect(peers('/x').toSorted()).toEqual(['203.0.113.1', '203.0.113.2', '203.0.113.3'])
  })

  test.each([
    ['no header', get, 'proxy_signature'],
    [
      'a header of version 1',
      Buffer.concat([Buffer.from('PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n'), get]),
      'proxy_version_1',
    ],
    ['two headers', Buffer.concat([proxyHeaderFrom('203.0.113.9', 1), proxyHeaderFrom('6.6.6.6', 1), get]), undefined],
    ['a header that is too long', proxyHeader(0x21, 0x11, new Uint8Array(5000)), 'proxy_too_long'],
  ])('a connection with %s gets no answer from a handler', async (_what, bytes, code) => {
    await using world = await listenerWorld({ settings: fromLoopback })
    expect(await world.exchange(bytes)).not.toContain('hello')
    expect(world.seen).toEqual([])
    if (code) expect(world.refused).toMatchObject([{ code, status: undefined, peer: '127.0.0.1' }])
  })

  test('somebody who is not trusted is dropped, header or not', async () => {
    const settings: ListenerSettings = { ...plain, proxyProtocol: { trusted: [network('10.0.0.0/8'), network('::1')] } }
    await using world = await listenerWorld({ settings })
    expect(await world.exchange(Buffer.concat([proxyHeaderFrom('10.0.0.1', 4711), get]))).toBe('')
    expect(await world.exchange(get)).toBe('')
    expect(world.seen).toEqual([])
    expect(world.refused).toMatchObject([{ code: 'proxy_untrusted' }, { code: 'proxy_untrusted' }])
    const warnings = world.lines.entries.filter((line) => line.level === 'warn')
    expect(warnings, 'one line for many').toHaveLength(1)
  })

  test('who does not send the header within 5 s is dropped', async () => {
    await using world = await listenerWorld({ settings: fromLoopback })
    const socket = await world.connect()
    socket.write(proxyHeaderFrom('203.0.113.9', 4711).subarray(0, 20))
    await pause(30)
    await world.clock.advance(4_999)
    expect(world.refused).toEqual([])
    await world.clock.advance(1)
    expect(await received(socket)).toBe('')
    expect(world.refused).toMatchObject([{ code: 'proxy_timeout' }])
  })

  test('a connection that ends before its header is torn down, and its timer with it', async () => {
    await using world = await listenerWorld({ settings: fromLoopback })
    const socket = await world.connect()
    socket.end('\r\n')
    expect(await received(socket)).toBe('')
    await vi.waitFor(() => expect(world.refused).toMatchObject([{ code: 'proxy_gone' }]))
    await world.clock.advance(10_000)
    expect(world.refused).toHaveLength(1)
  })

  test('the signal ends a connection that waits for its header', async () => {
    await using world = await listenerWorld({ settings: fromLoopback })
    const socket = await world.connect()
    await pause(10)
    world.end()
    await world.listener.closed
    expect(await received(socket)).toBe('')
  })

  test('a header time-out is kept behind the header too', async () => {
    await using world = await listenerWorld({ settings: fromLoopback, limits: { headerTimeout: 300 } })
    const answer = await world.exchange(
      Buffer.concat([proxyHeaderFrom('203.0.113.9', 1), Buffer.from('GET / HTTP/1.1\r\nX:')]),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(world.refused).toMatchObject([{ status: 408, peer: '203.0.113.9' }])
  })

  test('TLS begins behind the header', async () => {
    const ca = createTestCa(join(dir, 'ca'))
    const certificates = [{ ...ca.issue(['example.test']), serverNames: [] }]
    await using world = await listenerWorld({ settings: { ...fromLoopback, kind: 'tls', certificates } })
    const client = { ca: readFileSync(ca.caFile, 'utf8'), servername: 'example.test' }
    expect((await askByTls(world.port, client, proxyHeaderFrom('203.0.113.9', 4711))).answer).toContain('hello')
    expect(world.seen).toMatchObject([{ connection: { peer: '203.0.113.9', isEncrypted: true } }])
  })
})

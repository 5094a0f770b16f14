import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openListener } from '#server/listener.ts'
import type { CertificateSettings, ListenerSettings } from '#settings/settings.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { createTestCa, type IssuedCertificate, type TestCa } from '#test/support/test-ca.ts'
import { askByTls, listenerParts, listenerWorld, plain } from './listener-world.ts'

const dir = mkdtempSync(join(tmpdir(), 'gatehouse-tls-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

let ca: TestCa
let caText: string
let issued: Readonly<Record<'main' | 'wildcard' | 'other', IssuedCertificate>>
beforeAll(() => {
  ca = createTestCa(join(dir, 'ca'))
  caText = readFileSync(ca.caFile, 'utf8')
  issued = {
    main: ca.issue(['example.test', 'localhost', '127.0.0.1']),
    wildcard: ca.issue(['*.example.test']),
    other: ca.issue(['other.test']),
  }
})

function tls(...certificates: readonly CertificateSettings[]): ListenerSettings {
  return { ...plain, kind: 'tls', certificates }
}

/** Under these names in the settings; none: under those it holds. */
const use = (certificate: IssuedCertificate, ...serverNames: readonly string[]): CertificateSettings => ({
  ...certificate,
  serverNames,
})

/** Copies to one place, as something that renews certificates does. */
function place(certificate: IssuedCertificate, name: string): IssuedCertificate {
  const placed = { certFile: join(dir, `${name}.pem`), keyFile: join(dir, `${name}.key`) }
  copyFileSync(certificate.certFile, placed.certFile)
  copyFileSync(certificate.keyFile, placed.keyFile)
  return placed
}

describe('a TLS listener', () => {
  test('speaks HTTP in TLS, with a certificate that an ordinary client believes', async () => {
    await using world = await listenerWorld({ settings: tls(use(issued.main)) })
    const sent = request({
      host: '127.0.0.1',
      port: world.port,
      servername: 'example.test',
      ca: caText,
      agent: false,
    }).end()
    const [response] = await once(sent, 'response')
    expect(await text(response)).toBe('hello')
    expect(world.seen).toMatchObject([{ connection: { peer: '127.0.0.1', localPort: world.port, isEncrypted: true } }])
  })

  test('chooses by the name asked for: settings first, exact before wildcard, then what certificates hold, then the one for all others', async () => {
    const settings = tls(
      use(issued.wildcard),
      use(issued.main, 'A.example.test', '*.named.test'),
      use(issued.other, 'b.named.test', 'only.test'),
    )
    await using world = await listenerWorld({ settings })
    const shown = async (servername?: string) =>
      (await askByTls(world.port, { ca: caText, ...(servername && { servername }) })).names
    const [main, wildcard, other] = ['DNS:example.test', 'DNS:*.example.test', 'DNS:other.test']
    expect(await shown('a.example.test')).toContain(main)
    expect(await shown('x.named.test')).toContain(main)
    expect(await shown('B.Named.test')).toBe(other)
    expect(await shown('only.test')).toBe(other)
    expect(await shown('c.example.test')).toBe(wildcard)
    expect(await shown('y.x.named.test')).toBe(wildcard)
    expect(await shown('unknown.test')).toBe(wildcard)
    expect(await shown()).toBe(wildcard)
  })

  test('reads a certificate again when its files change, for clients with and without a name', async () => {
    const placed = place(issued.other, 'renewed')
    await using world = await listenerWorld({ settings: tls(use(placed)) })
    expect(await askByTls(world.port, { ca: caText })).toMatchObject({ names: 'DNS:other.test' })
    place(issued.wildcard, 'renewed')
    await world.clock.advance(5_000)
    await vi.waitFor(() => expect(world.lines.text).toContain('certificate read again'))
    expect(await askByTls(world.port, { ca: caText })).toMatchObject({ names: 'DNS:*.example.test' })
    expect(await askByTls(world.port, { ca: caText, servername: 'x.example.test' })).toMatchObject({
      names: 'DNS:*.example.test',
    })
  })

  test('keeps the last good certificate while its files are no good, says so once, and takes the next good one', async () => {
    const placed = place(issued.other, 'spoiled')
    await using world = await listenerWorld({ settings: tls(use(placed)) })
    const complaints = () => world.lines.entries.filter((line) => line.level === 'error')
    const look = async () => {
      await world.clock.advance(5_000)
      // The files are read in the background; what is shown next comes after that.
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    writeFileSync(placed.certFile, 'not a certificate')
    await look()
    await look()
    await vi.waitFor(() => expect(complaints()).toHaveLength(1))
    // The new certificate is there before its key.
    copyFileSync(issued.wildcard.certFile, placed.certFile)
    await look()
    await vi.waitFor(() => expect(complaints()).toHaveLength(2))
    rmSync(placed.keyFile)
    await look()
    await vi.waitFor(() => expect(complaints()).toHaveLength(3))
    expect(await askByTls(world.port, { ca: caText, servername: 'other.test' })).toMatchObject({
      names: 'DNS:other.test',
    })
    copyFileSync(issued.wildcard.keyFile, placed.keyFile)
    await world.clock.advance(5_000)
    await vi.waitFor(() => expect(world.lines.text).toContain('certificate read again'))
    expect(await askByTls(world.port, { ca: caText })).toMatchObject({ names: 'DNS:*.example.test' })
  })

  test.each([
    ['there is no certificate', () => tls()],
    ['a file is missing', () => tls(use({ ...issued.main, keyFile: join(dir, 'none.key') }))],
    ['key and certificate are of two pairs', () => tls(use({ ...issued.main, keyFile: issued.other.keyFile }))],
    ['a later certificate is no good', () => tls(use(issued.main), use({ ...issued.main, certFile: ca.caFile }))],
  ])('does not start when %s', async (_why, settings) => {
    const owner = new AbortController()
    const handlers = { request: () => undefined, checkContinue: () => undefined, upgrade: () => undefined }
    const opening = openListener(settings(), handlers, listenerParts(owner.signal, fakeClock(), memoryLines()))
    await expect(opening).rejects.toMatchObject({ code: 'invalid_settings' })
    owner.abort()
  })

  test('plain HTTP gets nothing from it', async () => {
    await using world = await listenerWorld({ settings: tls(use(issued.main)) })
    expect(await world.exchange('GET / HTTP/1.1\r\nHost: a\r\n\r\n')).not.toContain('hello')
    expect(world.seen).toEqual([])
  })

  test('the signal ends a connection whose handshake is not over', async () => {
    await using world = await listenerWorld({ settings: tls(use(issued.main)) })
    const socket = await world.connect()
    const closed = text(socket).catch(() => '')
    socket.write(Buffer.from([0x16, 0x03, 0x01]))
    await new Promise((resolve) => setTimeout(resolve, 20))
    world.end()
    await world.listener.closed
    expect(await closed).toBe('')
  })
})

/** What one identity and one client address may ask for. Addresses come by a trusted proxy's word, as they do behind a balancer. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseNetwork } from '#lib/network.ts'
import type { Settings } from '#settings/settings.ts'
import { paths } from '#surface/urls.ts'
import { freePort } from '#test/support/free-port.ts'
import { proxyHeaderFrom } from '#test/support/proxy-header.ts'
import type { RawAnswer } from '#test/support/raw-http.ts'
import { openTenants, requestText, type Tenants, websocketFields } from '#test/support/tenants.ts'

const limits = {
  ...{ requestsPerAddress: 1, requestsPerIdentity: 4, loginsPerAddress: 5 },
  connectionsPerAddress: 4,
}
const trusted = ['127.0.0.1'].flatMap((one) => parseNetwork(one) ?? [])

let tenants: Tenants
/** Where connections begin with a PROXY header. */
let proxied: number

beforeAll(async () => {
  proxied = await freePort()
  const settings = (before: Settings): Settings => ({
    ...before,
    limits: { ...before.limits, ...limits },
    trustedProxies: trusted,
    listeners: [
      ...before.listeners,
      ...before.listeners.map((listener) => ({ ...listener, port: proxied, proxyProtocol: { trusted } })),
    ],
  })
  tenants = await openTenants({ settings })
})
afterAll(() => tenants?.[Symbol.asyncDispose]())

const navigating = ['Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', 'document', 'Accept', 'text/html']

function fieldOf({ rawHeaders }: RawAnswer, name: string): string | undefined {
  return rawHeaders.find((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name)
}

/** Until it is refused for good: while the test runs, some of it leaks. */
async function untilRefused(
  ask: () => Promise<RawAnswer>,
  most: number,
): Promise<{ before: number; answer: RawAnswer }> {
  for (let before = 0; ; before += 1) {
    const answer = await ask()
    if (answer.status === 429) return { before, answer }
    if (before > most) throw new Error(`${before} were let in, the last with ${answer.status}`)
  }
}

const denied = (reason: string, of: { client?: string; user?: string }) =>
  tenants.world.audit.filter(
    (event) =>
      event.event === 'deny' &&
      event.reason === reason &&
      (of.client === undefined || event.client === of.client) &&
      event.user === of.user,
  )

describe('a stranger', () => {
  const from = (address: string, fields: readonly string[] = []) => {
    const { a, world } = tenants
    const target = `${a.prefix}file`
    const all = ['X-Forwarded-For', address, 'Origin', world.origin, ...fields]
    return tenants.ask(requestText({ target, host: a.authority, fields: all }))
  }

  test('who asks for more than his address may is refused with 429 and a time, in the form that he reads; nobody else is', async () => {
    const before = await tenants.world.figure('gatehouse_limited_total', 'limit="requests"')
    const { before: admitted, answer } = await untilRefused(() => from('203.0.113.7'), 20)
    expect(admitted).toBeGreaterThanOrEqual(10)
    expect(fieldOf(answer, 'content-type')).toContain('application/problem+json')
    expect(fieldOf(answer, 'retry-after')).toBe('1')
    expect(JSON.parse(answer.body)).toMatchObject({ status: 429, code: 'too_many_requests' })
    const page = await untilRefused(() => from('203.0.113.7', navigating), 5)
    expect(fieldOf(page.answer, 'content-type')).toContain('text/html')
    expect(fieldOf(page.answer, 'retry-after')).toBe('1')
    const upgrade = await untilRefused(() => from('203.0.113.7', websocketFields), 5)
    expect(upgrade.answer).toMatchObject({ status: 429 })
    expect(fieldOf(upgrade.answer, 'retry-after')).toBe('1')
    expect((await from('203.0.113.8')).status).toBe(401)
    expect((await from('127.0.0.1')).status).toBe(401)
    expect(await tenants.world.figure('gatehouse_limited_total', 'limit="requests"')).toBeGreaterThanOrEqual(before + 3)
    expect(denied('limit:requests', { client: '203.0.113.7' })).toHaveLength(1)
  })

  test('of IPv6 counts with all of his network of 64 bits', async () => {
    const hosts = Array.from({ length: 40 }, (_, index) => (index + 1).toString(16)).values()
    const next = () => from(`2001:db8:1:2::${hosts.next().value}`)
    expect((await untilRefused(next, 20)).before).toBeGreaterThanOrEqual(10)
    expect((await from('2001:db8:1:3::1')).status).toBe(401)
  })

  test('who is refused holds up nobody who is logged in at the same address', async () => {
    await untilRefused(() => from('203.0.113.9'), 20)
    const { a, b } = tenants
    const origin = ['Origin', `http://${b.authority}`, 'X-Forwarded-For', '203.0.113.9']
    const answer = await tenants.ask(
      requestText({ target: b.prefix, host: b.authority, cookie: b.cookie, fields: origin }),
    )
    expect(answer.status).toBe(200)
    expect(a.cookie).not.toBe(b.cookie)
  })

  test('behind whose address nobody is trusted cannot choose one', async () => {
    const hop = ['X-Forwarded-For', '198.51.100.1, 203.0.113.20']
    const claim = (index: number) => from('unused', []).then(() => index)
    expect(await claim(1)).toBe(1)
    const ask = () => tenants.ask(requestText({ target: tenants.a.prefix, host: tenants.a.authority, fields: hop }))
    expect((await untilRefused(ask, 20)).before).toBeGreaterThanOrEqual(10)
    expect((await from('198.51.100.1')).status).toBe(401)
  })
})

describe('logins', () => {
  const ask = (
    address: string,
    target: string,
    fields: readonly string[],
    more: { method?: string; body?: string } = {},
  ) => {
    const { host } = new URL(tenants.world.origin)
    return tenants.ask(requestText({ target, host, fields: ['X-Forwarded-For', address, ...fields], ...more }))
  }

  test('of one address are so many a minute, whatever step of them it is; the rest of the console stays open to it', async () => {
    const login = () => ask('203.0.113.30', paths.login, navigating)
    const { before, answer } = await untilRefused(login, 10)
    expect(before).toBe(limits.loginsPerAddress)
    expect(fieldOf(answer, 'content-type')).toContain('text/html')
    expect(Number(fieldOf(answer, 'retry-after'))).toBeGreaterThan(5)
    expect(Number(fieldOf(answer, 'retry-after'))).toBeLessThanOrEqual(12)
    expect((await ask('203.0.113.30', `${paths.callback}?code=x&state=y`, navigating)).status).toBe(429)
    const body = '{"code":"x","verifier":"y"}'
    const json = ['Content-Type', 'application/json', 'Content-Length', String(body.length)]
    const exchange = await ask('203.0.113.30', paths.cliToken, json, { method: 'POST', body })
    expect(exchange.status).toBe(429)
    expect(JSON.parse(exchange.body)).toMatchObject({ code: 'too_many_logins' })
    expect((await ask('203.0.113.30', paths.jwks, [])).status).toBe(200)
    expect((await ask('203.0.113.31', paths.login, navigating)).status).toBe(302)
    expect(denied('limit:logins', { client: '203.0.113.30' })).toHaveLength(1)
    for (let index = 0; index < 2 * limits.loginsPerAddress; index += 1)
      expect((await ask('127.0.0.1', paths.login, navigating)).status).toBe(302)
  })
})

describe('somebody who is logged in', () => {
  test('and asks for more than an identity may is refused before a byte reaches his workspace; others go on', async () => {
    const { a, b } = tenants
    const asAlice = () =>
      tenants.ask(
        requestText({
          target: a.prefix,
          host: a.authority,
          cookie: a.cookie,
          fields: ['Origin', `http://${a.authority}`],
        }),
      )
    const { before, answer } = await untilRefused(asAlice, 120)
    expect(before).toBeGreaterThan(limits.requestsPerIdentity)
    expect(fieldOf(answer, 'retry-after')).toBe('1')
    expect(denied('limit:requests', { user: 'alice' })).toHaveLength(1)
    expect((await tenants.ask(requestText({ target: b.prefix, host: b.authority, cookie: b.cookie }))).status).toBe(200)
    await tenants.world.until(async () => {
      const bytes = tenants.upstreamBytes()
      return (await asAlice()).status === 429 && tenants.upstreamBytes() === bytes
    }, 'a refusal that nothing reached the workspace by')
    await tenants.world.until(async () => (await asAlice()).status === 200, 'it is let in again')
  })
})

describe('connections', () => {
  const dial = async (address: string): Promise<Socket> => {
    const socket = connect({ port: proxied, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(proxyHeaderFrom(address, 4711))
    return socket
  }
  const request = (extra = '') => `GET / HTTP/1.1\r\nHost: ${new URL(tenants.world.origin).host}\r\n${extra}\r\n`
  const first = async (socket: Socket): Promise<string> => {
    socket.write(request())
    const [chunk] = await once(socket, 'data')
    return String(chunk)
  }

  test('of one address are so many; the next are told so, and whoever comes beyond them is sent away', async () => {
    const open: Socket[] = []
    for (let index = 0; index < limits.connectionsPerAddress; index += 1) open.push(await dial('198.51.100.9'))
    const answers = await Promise.all(open.map(first))
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 [34]0[12] /)
    const told = await dial('198.51.100.9')
    told.write(request('Connection: keep-alive\r\n') + request())
    const whole = await text(told)
    expect(whole).toMatch(/^HTTP\/1\.1 429 [\s\S]*Retry-After: 10\r\n[\s\S]*too_many_connections/)
    expect(whole.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    const upgrading = await dial('198.51.100.9')
    const { a } = tenants
    const fields = [...websocketFields, 'Origin', `http://${a.authority}`]
    upgrading.write(requestText({ target: a.prefix, host: a.authority, cookie: a.cookie, fields }))
    expect(await text(upgrading)).toMatch(/^HTTP\/1\.1 429 /)
    const crowd = await Promise.all(Array.from({ length: 40 }, () => dial('198.51.100.9')))
    const silent = crowd.map((socket) => text(socket).catch(() => ''))
    await tenants.world.until(
      () => crowd.filter((socket) => socket.readableEnded || socket.destroyed).length >= 24,
      'those beyond are gone',
    )
    expect(await tenants.world.figure('gatehouse_limited_total', 'limit="connections"')).toBeGreaterThanOrEqual(25)
    expect(await first(await dial('198.51.100.10'))).toMatch(/^HTTP\/1\.1 [34]0[12] /)
    for (const socket of [...open, ...crowd, told, upgrading]) socket.destroy()
    await Promise.all(silent)
    await tenants.world.until(
      async () => /^HTTP\/1\.1 [34]0[12] /.test(await first(await dial('198.51.100.9'))),
      'there is room again',
    )
  })
})

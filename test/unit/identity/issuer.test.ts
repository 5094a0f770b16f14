import type { LookupFunction } from 'node:net'
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { issuerFetch, longestIssuerAnswer } from '#identity/issuer-fetch.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { type FaultyIssuer, faultyIssuer, newSigningKey, publicJwk } from '#test/support/faulty-issuer.ts'
import { freePort } from '#test/support/free-port.ts'
import { identityWorld } from '#test/support/identity-world.ts'
import { faultyWorld, loginSite } from '#test/support/login-world.ts'

const discovery = '/.well-known/openid-configuration'
const count = (issuer: FaultyIssuer, path: string) => issuer.requests.filter((asked) => asked === path).length

describe('an issuer that is down', () => {
  test('at start keeps nobody from starting; logins get an answer at once, and work as soon as it is up', async () => {
    await using world = identityWorld()
    using _date = dateFollows(world.clock)
    const port = await freePort()
    await using issuer = await faultyIssuer({ port })
    await issuer[Symbol.asyncDispose]()
    using site = await loginSite(world, { issuers: [issuer.settings] })
    expect(await site.visitor().start()).toEqual({ kind: 'unavailable', issuer: 'faulty' })
    await using back = await faultyIssuer({ port })
    expect(await site.visitor().start()).toEqual({ kind: 'unavailable', issuer: 'faulty' })
    expect(back.requests).toEqual([])
    await world.clock.advance(1000)
    expect((await site.visitor().login()).kind).toBe('ok')
  })

  test('is asked again ever more rarely', async () => {
    await using made = await faultyWorld()
    made.issuer.faults = { answer: (_path, response) => Boolean(response.writeHead(500).end()) }
    for (let second = 0; second < 120; second++) {
      await made.site.visitor().start()
      await made.world.clock.advance(1000)
    }
    expect(count(made.issuer, discovery)).toBeGreaterThan(6)
    expect(count(made.issuer, discovery)).toBeLessThan(16)
  })

  test('after it was known gets no browsers sent to it, and is known all the same to whatever else needs it', async () => {
    await using made = await faultyWorld()
    expect((await made.site.visitor().start()).kind).toBe('redirect')
    await made.issuer[Symbol.asyncDispose]()
    await made.world.clock.advance(3 * 3_600_000)
    expect(await made.site.visitor().start()).toEqual({ kind: 'unavailable', issuer: 'faulty' })
    expect((await made.site.issuers.byId('faulty')?.metadata())?.issuer).toBe(made.issuer.url)
  })

  test('between the two halves of a login makes it unavailable, and no refusal', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const query = await visitor.atIssuer(await visitor.start({ returnTo: '/lab' }))
    await made.issuer[Symbol.asyncDispose]()
    expect(await visitor.finish(query)).toMatchObject({ kind: 'unavailable', issuer: 'faulty', returnTo: '/lab' })
  })
})

test('fifty first logins ask for discovery once', async () => {
  await using made = await faultyWorld()
  const starts = await Promise.all(Array.from({ length: 50 }, () => made.site.visitor().start()))
  expect(starts.every((start) => start.kind === 'redirect')).toBe(true)
  expect(count(made.issuer, discovery)).toBe(1)
})

describe('keys', () => {
  test('that are unknown are looked for at most once a minute, whatever tokens come', async () => {
    await using made = await faultyWorld()
    expect((await made.site.visitor().login()).kind).toBe('ok')
    const stranger = newSigningKey()
    made.issuer.faults = { sign: (claims) => made.issuer.sign(claims, stranger) }
    await made.world.clock.advance(60_000)
    for (let tries = 0; tries < 5; tries++) {
      expect(await made.site.visitor().login()).toMatchObject({ reason: 'token_unknown_key' })
    }
    expect(count(made.issuer, '/jwks')).toBe(2)
    await made.world.clock.advance(60_000)
    await made.site.visitor().login()
    expect(count(made.issuer, '/jwks')).toBe(3)
  })

  test('that are new are found, and those that are gone are refused after five minutes', async () => {
    await using made = await faultyWorld()
    expect((await made.site.visitor().login()).kind).toBe('ok')
    const fresh = newSigningKey()
    made.issuer.faults = { keys: [await publicJwk(fresh)], sign: (claims) => made.issuer.sign(claims, fresh) }
    await made.world.clock.advance(60_000)
    expect((await made.site.visitor().login()).kind).toBe('ok')
    made.issuer.faults = { keys: [await publicJwk(newSigningKey())], sign: (claims) => made.issuer.sign(claims, fresh) }
    await made.world.clock.advance(5 * 60_000)
    expect(await made.site.visitor().login()).toMatchObject({ reason: 'token_unknown_key' })
  })

  test('that are no key set make the issuer unavailable', async () => {
    for (const body of ['[]', '{"keys":{}}', '{"keys":["x"]}', 'no json']) {
      await using made = await faultyWorld()
      made.issuer.faults = {
        answer: (path, response) =>
          path === '/jwks' && Boolean(response.writeHead(200, { 'Content-Type': 'application/json' }).end(body)),
      }
      expect((await made.site.visitor().login()).kind).toBe('unavailable')
    }
  })
})

describe.each([discovery, '/jwks', '/token'])('an answer from %s', (where) => {
  const outcome = async (
    answer: NonNullable<FaultyIssuer['faults']['answer']>,
    options: { hangLimit?: number } = {},
  ) => {
    await using made = await faultyWorld(options)
    made.issuer.faults = { answer: (path, response) => path === where && answer(path, response) }
    const visitor = made.site.visitor()
    const start = await visitor.start()
    const finish = start.kind === 'redirect' ? await visitor.finish(await visitor.atIssuer(start)) : start
    return { kind: finish.kind, requests: made.issuer.requests }
  }

  test('that redirects is not followed', async () => {
    const location = 'http://169.254.169.254/latest/meta-data/'
    for (const target of [location, '/elsewhere', where]) {
      const { kind, requests } = await outcome((_path, response) =>
        Boolean(response.writeHead(302, { Location: target }).end()),
      )
      expect(kind).toMatch(/unavailable|refused/)
      expect(requests).not.toContain('/elsewhere')
      expect(requests.filter((path) => path === where)).toHaveLength(1)
    }
  })

  test('that never stops is cut off', async () => {
    let sent = 0
    const { kind } = await outcome((_path, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      const more = () => {
        while (sent < 64 * 1024 * 1024 && response.write(Buffer.alloc(64 * 1024, 0x20))) sent += 64 * 1024
      }
      response.on('drain', more)
      more()
      return true
    })
    expect(kind).toMatch(/unavailable|refused/)
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })

  test('that never comes is given up', async () => {
    expect((await outcome(() => true, { hangLimit: 150 })).kind).toBe('unavailable')
  })
})

describe('an address', () => {
  const signal = new AbortController().signal
  const get = { method: 'GET', headers: {}, body: null, redirect: 'manual' } as const
  const resolvesTo =
    (...addresses: readonly string[]): LookupFunction =>
    (_hostname, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )

  test.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://169.254.0.1/',
    'http://[fe80::1]/',
    'http://[febf::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://[fd00:ec2::254]/',
    'http://[fd20:ce::254]/',
    'http://100.100.100.200/',
    'http://168.63.129.16/',
    'http://2852039166/',
    'http://0xa9.0xfe.0xa9.0xfe/',
  ])('%s is never dialled', async (url) => {
    const fetch = issuerFetch({ lookup: localhostLookup, signal })
    await expect(fetch(url, get)).rejects.toMatchObject({
      code: 'issuer_unavailable',
      message: /link-local or a metadata/,
    })
  })

  test.each([[['169.254.169.254']], [['127.0.0.1', '169.254.169.254']], [['fe80::1']], [['::ffff:169.254.169.254']]])(
    'that a name leads to is judged like a written one: %j',
    async (addresses) => {
      const fetch = issuerFetch({ lookup: resolvesTo(...addresses), signal })
      await expect(fetch('http://issuer.example/', get)).rejects.toMatchObject({
        code: 'issuer_unavailable',
        message: /link-local or a metadata/,
      })
    },
  )

  test('where nobody listens, or without a name, is unavailable: nothing was sent', async () => {
    const fetch = issuerFetch({ lookup: localhostLookup, signal })
    const port = await freePort()
    await expect(fetch(`http://issuer.localhost:${port}/`, get)).rejects.toMatchObject({ code: 'issuer_unavailable' })
    const lost = issuerFetch({ lookup: (_host, _options, callback) => callback(new Error('ENOTFOUND'), []), signal })
    await expect(lost('http://issuer.example/', get)).rejects.toMatchObject({ code: 'issuer_unavailable' })
  })

  test('whose connection breaks later is not: what was sent may have arrived', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.destroy()))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const fetch = issuerFetch({ lookup: localhostLookup, signal })
    const failure = await fetch(`http://issuer.localhost:${port}/`, get).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Error)
    expect(failure).not.toHaveProperty('code', 'issuer_unavailable')
    server.close()
  })
})

test('an answer may be as long as the limit and no longer', async () => {
  await using issuer = await faultyIssuer()
  const fetch = issuerFetch({ lookup: localhostLookup, signal: new AbortController().signal })
  const sized = async (bytes: number) => {
    issuer.faults = { answer: (_path, response) => Boolean(response.writeHead(200).end(Buffer.alloc(bytes))) }
    return fetch(`${issuer.url}/x`, { method: 'GET', headers: {}, body: null, redirect: 'manual' })
  }
  expect((await (await sized(longestIssuerAnswer)).bytes()).length).toBe(longestIssuerAnswer)
  await expect(sized(longestIssuerAnswer + 1)).rejects.toMatchObject({ code: 'issuer_refused' })
})

test('plain HTTP to an issuer needs somebody to have accepted it', async () => {
  await using made = await faultyWorld()
  using site = await loginSite(made.world, { issuers: [{ ...made.issuer.settings, isHttpAllowed: false }] })
  expect(await site.visitor().start()).toEqual({ kind: 'unavailable', issuer: 'faulty' })
  expect(made.issuer.requests).toEqual([])
})

test('a discovery document of another issuer is not believed', async () => {
  await using made = await faultyWorld()
  made.issuer.faults = { metadata: { issuer: 'https://evil.example' } }
  expect(await made.site.visitor().start()).toEqual({ kind: 'unavailable', issuer: 'faulty' })
})

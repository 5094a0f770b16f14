/**
 * Documents of an issuer that lead elsewhere, never end or never come: what they name is not fetched, the login is refused, and who is logged in works on.
 * An issuer that is taken over must not become a way into the network behind the gateway (SSRF).
 */
import { createServer, type ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import type { Faults } from '#test/support/faulty-issuer.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'
import { freePort } from '#test/support/free-port.ts'

/** A server that no issuer may lead us to. */
async function bait() {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end('{}')
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    asked,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const discovery = '/.well-known/openid-configuration'
type Answer = (response: ServerResponse) => void

const to =
  (location: string, status = 302): Answer =>
  (response) =>
    response.writeHead(status, { Location: location }).end()
const bytes =
  (count: number): Answer =>
  (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(`{"issuer": "${'x'.repeat(count)}"}`)
  }
const only =
  (path: string, answer: Answer): NonNullable<Faults['answer']> =>
  (asked, response) => {
    if (asked !== path) return false
    answer(response)
    return true
  }

/** Somebody is logged in and at work, and a minute later the issuer begins to misbehave. */
async function scene(clock = fakeClock()) {
  const made = await faultyIssuerWorld({ clock })
  const { url } = await made.world.workspace({ name: 'nb', owner: 'alice' })
  const worker = made.world.browser()
  expect((await worker.open(url)).status).toBe(200)
  const goesOn = async () => (await worker.navigate(url)).status === 200
  return { made, clock, goesOn, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() }
}

test('#45 discovery that redirects, loops, is endless or nonsense makes logins wait; nothing that it names is asked', async () => {
  await using trap = await bait()
  await using s = await scene()
  const { issuer } = s.made
  const answers: readonly Answer[] = [
    to('http://169.254.169.254/latest/meta-data/'),
    to('http://[fd00:ec2::254]/'),
    to(`${trap.url}/moved`),
    to(`${trap.url}/moved`, 307),
    to(`${trap.url}/moved`, 301),
    to(issuer.url + discovery),
    bytes(10_000_000),
    (response) => response.writeHead(200).end('<html>'),
    (response) =>
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ issuer: trap.url })),
    (response) =>
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ issuer: `${issuer.url}/` })),
    (response) => response.writeHead(500).end(),
    (response) => response.destroy(),
  ]
  for (const [index, answer] of answers.entries()) {
    await s.clock.advance(31_000)
    const asked = issuer.requests.length
    const outcome = await s.made.logIn({ answer: only(discovery, answer) })
    expect([outcome.status, outcome.page.headers['retry-after'], outcome.made], `answer ${index}`).toEqual([
      503,
      '5',
      [],
    ])
    expect(issuer.requests.slice(asked), `answer ${index}`).toEqual([discovery])
    expect(await s.goesOn()).toBe(true)
  }
  expect(trap.asked).toEqual([])
  await s.clock.advance(31_000)
  expect((await s.made.logIn()).status).toBe(200)
})

test('#45 keys that redirect or are endless vouch for nobody', async () => {
  await using trap = await bait()
  await using s = await scene()
  const answers: readonly (readonly [number, Answer])[] = [
    [503, to('http://169.254.169.254/keys')],
    [503, to(`${trap.url}/keys`)],
    [503, to(`${s.made.issuer.url}/jwks`)],
    [400, bytes(10_000_000)],
    [503, (response) => response.writeHead(200).end('{"keys": 7}')],
    [503, (response) => response.writeHead(500).end()],
  ]
  for (const [index, [status, answer]] of answers.entries()) {
    await s.clock.advance(5 * 60_000)
    const outcome = await s.made.logIn({ answer: only('/jwks', answer) })
    expect([outcome.status, outcome.made], `answer ${index}`).toEqual([status, []])
    expect(await s.goesOn()).toBe(true)
  }
  expect(trap.asked).toEqual([])
  expect((await s.made.logIn()).status).toBe(200)
})

test('#45 endpoints at link-local addresses, at metadata services or behind redirects are never reached', async () => {
  await using trap = await bait()
  const places = [
    'http://169.254.169.254',
    'http://[fe80::1]',
    'http://[fd00:ec2::254]',
    'http://100.100.100.200',
    'http://168.63.129.16',
    'http://2852039166',
    'http://0xa9fea9fe',
  ]
  await using s = await scene()
  for (const place of places) {
    for (const endpoint of ['jwks_uri', 'token_endpoint']) {
      await s.clock.advance(5 * 60_000)
      const lines = s.made.world.lines.length
      const outcome = await s.made.logIn({ metadata: { [endpoint]: `${place}/x` } })
      expect([outcome.status, outcome.made], `${endpoint} at ${place}`).toEqual([503, []])
      // Not for want of a network: it was not even tried.
      const said = s.made.world.lines.slice(lines).join('')
      expect(said, `${endpoint} at ${place}`).toContain('is link-local or a metadata service')
    }
  }
  await using made = await faultyIssuerWorld()
  for (const path of ['/token', '/userinfo']) {
    const outcome = await made.logIn({
      claims: ({ groups: _groups, ...claims }) => claims,
      userinfo: { sub: 'sub-alice' },
      answer: only(path, to(`${trap.url}/moved`, 307)),
    })
    expect([outcome.status, outcome.made], path).toEqual([400, []])
  }
  expect(trap.asked).toEqual([])
})

test('#45 an issuer that takes a connection and says nothing is given up after ten seconds; whoever is logged in waits for nothing', {
  timeout: 40_000,
}, async () => {
  const clock = fakeClock()
  await using scenes = new AsyncDisposableStack()
  const hanging = []
  for (const path of [discovery, '/jwks', '/token']) hanging.push({ path, s: scenes.use(await scene(clock)) })
  await clock.advance(5 * 60_000)
  const attempts = hanging.map(async ({ path, s }) => {
    const held: ServerResponse[] = []
    const login = s.made.logIn({ answer: only(path, (response) => void held.push(response)) })
    await s.made.world.until(() => held.length > 0, `${path} is asked`)
    const asked = performance.now()
    expect(await s.goesOn()).toBe(true)
    expect(performance.now() - asked).toBeLessThan(5_000)
    const outcome = await login
    expect([outcome.status, outcome.made], path).toEqual([503, []])
    for (const response of held) response.destroy()
  })
  await Promise.all(attempts)
})

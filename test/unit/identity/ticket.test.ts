import { describe, expect, test } from 'vitest'
import type { CookieScope } from '#identity/authentication.ts'
import { type NonceHash, parseNonceHash } from '#identity/handover-cookies.ts'
import type { SessionId } from '#identity/session-id.ts'
import type { TicketOutcome } from '#identity/ticket.ts'
import { hostScope, identityWorld, loginOf, type Replica } from '#test/support/identity-world.ts'

const second = 1_000
const to = '/lab/tree/a.ipynb?x=1'
const otherHost: CookieScope = { ...hostScope, authority: 'nb-mfzwi.ws.example.com' }
const http = { externalScheme: 'http', externalPort: 8800 } as const

/** A browser's jar for one host: applies `Set-Cookie` values and gives the `Cookie` header. */
class Jar {
  readonly #cookies = new Map<string, string>()

  take(...setCookies: readonly string[]): this {
    for (const line of setCookies) {
      const [pair = '', ...attributes] = line.split('; ')
      const [name = '', value = ''] = pair.split('=')
      if (attributes.includes('Max-Age=0')) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    return this
  }

  get header(): string | undefined {
    return this.#cookies.size === 0 ? undefined : [...this.#cookies].map((pair) => pair.join('=')).join('; ')
  }

  get names(): readonly string[] {
    return [...this.#cookies.keys()]
  }
}

/** The first half: the host gives a nonce to the browser. */
function begin(replica: Replica, jar: Jar, scope = hostScope): NonceHash {
  const start = replica.handovers.startHandover(scope, jar.header)
  if (start.kind === 'loop') throw new Error('a loop')
  jar.take(start.setCookie)
  return start.nonceHash
}

function accept(replica: Replica, ticket: string, jar: Jar, scope = hostScope): Promise<TicketOutcome> {
  return replica.handovers.acceptTicket(ticket, { scope, cookieHeader: jar.header })
}

async function handedOver(replica: Replica, id: SessionId, jar: Jar, scope = hostScope): Promise<void> {
  const ticket = replica.handovers.issueTicket({ id, scope, nonceHash: begin(replica, jar, scope), to })
  const outcome = await accept(replica, ticket, jar, scope)
  if (outcome.kind !== 'accepted') throw new Error(outcome.reason)
  jar.take(...outcome.setCookies)
}

const refused = (reason: string, goOn?: string) => ({ kind: 'refused', reason, to: goOn })

describe('a ticket', () => {
  test("gives the browser that host's cookie for the same session, and the deep link", async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { session, id } = await one.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const ticket = one.handovers.issueTicket({ id, scope: hostScope, nonceHash: begin(two, jar), to })
    const outcome = await accept(two, ticket, jar)
    expect(outcome).toMatchObject({ kind: 'accepted', to, session: { name: session.name } })
    if (outcome.kind === 'accepted') jar.take(...outcome.setCookies)
    expect(two.authenticator.peek({ cookie: jar.header, bearer: undefined }, hostScope)).toMatchObject({
      kind: 'session',
    })
    expect(two.authenticator.peek({ cookie: jar.header, bearer: undefined }, otherHost)).toMatchObject({
      kind: 'anonymous',
      reason: 'bad-signature',
    })
    // The nonce has done its work.
    expect(jar.names.filter((name) => name.includes('nonce'))).toEqual([])
  })

  test('opens nothing a second time, on whatever replica, also when both come at once', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { id } = await one.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const ticket = one.handovers.issueTicket({ id, scope: hostScope, nonceHash: begin(one, jar), to })
    const outcomes = await Promise.all([accept(one, ticket, jar), accept(two, ticket, jar)])
    expect(outcomes.filter((outcome) => outcome.kind === 'accepted')).toHaveLength(1)
    expect(await accept(two, ticket, jar)).toEqual(refused('used', to))
  })

  test('is good for 30 s', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const tickets = [1, 2].map(() =>
      replica.handovers.issueTicket({ id, scope: hostScope, nonceHash: begin(replica, jar), to }),
    )
    await world.clock.advance(30 * second - 1)
    expect(await accept(replica, tickets[0] ?? '', jar)).toMatchObject({ kind: 'accepted' })
    await world.clock.advance(1)
    expect(await accept(replica, tickets[1] ?? '', jar)).toEqual(refused('expired', to))
  })

  test('of another replica is good for as much longer as the clocks of two may differ', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { id } = await one.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const nonceHash = begin(one, jar)
    const tickets = [1, 2].map(() => one.handovers.issueTicket({ id, scope: hostScope, nonceHash, to }))
    await world.clock.advance((5 * 60 + 30) * second - 1)
    expect(await accept(one, tickets[0] ?? '', jar)).toEqual(refused('expired', to))
    expect(await accept(two, tickets[0] ?? '', jar)).toMatchObject({ kind: 'accepted' })
    await world.clock.advance(1)
    expect(await accept(two, tickets[1] ?? '', jar)).toEqual(refused('expired', to))
  })

  test('opens nothing at another host, another path or the console, and does not say where it leads', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('mallory'))
    const others: readonly CookieScope[] = [
      otherHost,
      { ...hostScope, path: '/workspaces/a/b/' },
      { ...hostScope, kind: 'console' },
      { ...hostScope, authority: `${hostScope.authority}:8443` },
    ]
    for (const scope of others) {
      const jar = new Jar()
      const nonceHash = begin(replica, jar, scope)
      const ticket = replica.handovers.issueTicket({ id, scope: hostScope, nonceHash, to })
      expect(await accept(replica, ticket, jar, scope)).toEqual(refused('wrong-host'))
    }
  })

  test('planted in, or stolen from, another browser opens nothing, and stays good for its own', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('mallory'))
    const [mallorys, victims] = [new Jar(), new Jar()]
    const ticket = replica.handovers.issueTicket({ id, scope: hostScope, nonceHash: begin(replica, mallorys), to })
    expect(await accept(replica, ticket, victims)).toEqual(refused('wrong-nonce', to))
    begin(replica, victims)
    expect(await accept(replica, ticket, victims)).toEqual(refused('wrong-nonce', to))
    expect(await accept(replica, ticket, mallorys)).toMatchObject({ kind: 'accepted' })
  })

  test('of a session that has ended meanwhile opens nothing', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { session, id } = await replica.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const ticket = replica.handovers.issueTicket({ id, scope: hostScope, nonceHash: begin(replica, jar), to })
    await replica.sessions.end(session.name, 'logged-out')
    expect(await accept(replica, ticket, jar)).toEqual(refused('session-ended', to))
  })

  test('that is anything else is malformed, whatever it is', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const ticket = replica.handovers.issueTicket({ id, scope: hostScope, nonceHash: begin(replica, jar), to })
    const other = replica.sealer.seal('another purpose', '{}')
    for (const text of ['', '.', ticket.slice(0, -1), `${ticket}A`, other, 'x'.repeat(100_000), '\u0000']) {
      expect(await accept(replica, text, jar)).toEqual(refused('malformed'))
    }
  })

  test('while the store is away opens nothing, and says that it may later', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const ticket = replica.handovers.issueTicket({ id, scope: hostScope, nonceHash: begin(replica, jar), to })
    const down = replica.resources.fail('create')
    expect(await accept(replica, ticket, jar)).toEqual(refused('unavailable', to))
    down[Symbol.dispose]()
    expect(await accept(replica, ticket, jar)).toMatchObject({ kind: 'accepted' })
  })

  test('shows neither the id nor the nonce', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const nonceHash = begin(replica, jar)
    const ticket = replica.handovers.issueTicket({ id, scope: hostScope, nonceHash, to })
    const readable = ticket + Buffer.from(ticket, 'base64url').toString('latin1')
    for (const secret of [id, nonceHash, to]) expect(readable).not.toContain(secret)
    expect(jar.header).not.toContain(nonceHash)
    expect(parseNonceHash(nonceHash)).toBe(nonceHash)
    expect(parseNonceHash(`${nonceHash}=`)).toBeUndefined()
  })
})

describe('several tabs', () => {
  test('that begin at the same instant all succeed', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('alice'))
    const jar = new Jar()
    const empty = new Jar()
    const starts = Array.from({ length: 10 }, () => replica.handovers.startHandover(hostScope, empty.header))
    const tickets = starts.map((start) => {
      if (start.kind === 'loop') throw new Error('a loop')
      jar.take(start.setCookie)
      return replica.handovers.issueTicket({ id, scope: hostScope, nonceHash: start.nonceHash, to })
    })
    for (const ticket of tickets.toReversed()) {
      const outcome = await accept(replica, ticket, jar)
      expect(outcome.kind).toBe('accepted')
      if (outcome.kind === 'accepted') jar.take(...outcome.setCookies)
    }
    expect(jar.names.filter((name) => name.includes('nonce'))).toEqual([])
  })

  test('that begin one after the other, before anybody has logged in, share one nonce and are no loop', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const jar = new Jar()
    const hashes = Array.from({ length: 20 }, () => begin(replica, jar))
    expect(new Set(hashes).size).toBe(1)
    expect(jar.names).toHaveLength(1)
    // A login may take its time.
    await world.clock.advance(50 * 60 * second)
    const { id } = await replica.sessions.create(loginOf('alice'))
    const ticket = replica.handovers.issueTicket({ id, scope: hostScope, nonceHash: begin(replica, jar), to })
    expect(await accept(replica, ticket, jar)).toMatchObject({ kind: 'accepted' })
  })

  test('of two workspaces on one host do not disturb each other', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('alice'))
    const base = { kind: 'workspace', authority: 'workspaces.ws.example.com' } as const
    const [one, two] = [
      { ...base, path: '/workspaces/a/foo/' },
      { ...base, path: '/workspaces/a/bar/' },
    ]
    const jar = new Jar()
    const hashes = [begin(replica, jar, one), begin(replica, jar, two)]
    expect(jar.names).toHaveLength(2)
    const ticket = replica.handovers.issueTicket({ id, scope: two, nonceHash: hashes[1] ?? begin(replica, jar), to })
    expect(await accept(replica, ticket, jar, one)).toEqual(refused('wrong-host'))
    expect(await accept(replica, ticket, jar, two)).toMatchObject({ kind: 'accepted' })
  })
})

describe('the loop guard', () => {
  test('stops a third hand-over when two were completed within 30 s and did not help', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('alice'))
    const jar = new Jar()
    await handedOver(replica, id, jar)
    await world.clock.advance(10 * second)
    expect(replica.handovers.startHandover(hostScope, jar.header)).toMatchObject({ kind: 'started', count: 2 })
    await handedOver(replica, id, jar)
    await world.clock.advance(10 * second)
    expect(replica.handovers.startHandover(hostScope, jar.header)).toEqual({ kind: 'loop', count: 3 })
    // Another host has its own count.
    expect(replica.handovers.startHandover(otherHost, jar.header)).toMatchObject({ kind: 'started', count: 1 })
    await world.clock.advance(10 * second)
    expect(replica.handovers.startHandover(hostScope, jar.header)).toMatchObject({ kind: 'started', count: 2 })
  })

  test('believes no memory that it has not sealed, or has sealed for another host', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await replica.sessions.create(loginOf('alice'))
    const jar = new Jar()
    await handedOver(replica, id, jar)
    await handedOver(replica, id, jar)
    expect(replica.handovers.startHandover(hostScope, jar.header).kind).toBe('loop')
    const name = jar.names.find((cookie) => cookie.includes('loop')) ?? ''
    const sealed = /loop-[^=]+=([^;]+)/.exec(jar.header ?? '')?.[1] ?? ''
    for (const forged of ['', 'x', '0 0 0', sealed.slice(0, -2), sealed.replace('.', '..')]) {
      const header = `${name}=${forged}`
      expect(replica.handovers.startHandover(hostScope, header)).toMatchObject({ kind: 'started', count: 1 })
    }
    const other = new Jar().take(`${name}=${sealed}`)
    expect(replica.handovers.startHandover(otherHost, other.header)).toMatchObject({ count: 1 })
  })
})

test.each([
  { on: 'HTTPS', options: {}, stem: '__Host-gatehouse', isSecure: true },
  { on: 'plain HTTP', options: { cookies: http }, stem: 'gatehouse-8800', isSecure: false },
])("on $on its cookies are all Gatehouse's own, HttpOnly and host-only", async ({ options, stem, isSecure }) => {
  await using world = identityWorld()
  const replica = await world.replica(options)
  const { id } = await replica.sessions.create(loginOf('alice'))
  const start = replica.handovers.startHandover(hostScope, undefined)
  if (start.kind === 'loop') throw new Error('a loop')
  const ticket = replica.handovers.issueTicket({ id, scope: hostScope, nonceHash: start.nonceHash, to })
  const outcome = await accept(replica, ticket, new Jar().take(start.setCookie))
  if (outcome.kind !== 'accepted') throw new Error(outcome.reason)
  for (const line of [start.setCookie, ...outcome.setCookies]) {
    expect(line.startsWith(stem)).toBe(true)
    expect(replica.authenticator.isOwnCookie(line.split('=')[0] ?? '')).toBe(true)
    expect(line).toMatch(/; Path=\/; Max-Age=\d+; HttpOnly;(?: Secure;)? SameSite=Lax$/)
    expect(line.includes('; Secure')).toBe(isSecure)
  }
})

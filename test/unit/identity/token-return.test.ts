import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { sessionKind } from '#identity/session-record.ts'
import type { SessionEnd } from '#identity/session-table.ts'
import { giveTokensBack } from '#identity/token-return.ts'
import { Secret } from '#settings/secret.ts'
import { loginOf, namespace } from '#test/support/identity-world.ts'
import { type FaultyWorld, faultyWorld } from '#test/support/login-world.ts'

async function createWorld(hangLimit = 10_000) {
  const made: FaultyWorld = await faultyWorld({ hangLimit })
  const { issuer, site, world } = made
  const ending = new AbortController()
  const { sessions } = site.replica
  giveTokensBack({ sessions, issuers: site.issuers, log: world.log, signal: ending.signal })
  /** Answers of the revocation endpoint that were not given yet. */
  const held: ServerResponse[] = []
  let isHolding = false
  issuer.faults = {
    metadata: { revocation_endpoint: `${issuer.url}/revoke` },
    answer(path, response) {
      if (path !== '/revoke') return false
      if (isHolding) held.push(response)
      else response.writeHead(200).end()
      return true
    },
  }
  return {
    ...made,
    held,
    ending,
    hold: () => {
      isHolding = true
    },
    async login(username: string, more: object = {}) {
      const refreshToken = new Secret(`token-of-${username}`)
      const { session } = await sessions.create(loginOf(username, { issuer: issuer.url, refreshToken, ...more }))
      return session.name
    },
    end: (name: Awaited<ReturnType<typeof sessions.create>>['session']['name'], why: SessionEnd) =>
      sessions.end(name, why),
    revocations: () => issuer.requests.filter((path) => path === '/revoke').length,
  }
}

const whys: readonly SessionEnd[] = ['locked', 'logged-out', 'logged-out-at-issuer', 'replaced', 'revoked']

describe('a refresh token', () => {
  test.each(whys)('of a session that is %s is given back', async (why) => {
    await using made = await createWorld()
    await made.end(await made.login('alice'), why)
    await expect.poll(made.revocations).toBe(1)
  })

  test('of a session that ran out here, or whose record somebody deleted, is not ours to give back', async () => {
    await using made = await createWorld()
    const [first] = [await made.login('alice'), await made.login('bob')]
    await made.world.resources.delete(sessionKind, { namespace, name: first })
    await made.world.clock.advance(3_600_000)
    expect(made.site.replica.sessions.find(() => true)).toEqual([])
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(made.revocations()).toBe(0)
  })

  test('is kept while another session of the same login lives, and of the same person where logins have no names', async () => {
    await using made = await createWorld()
    const ofOneLogin = [await made.login('alice', { sid: 'a' }), await made.login('alice', { sid: 'a' })]
    const ofAnother = await made.login('alice', { sid: 'b' })
    const nameless = [await made.login('bob'), await made.login('bob')]
    const countsAfter = [0, 1, 2, 2, 3]
    for (const [index, name] of [...ofOneLogin, ofAnother, ...nameless].entries()) {
      await made.end(name, 'revoked')
      await new Promise((resolve) => setTimeout(resolve, 50))
      await expect.poll(made.revocations).toBe(countsAfter[index])
    }
  })

  test('that the issuer is slow to take back delays nobody, and not everybody is given back at once', async () => {
    await using made = await createWorld()
    made.hold()
    const names = await Promise.all(Array.from({ length: 20 }, (_, index) => made.login(`person-${index}`)))
    await Promise.all(names.map((name) => made.end(name, 'revoked')))
    expect(made.site.replica.sessions.find(() => true)).toEqual([])
    await expect.poll(() => made.held.length).toBe(4)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(made.revocations()).toBe(4)
    for (let answered = 1; answered <= 20; answered += 1) {
      await expect.poll(() => made.held.length).toBeGreaterThan(0)
      made.held.shift()?.writeHead(200).end()
    }
    await expect.poll(made.revocations).toBe(20)
  })

  test('that is not taken back is told to the log, without the token, and the next one has its turn', async () => {
    await using made = await createWorld(200)
    made.hold()
    for (const name of [await made.login('alice'), await made.login('bob')]) await made.end(name, 'logged-out')
    const warnings = () => made.world.lines.filter((line) => line.includes('could not be given back'))
    await expect.poll(() => warnings().length, { timeout: 5_000 }).toBe(2)
    expect(made.world.lines.join('\n')).not.toContain('token-of-')
    await made.issuer[Symbol.asyncDispose]()
    await made.end(await made.login('carol'), 'logged-out')
    await expect.poll(() => warnings().length, { timeout: 5_000 }).toBe(3)
  })
})

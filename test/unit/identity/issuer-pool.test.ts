import { describe, expect, test } from 'vitest'
import { IssuerPool } from '#identity/issuer-pool.ts'
import { leaseIssuers } from '#identity/issuers.ts'
import { systemClock } from '#lib/clock.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { createLog } from '#observe/log.ts'
import { Secret } from '#settings/secret.ts'
import { faultyIssuer } from '#test/support/faulty-issuer.ts'

const log = createLog({ level: 'error', clock: systemClock, sink: { write: () => undefined } })
const redirectUri = 'https://ws.example.com/.gatehouse/callback'
const discovery = '/.well-known/openid-configuration'

function openPool() {
  const ending = new AbortController()
  const pool = new IssuerPool({ lookup: localhostLookup, clock: systemClock, log, signal: ending.signal })
  return { pool, ending, [Symbol.dispose]: () => ending.abort() }
}

describe('an issuer in use', () => {
  test('is the same for settings that follow, as long as it means the same, and is not asked again what it is', async () => {
    await using faulty = await faultyIssuer()
    using opened = openPool()
    const choice = {
      settings: [faulty.settings],
      clientSecrets: new Map([[faulty.settings.id, new Secret('one of them')]]),
      redirectUri,
    }
    using before = await leaseIssuers(opened.pool, choice)
    await before.all[0]?.metadata()
    using after = await leaseIssuers(opened.pool, {
      ...choice,
      settings: [{ ...faulty.settings }],
      clientSecrets: new Map([[faulty.settings.id, new Secret('one of them')]]),
    })
    expect(after.all[0]).toBe(before.all[0])
    await after.all[0]?.metadata()
    expect(faulty.requests.filter((path) => path === discovery)).toHaveLength(1)
  })

  test.each([
    ['its secret', { clientSecrets: new Map([['faulty', new Secret('another')]]) }],
    ['where it sends people back to', { redirectUri: 'https://other.example.com/.gatehouse/callback' }],
    ['how it is mapped', { prefix: 'b:' }],
  ])('is another one when %s changes', async (_what, { prefix = '', ...change }: Change) => {
    await using faulty = await faultyIssuer()
    using opened = openPool()
    const choice = { settings: [faulty.settings], clientSecrets: new Map(), redirectUri }
    using before = await leaseIssuers(opened.pool, choice)
    const settings = [{ ...faulty.settings, usernamePrefix: prefix }]
    using after = await leaseIssuers(opened.pool, { ...choice, settings, ...change })
    expect(after.all[0]).not.toBe(before.all[0])
  })

  test('ends with its last user, and not before', async () => {
    await using faulty = await faultyIssuer()
    using opened = openPool()
    const choice = { settings: [faulty.settings], clientSecrets: new Map(), redirectUri }
    const before = await leaseIssuers(opened.pool, choice)
    const after = await leaseIssuers(opened.pool, choice)
    before[Symbol.dispose]()
    before[Symbol.dispose]()
    expect((await after.all[0]?.metadata())?.issuer).toBe(faulty.url)
    after[Symbol.dispose]()
    using anew = await leaseIssuers(opened.pool, choice)
    expect(anew.all[0]).not.toBe(after.all[0])
    await expect(after.all[0]?.metadata({ within: 0 })).rejects.toMatchObject({ code: 'issuer_unavailable' })
  })

  test('whose authority cannot be read keeps nothing of its neighbours in use', async () => {
    await using faulty = await faultyIssuer()
    using opened = openPool()
    const unreadable = { ...faulty.settings, id: 'other', caFile: '/nowhere/ca.pem' }
    const choice = { settings: [faulty.settings], clientSecrets: new Map(), redirectUri }
    await expect(
      leaseIssuers(opened.pool, { ...choice, settings: [faulty.settings, unreadable] }),
    ).rejects.toMatchObject({ code: 'invalid_settings' })
    const lease = await leaseIssuers(opened.pool, choice)
    lease[Symbol.dispose]()
    await expect(lease.all[0]?.metadata()).rejects.toMatchObject({ code: 'issuer_unavailable' })
  })
})

interface Change {
  readonly clientSecrets?: ReadonlyMap<string, Secret>
  readonly redirectUri?: string
  readonly prefix?: string
}

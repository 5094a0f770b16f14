/** For how long what an issuer said is good, whatever is done to the date meanwhile. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { issuerKeys } from '#identity/issuer-keys.ts'
import { issuerMetadata } from '#identity/issuer-metadata.ts'
import { createLog } from '#observe/log.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'

const [minute, hour] = [60_000, 3_600_000]

async function keyPair(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const sign = () => new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey)
  return { jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' }, token: await sign() }
}

test('a key that the issuer has taken back is refused after five minutes, and a new one is found within one, though the date was put back by an hour', async () => {
  const clock = fakeClock()
  const date = leapingClock(clock)
  const [old, fresh] = [await keyPair('old'), await keyPair('fresh')]
  let keys = [old.jwk]
  const issuer = issuerKeys({ load: async () => ({ keys }), clock: date })
  expect((await issuer.verify(old.token)).kind).toBe('verified')
  keys = [fresh.jwk]
  date.leap(-hour)
  await clock.advance(minute)
  expect((await issuer.verify(fresh.token)).kind).toBe('verified')
  keys = []
  date.leap(-hour)
  await clock.advance(5 * minute)
  expect(await issuer.verify(fresh.token)).toMatchObject({ kind: 'refused', reason: 'token_unknown_key' })
})

test('an issuer that did not answer is asked again within half a minute, though the date was put back by an hour', async () => {
  const clock = fakeClock()
  const date = leapingClock(clock)
  const name = 'https://issuer.test'
  let isUp = false
  const found = { issuer: name, authorization_endpoint: `${name}/authorize`, token_endpoint: `${name}/token` }
  const metadata = issuerMetadata({
    settings: { id: 'one', issuer: name, clientId: 'gatehouse', isHttpAllowed: false },
    fetch: async () => (isUp ? Response.json(found) : new Response('down', { status: 500 })),
    clock: date,
    log: createLog({ level: 'error', clock, sink: memoryLines() }),
  })
  await expect(metadata()).rejects.toMatchObject({ code: 'issuer_unavailable' })
  isUp = true
  await expect(metadata()).rejects.toMatchObject({ code: 'issuer_unavailable' })
  date.leap(-hour)
  await clock.advance(minute / 2)
  expect(await metadata()).toMatchObject({ issuer: name })
})

import { expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { alice, fakeSurface, navigation } from './fake-surface.ts'

const to = 'https://notebook-mfwgsy3f.example.test/lab?x=1'

test('a hand-over of somebody who is logged in goes back with a ticket', async () => {
  const asked: unknown[] = []
  await using fake = await fakeSurface({
    handover(_actor, params) {
      asked.push(params)
      return 'https://notebook-mfwgsy3f.example.test/.gatehouse/accept?ticket=t'
    },
  })
  const url = `${paths.handover}?${new URLSearchParams({ to, nonce: 'n' })}`
  const answer = await fake.app.inject({ url, headers: { ...alice, ...navigation, 'sec-fetch-site': 'same-site' } })
  expect(answer.statusCode).toBe(303)
  expect(answer.headers.location).toBe('https://notebook-mfwgsy3f.example.test/.gatehouse/accept?ticket=t')
  expect(asked).toEqual([{ to, nonce: 'n', cookieHeader: 'session=alice' }])
})

test('a hand-over of nobody logs in first, and comes back to the very same hand-over', async () => {
  await using fake = await fakeSurface()
  const url = `${paths.handover}?${new URLSearchParams({ to, nonce: 'n' })}`
  const answer = await fake.app.inject({ url, headers: navigation })
  expect(answer.statusCode).toBe(302)
  expect(new URL(String(answer.headers.location), 'https://example.test').searchParams.get('to')).toBe(url)
})

test('a hand-over with parameters of somebody else’s making is refused', async () => {
  await using fake = await fakeSurface()
  const answer = await fake.app.inject({
    url: `${paths.handover}?to=https://evil.test/`,
    headers: { ...alice, ...navigation },
  })
  expect(answer.statusCode).toBe(400)
  expect(answer.headers).not.toHaveProperty('location')
})

test('a hand-over inside of a frame of a workspace is refused', async () => {
  await using fake = await fakeSurface({ handover: () => to })
  const headers = { ...alice, ...navigation, 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'same-site' }
  expect((await fake.app.inject({ url: `${paths.handover}?to=${to}`, headers })).statusCode).toBe(403)
})

test('the public keys of assertions are for everybody', async () => {
  await using fake = await fakeSurface({ jwks: () => ({ keys: [{ kty: 'OKP', kid: '1' }] }) })
  const answer = await fake.app.inject({ url: paths.jwks })
  expect(answer.json()).toEqual({ keys: [{ kty: 'OKP', kid: '1' }] })
  expect(answer.headers['content-type']).toMatch(/^application\/jwk-set\+json/)
  expect(answer.headers['cache-control']).toBe('public, max-age=60')
})

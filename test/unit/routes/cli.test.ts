import { describe, expect, test } from 'vitest'
import { Secret } from '#settings/secret.ts'
import { paths } from '#surface/urls.ts'
import { alice, fakeSurface, navigation, ownForm, sessionOf } from './fake-surface.ts'

const question = {
  kind: 'ask',
  device: 'laptop-7',
  redirectUri: 'http://127.0.0.1:41234/cb',
  form: 'sealed-form',
} as const

describe('the consent of a person', () => {
  test('is asked for with the name of the device, and may lead back to its listener alone', async () => {
    await using fake = await fakeSurface({ startConsent: () => question })
    const { body, headers } = await fake.app.inject({ url: paths.cliAuthorize, headers: { ...alice, ...navigation } })
    expect(body).toContain('<q>laptop-7</q>')
    expect(body).toContain('<strong>alice</strong>')
    expect(body).toContain('<input type="hidden" name="form" value="sealed-form">')
    expect(headers['content-security-policy']).toContain(
      "form-action 'self' https://idp.example http://127.0.0.1:41234;",
    )
  })

  test('goes on to the issuer, and a refusal back to the command line', async () => {
    const forms: string[] = []
    await using fake = await fakeSurface({
      async grant(form) {
        forms.push(`grant ${form}`)
        return { kind: 'login', start: { kind: 'redirect', location: 'https://idp.example/auth', setCookies: ['a=1'] } }
      },
      deny(form) {
        forms.push(`deny ${form}`)
        return 'http://127.0.0.1:41234/cb?error=access_denied'
      },
    })
    const post = (payload: string) =>
      fake.app.inject({ method: 'POST', url: paths.cliAuthorize, headers: { ...alice, ...ownForm }, payload })
    expect((await post('form=f&decision=allow')).headers.location).toBe('https://idp.example/auth')
    expect((await post('form=f&decision=deny')).headers.location).toBe('http://127.0.0.1:41234/cb?error=access_denied')
    expect((await post('form=f')).headers.location).toBe('http://127.0.0.1:41234/cb?error=access_denied')
    expect(forms).toEqual(['grant f', 'deny f', 'deny f'])
  })

  test('that is stale, or asked for wrongly, is a page that says so', async () => {
    await using fake = await fakeSurface()
    const asked = await fake.app.inject({ url: paths.cliAuthorize, headers: { ...alice, ...navigation } })
    expect(asked.statusCode).toBe(400)
    for (const decision of ['allow', 'deny']) {
      const headers = { ...alice, ...ownForm }
      const answer = await fake.app.inject({
        method: 'POST',
        url: paths.cliAuthorize,
        headers,
        payload: `form=x&decision=${decision}`,
      })
      expect([answer.statusCode, answer.body.includes('Run the command again.')]).toEqual([400, true])
    }
  })
})

describe('the exchange of a code', () => {
  test('gives the secret, once, to whoever sends code and verifier, as JSON or as a form', async () => {
    const asked: unknown[] = []
    await using fake = await fakeSurface({
      async exchange(request) {
        asked.push(request)
        return { kind: 'ok', secret: new Secret('gh_secret'), session: sessionOf('alice') }
      },
    })
    const json = await fake.app.inject({ method: 'POST', url: paths.cliToken, payload: { code: 'c', verifier: 'v' } })
    expect(json.json()).toEqual({
      secret: 'gh_secret',
      username: 'alice',
      session: 'session-of-5',
      expiresAt: '2026-01-01T09:00:00.000Z',
      notAfter: '2026-01-01T20:00:00.000Z',
    })
    expect(json.headers['cache-control']).toBe('no-store')
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    await fake.app.inject({ method: 'POST', url: paths.cliToken, headers, payload: 'code=c&verifier=v' })
    expect(asked).toEqual([
      { code: 'c', verifier: 'v' },
      { code: 'c', verifier: 'v' },
    ])
  })

  test.each(['code_invalid', 'verifier_wrong', 'code_used', 'session_over'] as const)(
    'refuses without saying that it is %s',
    async (reason) => {
      await using fake = await fakeSurface({ exchange: async () => ({ kind: 'refused', reason }) })
      const answer = await fake.app.inject({
        method: 'POST',
        url: paths.cliToken,
        payload: { code: 'c', verifier: 'v' },
      })
      expect(answer.statusCode).toBe(400)
      expect(answer.json()).toMatchObject({ code: 'invalid_grant' })
      expect(answer.body).not.toContain(reason)
    },
  )

  test.each([{}, { code: 'c' }, { code: 1, verifier: 'v' }, { code: 'c'.repeat(9000), verifier: 'v' }])(
    'refuses %o unseen',
    async (payload) => {
      await using fake = await fakeSurface({
        exchange: async () => {
          throw new Error('asked')
        },
      })
      const answer = await fake.app.inject({ method: 'POST', url: paths.cliToken, payload })
      expect(answer.statusCode).toBe(400)
      expect(fake.faults).toEqual([])
    },
  )
})

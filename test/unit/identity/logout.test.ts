import { describe, expect, test } from 'vitest'
import { createLogouts, type Logouts } from '#identity/logout.ts'
import { Secret } from '#settings/secret.ts'
import { loginOf } from '#test/support/identity-world.ts'
import { type FaultyWorld, faultyWorld } from '#test/support/login-world.ts'

const loggedOutUri = 'https://ws.example.com/.gatehouse/logged-out'

async function createWorld(): Promise<
  FaultyWorld & { readonly logouts: Logouts; login(more?: object): Promise<{ name: ReturnType<typeof nameOf> }> }
> {
  const made = await faultyWorld()
  const { replica, issuers } = made.site
  const { clock, log } = made.world
  made.issuer.faults = { metadata: { end_session_endpoint: `${made.issuer.url}/logout` } }
  return {
    ...made,
    logouts: createLogouts({ sessions: replica.sessions, sealer: replica.sealer, issuers, loggedOutUri, clock, log }),
    async login(more = {}) {
      const tokens = { idToken: new Secret('the-id-token'), refreshToken: new Secret('the-refresh-token') }
      const { session } = await replica.sessions.create(
        loginOf('alice', { issuer: made.issuer.url, ...tokens, ...more }),
      )
      return { name: session.name }
    },
  }
}
const nameOf = (session: Awaited<ReturnType<FaultyWorld['site']['replica']['sessions']['create']>>) =>
  session.session.name

describe('logging out', () => {
  test('ends the session here, and leads through the issuer back to us', async () => {
    await using made = await createWorld()
    const { name } = await made.login()
    const { location } = await made.logouts.end(name)
    expect(made.site.replica.sessions.get(name)).toBeUndefined()
    const url = new URL(location ?? '')
    expect(url.origin + url.pathname).toBe(`${made.issuer.url}/logout`)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      id_token_hint: 'the-id-token',
      post_logout_redirect_uri: loggedOutUri,
    })
    expect(made.logouts.isOwnReturn(new URLSearchParams({ state: url.searchParams.get('state') ?? '' }))).toBe(true)
  })

  test('ends the session here also when the issuer is away', async () => {
    await using made = await createWorld()
    const { name } = await made.login()
    await made.issuer[Symbol.asyncDispose]()
    expect(await made.logouts.end(name)).toEqual({ location: undefined })
    expect(made.site.replica.sessions.get(name)).toBeUndefined()
  })

  test('at an issuer without such a page leads nowhere', async () => {
    await using made = await createWorld()
    made.issuer.faults = {}
    const { name } = await made.login()
    expect(await made.logouts.end(name)).toEqual({ location: undefined })
    expect(made.site.replica.sessions.get(name)).toBeUndefined()
  })

  test('of a command line sends nobody anywhere', async () => {
    await using made = await createWorld()
    const { name } = await made.login({ kind: 'cli' })
    expect(await made.logouts.end(name)).toEqual({ location: undefined })
    expect(made.site.replica.sessions.get(name)).toBeUndefined()
  })

  test('twice, or of a session that is over, is no fault', async () => {
    await using made = await createWorld()
    const { name } = await made.login()
    await made.logouts.end(name)
    expect(await made.logouts.end(name)).toEqual({ location: undefined })
  })

  test('while the store is away ends it here, and says that this is all', async () => {
    await using made = await createWorld()
    const { name } = await made.login()
    using _down = made.site.replica.resources.fail('delete')
    await expect(made.logouts.end(name)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(made.site.replica.sessions.get(name)).toBeUndefined()
  })
})

test('a return that did not begin here, or long ago, is not ours', async () => {
  await using made = await createWorld()
  const { location } = await made.logouts.end((await made.login()).name)
  const state = new URL(location ?? '').searchParams.get('state') ?? ''
  const login = await made.site.visitor().start()
  const loginState = login.kind === 'redirect' ? (new URL(login.location).searchParams.get('state') ?? '') : ''
  for (const other of ['', 'x', `${state}x`, state.slice(1), loginState]) {
    expect(made.logouts.isOwnReturn(new URLSearchParams({ state: other }))).toBe(false)
  }
  expect(made.logouts.isOwnReturn(new URLSearchParams())).toBe(false)
  await made.world.clock.advance(10 * 60_000)
  expect(made.logouts.isOwnReturn(new URLSearchParams({ state }))).toBe(false)
})

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type CliLogins, createCliLogins } from '#identity/cli-login.ts'
import type { Session } from '#identity/session.ts'
import { consoleScope, loginOf } from '#test/support/identity-world.ts'
import { type FaultyWorld, faultyWorld, type Visitor } from '#test/support/login-world.ts'

const verifier = 'v'.repeat(43)
const s256 = (text: string) => createHash('sha256').update(text).digest('base64url')
const good = {
  redirect_uri: 'http://127.0.0.1:49152/done',
  code_challenge: s256(verifier),
  code_challenge_method: 'S256',
  state: 'state-of-the-command-line',
  device: "alice's laptop",
}

interface World extends FaultyWorld {
  readonly cli: CliLogins
  readonly visitor: Visitor
  readonly session: Session
  /** Consent and the issuer's word: where the command line is sent. */
  granted(): Promise<URL>
}

async function createWorld(): Promise<World> {
  const made = await faultyWorld()
  const { replica, issuers, logins } = made.site
  const { clock, log } = made.world
  const signal = new AbortController().signal
  const cli = createCliLogins({
    ...replica,
    issuers,
    logins,
    replica: 'this one',
    consoleAuthority: consoleScope.authority,
    clock,
    log,
    signal,
  })
  const visitor = made.site.visitor()
  const { session } = await replica.sessions.create(loginOf('alice', { issuer: made.issuer.url }))
  return {
    ...made,
    ...{ cli, visitor, session },
    async granted() {
      const consent = cli.startConsent(new URLSearchParams(good), session)
      if (consent.kind !== 'ask') throw new Error(consent.reason)
      return callbackOf(cli, visitor, await cli.grant(consent.form, session, undefined))
    },
  }
}

/** What the gateway's callback does. */
async function callbackOf(
  cli: CliLogins,
  visitor: Visitor,
  grant: Awaited<ReturnType<CliLogins['grant']>>,
): Promise<URL> {
  if (grant.kind !== 'login' || grant.start.kind !== 'redirect') throw new Error('not granted')
  for (const header of grant.start.setCookies) visitor.jar.take(header, new URL('https://ws.example.com/'))
  const finish = await visitor.finish(await visitor.atIssuer(grant.start))
  if (finish.kind !== 'ok' || !cli.isCliAttachment(finish.attachment)) throw new Error(`not finished: ${finish.kind}`)
  const callback = await cli.finish(finish.login, finish.attachment)
  if (callback.kind !== 'redirect') throw new Error(callback.reason)
  return new URL(callback.location)
}

test('a command line that a person agreed to gets a secret of its own, for a session with its own tokens', async () => {
  await using made = await createWorld()
  const location = await made.granted()
  expect(location.origin + location.pathname).toBe('http://127.0.0.1:49152/done')
  expect(location.searchParams.get('state')).toBe(good.state)
  const answer = await made.cli.exchange({ code: location.searchParams.get('code') ?? '', verifier })
  if (answer.kind !== 'ok') throw new Error(answer.reason)
  expect(answer.session).toMatchObject({
    kind: 'cli',
    identity: { username: 'alice' },
    notAfter: made.world.clock.now() + 12 * 3_600_000,
  })
  const { sessions, authenticator } = made.site.replica
  const record = sessions.record(answer.session.name)
  expect(record?.spec.device).toBe("alice's laptop")
  expect(record && sessions.tokens(record).refreshToken).toBeDefined()
  const secret = answer.secret.reveal()
  expect(secret).toMatch(/^gatehouse_/)
  expect(authenticator.peek({ cookie: undefined, bearer: secret }, consoleScope)).toMatchObject({
    kind: 'session',
    via: 'bearer',
    session: { name: answer.session.name },
  })
  expect(JSON.stringify(made.world.lines)).not.toContain(secret)
})

describe('what a command line may ask', () => {
  const askWith = async (change: Record<string, string | undefined>) => {
    await using made = await createWorld()
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries({ ...good, ...change })) if (value !== undefined) query.set(name, value)
    const consent = made.cli.startConsent(query, made.session)
    return consent.kind === 'ask' ? consent.kind : consent.reason
  }

  test.each([
    'http://localhost:49152/done',
    'http://127.0.0.1/done',
    'http://127.0.0.1:80/done',
    'http://127.0.0.1:99999/done',
    'http://127.0.0.1:49152',
    'http://127.0.0.1:49152/done?x=1',
    'http://127.0.0.1:49152/done#x',
    'http://127.0.0.1:49152/x/\\evil',
    'http://127.0.0.2:49152/done',
    'http://127.1:49152/done',
    'http://2130706433:49152/done',
    'http://127.0.0.1.evil.test:49152/done',
    'http://127.0.0.1:49152@evil.test/done',
    'http://user@127.0.0.1:49152/done',
    'http://[::1]:80/',
    'http://[::]:49152/',
    'https://127.0.0.1:49152/done',
    'HTTP://127.0.0.1:49152/done',
    'https://evil.test/',
    'gatehouse://done',
    'javascript:alert(1)',
    '//127.0.0.1:49152/',
    ' http://127.0.0.1:49152/done',
    'http://127.0.0.1:49152/done\n',
    undefined,
  ])('is not to be answered at %j', async (redirect_uri) => {
    expect(await askWith({ redirect_uri })).toBe('redirect_uri_invalid')
  })

  test.each(['http://127.0.0.1:1024/', 'http://[::1]:65535/a/b'])('is to be answered at %s', async (redirect_uri) => {
    expect(await askWith({ redirect_uri })).toBe('ask')
  })

  test('needs S256, a challenge, a state that cannot be guessed, and a name for the device', async () => {
    expect(await askWith({ code_challenge_method: 'plain' })).toBe('challenge_method_invalid')
    expect(await askWith({ code_challenge_method: undefined })).toBe('challenge_method_invalid')
    expect(await askWith({ code_challenge: 'short' })).toBe('challenge_invalid')
    expect(await askWith({ code_challenge: undefined })).toBe('challenge_invalid')
    expect(await askWith({ state: 'x' })).toBe('state_invalid')
    expect(await askWith({ device: undefined })).toBe('device_missing')
    expect(await askWith({ device: ' \u202e\u0000 ' })).toBe('device_missing')
  })

  test('is said once', async () => {
    await using made = await createWorld()
    const query = new URLSearchParams(good)
    query.append('redirect_uri', 'http://127.0.0.1:49153/other')
    expect(made.cli.startConsent(query, made.session)).toEqual({ kind: 'refused', reason: 'parameter_repeated' })
  })

  test('shows the person the device without tricks', async () => {
    await using made = await createWorld()
    const query = new URLSearchParams({ ...good, device: `\u202elaptop\n${'x'.repeat(500)}` })
    const consent = made.cli.startConsent(query, made.session)
    expect(consent.kind === 'ask' && consent.device).toMatch(/^laptopx{58}$/)
  })
})

describe('consent', () => {
  test('counts only in the session that was asked, unchanged, for ten minutes', async () => {
    await using made = await createWorld()
    const consent = made.cli.startConsent(new URLSearchParams(good), made.session)
    if (consent.kind !== 'ask') throw new Error(consent.reason)
    const mallory = await made.site.replica.sessions.create(loginOf('mallory', { issuer: made.issuer.url }))
    const refused = { kind: 'refused', reason: 'consent_invalid' }
    expect(await made.cli.grant(consent.form, mallory.session, undefined)).toEqual(refused)
    expect(await made.cli.grant(`${consent.form}x`, made.session, undefined)).toEqual(refused)
    expect(made.cli.deny(consent.form, mallory.session)).toBeUndefined()
    await made.world.clock.advance(10 * 60_000)
    expect(await made.cli.grant(consent.form, made.session, undefined)).toEqual(refused)
  })

  test('that is denied tells the command line so', async () => {
    await using made = await createWorld()
    const consent = made.cli.startConsent(new URLSearchParams(good), made.session)
    if (consent.kind !== 'ask') throw new Error(consent.reason)
    expect(made.cli.deny(consent.form, made.session)).toBe(
      `${good.redirect_uri}?error=access_denied&state=${good.state}`,
    )
  })

  test('of one person gives no session of another who logs in at the issuer', async () => {
    await using made = await createWorld()
    made.issuer.faults = { claims: (claims) => ({ ...claims, sub: 'sub-bob', preferred_username: 'bob' }) }
    await expect(made.granted()).rejects.toThrow('another_person')
    expect(made.site.replica.sessions.find((record) => record.spec.kind === 'cli')).toEqual([])
  })

  test('an attachment that is not a command line’s is none', async () => {
    await using made = await createWorld()
    for (const other of [undefined, '', 'x', '{}', '{"kind":"other"}', 'null'])
      expect(made.cli.isCliAttachment(other)).toBe(false)
  })
})

describe('the code', () => {
  test('is worth nothing without the verifier, and is not spoilt by guesses', async () => {
    await using made = await createWorld()
    const code = (await made.granted()).searchParams.get('code') ?? ''
    for (const wrong of ['', 'w'.repeat(43), verifier.slice(1), s256(verifier)]) {
      expect(await made.cli.exchange({ code, verifier: wrong })).toEqual({ kind: 'refused', reason: 'verifier_wrong' })
    }
    expect((await made.cli.exchange({ code, verifier })).kind).toBe('ok')
  })

  test('used a second time takes back what it gave', async () => {
    await using made = await createWorld()
    const code = (await made.granted()).searchParams.get('code') ?? ''
    const answer = await made.cli.exchange({ code, verifier })
    if (answer.kind !== 'ok') throw new Error(answer.reason)
    expect(await made.cli.exchange({ code, verifier })).toEqual({ kind: 'refused', reason: 'code_used' })
    expect(made.site.replica.sessions.get(answer.session.name)).toBeUndefined()
  })

  test('of others, changed, or older than a minute is refused', async () => {
    await using made = await createWorld()
    const code = (await made.granted()).searchParams.get('code') ?? ''
    for (const other of ['', 'x', `${code}x`, code.slice(1)]) {
      expect(await made.cli.exchange({ code: other, verifier })).toEqual({ kind: 'refused', reason: 'code_invalid' })
    }
    await made.world.clock.advance(60_000)
    expect(await made.cli.exchange({ code, verifier })).toEqual({ kind: 'refused', reason: 'code_invalid' })
  })

  test('that nobody fetches leaves no session behind', async () => {
    await using made = await createWorld()
    await made.granted()
    const ofCli = () => made.site.replica.sessions.find((record) => record.spec.kind === 'cli')
    expect(ofCli()).toHaveLength(1)
    await made.world.clock.advance(70_000)
    expect(ofCli()).toEqual([])
  })

  test('that was fetched leaves its session alone', async () => {
    await using made = await createWorld()
    const code = (await made.granted()).searchParams.get('code') ?? ''
    await made.cli.exchange({ code, verifier })
    await made.world.clock.advance(70_000)
    expect(made.site.replica.sessions.find((record) => record.spec.kind === 'cli')).toHaveLength(1)
  })

  test('of a session that was ended before is worth nothing', async () => {
    await using made = await createWorld()
    const code = (await made.granted()).searchParams.get('code') ?? ''
    const { sessions } = made.site.replica
    await sessions.setLocked(['alice'])
    expect(await made.cli.exchange({ code, verifier })).toEqual({ kind: 'refused', reason: 'session_over' })
  })
})

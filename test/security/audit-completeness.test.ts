/** Each decision that somebody may have to account for has one line, with who, about what, why, and the request it came by; nothing has two, or none. */
import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import type { AuditEvent } from '#observe/audit.ts'
import { publicKeyLine, publicKeyOf } from '#ssh/public-key.ts'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { callbackOf, changed } from '#test/support/callback.ts'
import { bearerOf, commandLine, decide } from '#test/support/command-line-login.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi, cookieFor, press, share, withBob } from '../behaviour/gateway/scene.ts'

const sshKey = publicKeyLine(publicKeyOf(generateKeyPairSync('ed25519').publicKey))

/** `event user target reason`, where a line has a target and a reason. */
type Said = string

/** Every event that there is; a further one does not compile until it is here. */
const events: Readonly<Record<AuditEvent['event'], true>> = {
  login: true,
  logout: true,
  'session-ended': true,
  allow: true,
  deny: true,
  'deny-more': true,
  'share-created': true,
  'share-revoked': true,
  'ssh-certificate': true,
  keep: true,
  start: true,
  stop: true,
  'stream-opened': true,
  'stream-closed': true,
}

function say(event: AuditEvent): Said {
  const about = 'workspace' in event ? event.workspace : undefined
  const why = 'reason' in event ? event.reason : 'grant' in event ? event.grant : undefined
  return [event.event, event.user ?? 'nobody', about ?? '-', why ?? '-'].join(' ')
}

function sessionOf(world: World, username: string): string {
  const found = world.open.identities.sessions.find(({ spec }) => spec.username === username)
  const record = found.at(-1)
  if (!record) throw new Error(`${username} has no session`)
  return record.metadata.name
}

async function consent(world: World, browser: ScriptedBrowser, decision: 'allow' | 'deny') {
  const line = await commandLine(world)
  await browser.open(line.url)
  await decide(browser, decision)
  return line
}

test('#89 every action has exactly one event, with its actor, target, reason and request', {
  timeout: 60_000,
}, async () => {
  await using world = await createWorld()
  await using stack = new AsyncDisposableStack()
  const { ref, url, app } = await world.workspace({
    ...{ name: 'nb', owner: 'alice' },
    spec: { idleShutdown: { enabled: true, idleTimeoutInMinutes: 600 } },
  })
  const none = { namespace: 'team', name: 'none' }
  const seen = new Set<string>()
  const login = await world.as('carol')
  const [alice, bob, dave] = [await world.as('alice'), await world.as('bob'), await world.as('dave')]
  const stranger = world.browser()

  /** What it leaves in the trail; a line of a person or a stranger has the request and the client. */
  const leaves = async (what: string, said: readonly Said[], act: () => Promise<unknown>, isByRequest = true) => {
    const before = world.audit.length
    await act()
    await world.until(() => world.audit.length >= before + said.length, `the events of: ${what}`).catch(() => undefined)
    // Whatever would come in addition had its time.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    const lines = world.audit.slice(before)
    expect.soft(lines.map(say), what).toEqual(said)
    for (const line of lines) {
      seen.add(line.event)
      if (isByRequest)
        expect(line, what).toMatchObject({ requestId: expect.stringMatching(/^\S{6,}$/), client: '127.0.0.1' })
      if (line.user !== undefined) expect(line.session, what).toEqual(expect.any(String))
    }
    return lines
  }
  const api0 = (browser: ScriptedBrowser, method: 'POST' | 'DELETE', path: string, body?: unknown) => () =>
    callApi(world, browser, method, path, body)
  const post = (path: string, body: string, type = 'application/json') =>
    plainRequest(world.origin + path, { method: 'POST', headers: { 'Content-Type': type }, body })

  // Logins.
  await leaves('a login', ['login bob - -'], () => world.as('bob'))
  await leaves('a login that the issuer did not begin', ['deny nobody - login:state_foreign'], () =>
    stranger.open(`${world.origin}${paths.callback}?state=made-up&code=x`),
  )
  const other = world.browser()
  const callback = await callbackOf(world, other, 'bob')
  await leaves('a callback from another issuer', [expect.stringMatching(/^deny nobody - login:/)], () =>
    other.navigate(changed(callback, { iss: 'https://evil.example' })),
  )
  await leaves('a page without a login', [], () => stranger.open(`${world.origin}/`))
  await leaves('the API without a login', ['deny nobody - login-needed'], () =>
    plainRequest(world.origin + api.sessions),
  )

  // Requests to workspaces.
  await leaves('the first request of hers', ['allow alice team/nb owner'], () => alice.open(url))
  await leaves('further ones', [], () => alice.open(`${url}x`))
  await leaves('a script without a login', ['deny nobody team/nb login-needed:none'], () => plainRequest(url))
  await leaves('a socket without a login', ['deny nobody team/nb login-needed:none'], () =>
    refusedSocket(undefined, url),
  )
  await leaves('a stranger to it', ['deny dave team/nb no-grant'], () => dave.open(url))
  await leaves('a socket of a stranger to it', ['deny dave team/nb no-grant'], () => refusedSocket(dave, url))
  await leaves('what does not exist', ['deny dave team/none no-such-workspace'], () => dave.open(world.url(none)))
  await leaves('keeping it', ['keep alice team/nb -'], api0(alice, 'POST', api.keep(ref)))
  await leaves('a stranger who would keep it', ['deny dave team/nb no-grant'], api0(dave, 'POST', api.keep(ref)))
  await leaves('a port that does not exist', ['deny alice team/nb no-such-port'], () => alice.open(world.url(ref, 22)))
  await leaves('a page of somebody else', ['deny alice team/nb cross-origin:origin_foreign'], () =>
    plainRequest(url, {
      method: 'POST',
      body: 'x',
      headers: { ...cookieFor(alice, url), Origin: 'http://evil.example' },
    }),
  )
  await leaves('a page of somebody else at the API', ['deny alice - cross-origin:origin_foreign'], () =>
    plainRequest(world.origin + api.stop(ref), {
      method: 'POST',
      headers: { ...cookieFor(alice, world.origin), Origin: 'http://evil.example' },
    }),
  )
  await leaves('another host', ['deny nobody - foreign_host'], () =>
    plainRequest(url, { headers: { Host: 'evil.example' } }),
  )
  await leaves('a target that is none', ['deny nobody - target_double_slash'], () => plainRequest(`${world.origin}//x`))
  await leaves('a ticket that was made up', [expect.stringMatching(/^deny nobody - ticket:/)], () =>
    plainRequest(`${new URL(url).origin}${paths.accept}?ticket=made-up`, { headers: { 'Sec-Fetch-Mode': 'navigate' } }),
  )

  // Shares.
  let made = ''
  await leaves('a share', ['share-created alice team/nb -'], async () => {
    made = (await share(world, alice, ref, withBob)).name
  })
  await leaves('its grantee', [`allow bob team/nb share:team/${made}`], () => bob.open(url))
  await leaves('who may not share', ['deny bob team/nb may-not-share'], api0(bob, 'POST', api.shares(ref), withBob))
  await leaves('who may not revoke', ['deny bob team/nb may-not-share'], api0(bob, 'DELETE', api.share(ref, made)))
  await leaves(
    'who may not make owners',
    ['deny alice team/nb may-not-appoint-owners'],
    api0(alice, 'POST', api.shares(ref), { ...withBob, access: 'own' }),
  )

  // Streams.
  const grant = `share:team/${made}`
  const sockets: Awaited<ReturnType<typeof openSocket>>[] = []
  await leaves(
    'a socket',
    [`stream-opened bob team/nb ${grant}`],
    async () => void sockets.push(await openSocket(bob, url)),
  )
  await leaves('its end', ['stream-closed bob team/nb closed'], async () => {
    sockets[0]?.ws.close()
    await sockets[0]?.closed
  })
  await leaves(
    'another one',
    [`stream-opened bob team/nb ${grant}`],
    async () => void sockets.push(await openSocket(bob, url)),
  )
  await leaves(
    'a share revoked, and with it what was open',
    ['share-revoked alice team/nb asked', 'stream-closed bob team/nb ended'],
    async () => {
      await callApi(world, alice, 'DELETE', api.share(ref, made))
      await sockets[1]?.closed
    },
  )
  await leaves('revoked again', [], api0(alice, 'DELETE', api.share(ref, made)))

  // Start and stop.
  await leaves('who may not stop', ['deny bob team/nb no-grant'], api0(bob, 'POST', api.stop(ref)))
  await leaves('a stop', ['stop alice team/nb asked'], api0(alice, 'POST', api.stop(ref)))
  await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Stopped', 'it is stopped')
  await leaves('a stop of what is stopped', [], api0(alice, 'POST', api.stop(ref)))
  await leaves('a start', ['start alice team/nb asked'], api0(alice, 'POST', api.start(ref)))

  // Command lines.
  const line = stack.use(await consent(world, bob, 'deny'))
  expect(line.answers.at(-1)?.get('error')).toBe('access_denied')
  expect(world.audit.slice(-1).map(say)).toEqual(['deny bob - cli:declined'])
  await leaves('a consent that was made up', ['deny bob - cli:consent_invalid'], async () => {
    const page = await bob.open(`${world.origin}/`)
    await bob.navigate(`${world.origin}${paths.cliAuthorize}`, {
      method: 'POST',
      from: page,
      body: 'form=made-up&decision=allow',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
  })
  let allowed: Awaited<ReturnType<typeof consent>> | undefined
  await leaves('a command line', ['login bob - -'], async () => {
    allowed = stack.use(await consent(world, bob, 'allow'))
    await world.until(() => allowed?.answers.length === 1, 'its code')
  })
  await leaves('its code by another one', ['deny nobody - cli:verifier_wrong'], () =>
    post(
      paths.cliToken,
      JSON.stringify({ code: allowed?.answers.at(-1)?.get('code') ?? '', verifier: 'w'.repeat(43) }),
    ),
  )
  const bearer = await bearerOf(world, 'carol')
  const certificate = (workspace: object) => () =>
    plainRequest(world.origin + paths.sshCertificate, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...bearer },
      body: JSON.stringify({ publicKey: sshKey, workspaces: [workspace] }),
    })
  await leaves('an SSH certificate', ['ssh-certificate carol - -'], certificate(ref))
  await leaves('one for what does not exist', ['deny carol team/none ssh:no-such-workspace'], certificate(none))
  await leaves('a code that was made up', ['deny nobody - cli:code_invalid'], () =>
    post(paths.cliToken, JSON.stringify({ code: 'made-up', verifier: 'w'.repeat(43) })),
  )

  // Sessions, and their ends.
  const carols = sessionOf(world, 'carol')
  await leaves(
    'a session of somebody else',
    ['deny dave - may-not-end-session'],
    api0(dave, 'DELETE', api.session(carols)),
  )
  await leaves('a logout token that was made up', [expect.stringMatching(/^deny nobody - logout:/)], () =>
    post(paths.backchannelLogout, 'logout_token=made-up', 'application/x-www-form-urlencoded'),
  )
  await leaves(
    'a session ended by an administrator',
    ['session-ended carol - revoked-by:carol'],
    api0(login, 'DELETE', api.session(sessionOf(world, 'dave'))),
  )
  await alice.open(`${world.origin}/`)
  await leaves('a logout', ['logout alice - -'], () => press(alice, paths.logout))
  await world.as('alice')
  await leaves(
    'a lock',
    ['session-ended alice - locked'],
    async () => world.open.identities.sessions.setLocked(['alice']),
    false,
  )
  // Whose browser was logged in twice has two sessions, and the command line is a third one.
  await leaves(
    'a logout at the issuer',
    Array.from({ length: 3 }, () => 'session-ended bob - logged-out-at-issuer'),
    () => world.identityProvider.admin.endSessions('bob'),
    false,
  )

  // Of nobody in particular more than a few are told once, with their number (unit/observe/audit.test.ts).
  expect(Object.keys(events).filter((event) => !seen.has(event))).toEqual(['deny-more'])
  expect(app.requests.every(({ url: target }) => !target.includes('ticket'))).toBe(true)
})

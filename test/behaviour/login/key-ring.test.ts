import { decodeProtectedHeader } from 'jose'
import { describe, expect, test } from 'vitest'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor } from '../gateway/scene.ts'

const second = 1_000
const hour = 3_600_000

async function scene() {
  await using stack = new AsyncDisposableStack()
  const clock = fakeClock()
  stack.use(dateFollows(clock))
  const world = stack.use(
    await createWorld({
      clock,
      settings: (settings) => ({ ...settings, sessions: { ...settings.sessions, renewEvery: 12 * hour } }),
    }),
  )
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice', spec: { accessType: 'Public' } })
  const running = stack.move()
  return { clock, world, url, app, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Of the key that has signed this browser's cookie at a place. */
function kidOf(browser: ScriptedBrowser, url: string): string {
  return /gatehouse(?:-ws)?-\d+=([0-9a-f]{8})\./.exec(cookieFor(browser, url).Cookie ?? '')?.[1] ?? ''
}

const kidsOf = ({ open }: World) => open.identities.keyRing.all().map(({ kid }) => kid)

async function prune({ resources }: World, kid: string): Promise<void> {
  const [record] = (await resources.list(keyRingKind)).items.filter(({ metadata }) => metadata.name === keyRingName)
  if (!record) throw new Error('no key ring')
  await resources.replace(keyRingKind, { ...record, spec: { keys: record.spec.keys.filter((key) => key.kid !== kid) } })
}

describe('a key that is rotated', { timeout: 180_000 }, () => {
  test('#84 [JK11.3] is followed by one that signs nothing for its first 5 s; sessions of the old one work on, everywhere, until it is pruned', async () => {
    await using s = await scene()
    const { world, clock, url } = s
    const other = await world.replica()
    await clock.advance(second)
    const alice = await world.as('alice')
    await alice.open(url)
    using socket = await openSocket(alice, url)
    const [old = ''] = kidsOf(world)
    expect([kidOf(alice, `${world.origin}/`), kidOf(alice, url)]).toEqual([old, old])

    await world.open.identities.keyRing.rotateNow()
    await world.until(() => other.open.identities.keyRing.all().length === 2, 'the other replica has heard of it')
    const [, fresh = ''] = kidsOf(world)
    await clock.advance(5 * second - 1)
    const early = await world.as('bob')
    await early.open(url)
    expect([kidOf(early, `${world.origin}/`), kidOf(early, url)]).toEqual([old, old])
    expect(assertionKid(s.app)).toBe(old)
    await clock.advance(1)
    const late = await world.as('carol')
    await late.open(url)
    expect([kidOf(late, `${world.origin}/`), kidOf(late, url)]).toEqual([fresh, fresh])
    expect(assertionKid(s.app)).toBe(fresh)
    const jwks = JSON.parse((await plainRequest(world.origin + paths.jwks)).body)
    expect(jwks.keys.map(({ kid }: { kid: string }) => kid).sort()).toEqual([old, fresh].sort())

    // Old and new, console and workspace, on either replica.
    const statuses = (browser: ScriptedBrowser) =>
      Promise.all(
        [world.port, other.port].flatMap((port) => [
          plainRequest(world.origin + api.whoami, { port, headers: cookieFor(browser, `${world.origin}/`) }),
          plainRequest(url, { port, headers: cookieFor(browser, url) }),
        ]),
      ).then((answers) => answers.map(({ status }) => status))
    for (const hours of [1, 3, 6]) {
      await clock.advance(hours * hour)
      for (const browser of [alice, early, late]) expect(await statuses(browser)).toEqual([200, 200, 200, 200])
    }
    expect(String(await socket.ask('x'))).toBe('x')

    await prune(world, old)
    await world.until(() => other.open.identities.keyRing.all().length === 1, 'the other replica has heard of it')
    for (const browser of [alice, early]) expect(await statuses(browser)).toEqual([401, 401, 401, 401])
    expect(await statuses(late)).toEqual([200, 200, 200, 200])
  })

  test('is rotated daily by itself and pruned when nothing that it has signed can live any more', async () => {
    await using s = await scene()
    const { world, clock } = s
    const [first = ''] = kidsOf(world)
    await clock.advance(24 * hour)
    await world.until(() => kidsOf(world).length === 2, 'there is a second key')
    await clock.advance(10 * second)
    expect(kidOf(await world.as('alice'), `${world.origin}/`)).not.toBe(first)
    await clock.advance(12 * hour)
    await world.until(() => !kidsOf(world).includes(first), 'the first key is gone')
    expect(kidsOf(world)).toHaveLength(1)
  })

  test('takes what was sealed with it along when it is pruned: an old login attempt begins anew', async () => {
    await using s = await scene()
    const { world, clock } = s
    const browser = world.browser()
    await browser.open(`${world.origin}/`)
    const [old = ''] = kidsOf(world)
    await world.open.identities.keyRing.rotateNow()
    await clock.advance(6 * second)
    await prune(world, old)
    const page = await browser.login('alice', world.identityProvider.password)
    expect(page.status).toBe(400)
    expect(page.body).toContain('href="/.gatehouse/login"')
    expect((await world.as('alice')).page.status).toBe(200)
  })
})

function assertionKid({ requests }: { requests: readonly { rawHeaders: readonly string[] }[] }): unknown {
  const [token = ''] = headersOf(requests.at(-1) ?? { rawHeaders: [] }, 'X-Gatehouse-Assertion')
  return decodeProtectedHeader(token).kid
}

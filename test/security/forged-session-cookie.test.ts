/** Session cookies that are not ours, not whole, not for this place, or no longer good (CVE-2026-25748). */
import { describe, expect, test } from 'vitest'
import { cookieValues } from '#http/cookies.ts'
import type { CookieScope } from '#identity/authentication.ts'
import type { KeyRing } from '#identity/key-ring.ts'
import { deriveRingKey } from '#identity/ring-key.ts'
import { signSessionId } from '#identity/session-cookie.ts'
import { newSessionId, parseSessionId, parseSessionName } from '#identity/session-id.ts'
import { Secret } from '#settings/secret.ts'
import { api } from '#surface/urls.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { openTenants, settled, type Tenants, useTenants } from '#test/support/tenants.ts'
import { askThreeWays, type ThreeAnswers } from '#test/support/three-ways.ts'

interface Place {
  readonly target: string
  readonly scope: CookieScope
  /** The cookie that is good there. */
  readonly name: string
  readonly value: string
  /** What else her browser sends there, none of which says who she is. */
  readonly beside: string
}

/** Where alice is logged in: her workspace and the console. */
function placesOf({ world, a, alice }: Tenants): readonly Place[] {
  const { authenticator } = world.open.identities
  const placed = (target: string, scope: CookieScope): Place => {
    const name = authenticator.cookieName(scope)
    const url = new URL(target, `http://${scope.authority}`)
    const header = alice.cookies.header({ url, isSameSite: true, isSafeNavigation: true })
    const [value] = cookieValues(header, name)
    if (value === undefined) throw new Error(`no ${name} for ${url}`)
    const others = (header ?? '').split('; ').filter((cookie) => !cookie.startsWith(`${name}=`))
    return { target, scope, name, value, beside: others.map((cookie) => `${cookie}; `).join('') }
  }
  return [
    placed(`${a.prefix}lab`, { kind: 'workspace', authority: a.authority, path: a.prefix }),
    placed(api.whoami, { kind: 'console', authority: new URL(world.origin).host, path: '/' }),
  ]
}

function ask({ world }: Tenants, { target, scope, beside }: Place, cookie: string): Promise<ThreeAnswers> {
  return askThreeWays({ port: world.port, target, host: scope.authority, cookie: beside + cookie })
}

/** A navigation is led to the login, everything else is a 401, and no workspace hears of it. */
async function expectNobody(tenants: Tenants, place: Place, cookie: string): Promise<void> {
  const before = tenants.upstreamBytes()
  expect(await ask(tenants, place, cookie), `${place.target} ${cookie}`).toEqual({
    navigation: 302,
    location: expect.stringMatching(/^(http:\/\/localhost:\d+)?\/\.gatehouse\/(handover|login)\?/),
    script: 401,
    // The console has no sockets at all.
    socket: place.scope.kind === 'console' ? 404 : 401,
  })
  await settled()
  expect(tenants.upstreamBytes()).toBe(before)
}

/** The same session, signed by a key or for a place that are not the right ones. */
function forgeriesOf(keyRing: KeyRing, { scope, value }: Place): readonly string[] {
  const [kid = '', text = ''] = value.split('.')
  const id = parseSessionId(text)
  if (!id) throw new Error('no id in the cookie')
  expect(signSessionId(keyRing, id, scope)).toBe(value)
  const forger = (as: string): KeyRing => {
    const key = deriveRingKey(as, 0, new Secret(Buffer.alloc(32, 7).toString('base64url')))
    return { ...keyRing, current: () => key }
  }
  return [
    signSessionId(forger(kid), id, scope),
    signSessionId(forger('0badc0de'), id, scope),
    signSessionId(keyRing, newSessionId(), scope),
    signSessionId(keyRing, id, { kind: 'cli', authority: scope.authority, path: '/' }),
    signSessionId(keyRing, id, { ...scope, kind: scope.kind === 'console' ? 'workspace' : 'console' }),
    signSessionId(keyRing, id, { ...scope, authority: `${scope.authority}0` }),
    signSessionId(keyRing, id, { ...scope, path: `${scope.path}x/` }),
  ]
}

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#34 the cookie itself is good where it belongs', async () => {
    for (const place of placesOf(tenants()))
      expect(await ask(tenants(), place, `${place.name}=${place.value}`)).toMatchObject({
        navigation: 200,
        script: 200,
      })
  })

  test('#34 none, an empty one, garbage, or one that is too short or too long is nobody’s', async () => {
    for (const place of placesOf(tenants())) {
      const { name, value } = place
      const [kid, id, mac] = value.split('.')
      const values = [
        ...['', 'x', '...', '.', 'null', '"', '%00', '{}', 'a'.repeat(97), 'é'.repeat(97), 'a'.repeat(4_000)],
        ...[1, 2, 43, 44, 87, 96].map((length) => value.slice(0, -length)),
        ...[`${value}x`, `${value}.`, `${value}=`, `x${value}`, ` ${value} x`, `"${value}"`, value.toUpperCase()],
        ...[
          `${kid}.${id}.`,
          `${kid}..${mac}`,
          `.${id}.${mac}`,
          `${id}.${mac}`,
          `${kid}.${mac}.${id}`,
          `${kid}.${id}.${id}`,
        ],
      ]
      for (const one of values) await expectNobody(tenants(), place, `${name}=${one}`)
      await expectNobody(tenants(), place, 'theme=dark')
    }
  })

  test('#34 one with a single bit changed anywhere is nobody’s', async () => {
    const [place] = placesOf(tenants())
    if (!place) throw new Error('no place')
    const { name, value } = place
    for (let index = 0; index < value.length; index += 3) {
      const flipped = String.fromCharCode(value.charCodeAt(index) ^ (index % 2 === 0 ? 1 : 2))
      if (flipped === ';') continue
      await expectNobody(tenants(), place, `${name}=${value.slice(0, index)}${flipped}${value.slice(index + 1)}`)
    }
  })

  test('#34 one by another key, for a session that never was, or under another name is nobody’s', async () => {
    for (const place of placesOf(tenants())) {
      const { name, value } = place
      for (const forged of forgeriesOf(tenants().world.open.identities.keyRing, place))
        await expectNobody(tenants(), place, `${name}=${forged}`)
      const names = ['gatehouse', '__Host-gatehouse', `${name}x`, `x${name}`, name.toUpperCase(), `${name}-0`]
      for (const other of names) await expectNobody(tenants(), place, `${other}=${value}`)
    }
  })

  test('#34 one of a session that has run out is nobody’s from that moment', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using aging = await openTenants({ mode, clock })
    const alices = () => aging.world.open.identities.sessions.find(({ spec }) => spec.username === 'alice')
    const places = placesOf(aging)
    const [{ spec: { expiresAt } = {} } = {}] = alices()
    await clock.advance(Date.parse(expiresAt ?? '') - clock.now())
    expect(alices()).toEqual([])
    for (const place of places) await expectNobody(aging, place, `${place.name}=${place.value}`)
  })

  test('#34 one of a session that was ended is nobody’s from that moment', async () => {
    await using ending = await openTenants({ mode })
    const places = placesOf(ending)
    const { sessions } = ending.world.open.identities
    for (const { metadata } of sessions.find(({ spec }) => spec.username === 'alice')) {
      const name = parseSessionName(metadata.name)
      if (name) await sessions.end(name, 'revoked')
    }
    for (const place of places) await expectNobody(ending, place, `${place.name}=${place.value}`)
  })
})

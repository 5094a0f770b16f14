/**
 * Targets that anybody can write into a link of ours: a login, a hand-over or an open page leads to our own places only, read as a browser reads them
 * (the payloads: test/support/open-redirects.ts, and those of test/support/composed-redirects.ts that are put together from parts).
 */
import { describe, expect, test } from 'vitest'
import { api, openPath, paths } from '#surface/urls.ts'
import { composedRedirects, lookAlikes } from '#test/support/composed-redirects.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'
import { openRedirects, openRedirectVariants } from '#test/support/open-redirects.ts'
import { type PlainAnswer, plainRequest } from '#test/support/plain-request.ts'
import { navigationFields } from '#test/support/three-ways.ts'

const origin = 'https://console.test'
/** Hundreds of logins and pages, one after the other; how long they take is no claim. */
const timeout = 90_000
/** Longer ones don't get as far as that: the whole target is refused with 414. */
const fits = (payload: string) => encodeURIComponent(payload).length < 6_000
/** A login takes three requests: every third of the composed ones will do. */
const payloads = [...new Set([...Object.values(openRedirects).flat(), ...composedRedirects({ every: 3 })])].filter(fits)
/** In every spelling, and each start with each host, where a request is all that it takes. */
const spellings = [...new Set([...openRedirectVariants(), ...composedRedirects(), ...lookAlikes])].filter(fits)
const navigation: Record<string, string> = {}
for (let index = 0; index < navigationFields.length; index += 2)
  navigation[navigationFields[index] ?? ''] = navigationFields[index + 1] ?? ''

/** Behind a balancer that ends TLS, so that the payloads' `https://console.test` is plainly ours. */
async function scene() {
  const made = await faultyIssuerWorld({
    settings: (settings) => ({ ...settings, domain: 'console.test', external: { scheme: 'https', port: 443 } }),
  })
  const { world } = made
  const ask = (url: string, Cookie?: string) =>
    plainRequest(url.replace('https:', 'http:'), {
      port: world.port,
      headers: { ...navigation, ...(Cookie === undefined ? {} : { Cookie }) },
    })
  const logIn = async (path: string) => {
    const start = await ask(origin + path)
    const issuers = await plainRequest(start.headers.location ?? '')
    const callback = new URL(issuers.headers.location ?? '')
    return ask(`${origin}${callback.pathname}${callback.search}`, cookiesOf(start))
  }
  return { made, world, ask, logIn, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() }
}

function cookiesOf({ headers }: PlainAnswer): string {
  const pairs = (headers['set-cookie'] ?? []).filter((text) => !text.includes('Max-Age=0'))
  return pairs.map((text) => text.split(';', 1)[0]).join('; ')
}

/** Where a browser would go. */
const placeOf = (answer: PlainAnswer) => new URL(answer.headers.location ?? 'about:blank', origin)

test('#51 [JK2.6] a login leads back to our own places alone, whatever the link that began it says', {
  timeout,
}, async () => {
  await using s = await scene()
  expect(payloads.length).toBeGreaterThanOrEqual(558)
  for (const payload of payloads) {
    const done = await s.logIn(`${paths.login}?to=${encodeURIComponent(payload)}`)
    expect([done.status, done.headers.location], payload.slice(0, 80)).toEqual([303, '/'])
  }
  for (const good of [
    '/',
    '/.gatehouse/whoami',
    '/.gatehouse/open/team/nb?to=%2Flab%3Fx%3D%2F%2Fevil.test',
    `${origin}/x?y`,
    ...lookAlikes,
  ]) {
    const done = await s.logIn(`${paths.login}?to=${encodeURIComponent(good)}`)
    expect([done.headers.location, placeOf(done).origin]).toEqual([good, origin])
  }
})

test('#51 nor by what is written raw into the query, twice, or under another name', async () => {
  await using s = await scene()
  const queries = [
    'to=//evil.test',
    'to=https://evil.test',
    'to=/%5cevil.test',
    'to=/%09/evil.test',
    'to=%2f%2fevil.test',
    'to=https:evil.test',
    'to=/&to=//evil.test',
    'to=//evil.test&to=/',
    'to[]=//evil.test',
    'return=//evil.test&next=//evil.test&redirect_uri=https://evil.test&rd=https://evil.test',
  ]
  for (const query of queries) {
    const place = placeOf(await s.logIn(`${paths.login}?${query}`))
    expect([place.origin, place.pathname], query).toEqual([origin, '/'])
  }
})

test('#51 the page that waits for an issuer keeps no such target either', async () => {
  await using s = await scene()
  s.made.issuer.faults = { answer: (_path, response) => response.writeHead(500).end() !== undefined }
  const bodyOf = async (query: string) => {
    const page = await s.ask(`${origin}${paths.login}${query}`)
    expect(page.status).toBe(503)
    return page.body.replaceAll(/ nonce="[^"]*"|<code>[^<]*<\/code>/g, '')
  }
  const plain = await bodyOf('')
  for (const payload of payloads) expect(await bodyOf(`?to=${encodeURIComponent(payload)}`), payload).toBe(plain)
})

describe('somebody who is logged in', () => {
  async function loggedIn() {
    const s = await scene()
    const Cookie = cookiesOf(await s.logIn(paths.login))
    return { ...s, Cookie, [Symbol.asyncDispose]: () => s[Symbol.asyncDispose]() }
  }

  test('#51 is handed over to workspaces of ours alone', { timeout }, async () => {
    await using s = await loggedIn()
    const { url } = await s.world.workspace({ name: 'nb', owner: 'alice' })
    const nonce = 'A'.repeat(43)
    const handover = (to: string) => s.ask(`${origin}${paths.handover}?${new URLSearchParams({ to, nonce })}`, s.Cookie)
    const label = new URL(url).hostname.split('.')[0]
    expect(spellings.length).toBeGreaterThanOrEqual(558)
    const foreign = [
      ...spellings,
      ...[`${origin}/`, `${origin}${paths.whoami}`, 'https://evil.test/', `https://${label}.evil.test/`],
      ...[`https://${label}.console.test.evil.test/`, `https://${label}.console.test@evil.test/`],
      ...[
        `https://${label}.console.test:444/`,
        `http://${label}.console.test/`,
        `https://${label}.console.test\\@evil.test/`,
      ],
      ...[
        `https://x.${label}.console.test/`,
        `https://${label}xconsole.test/`,
        `//${label}.console.test/`,
        url.toUpperCase(),
      ],
    ]
    for (const to of foreign) {
      const answer = await handover(to)
      expect([answer.status, answer.headers.location], to.slice(0, 80)).toEqual([400, undefined])
    }
    const good = placeOf(await handover(`${url}lab?x=//evil.test`))
    expect([good.origin, good.pathname]).toEqual([new URL(url).origin, paths.accept])
  })

  test('#51 comes from the page of a workspace to that workspace alone', { timeout }, async () => {
    await using s = await loggedIn()
    const { ref, url } = await s.world.workspace({ name: 'nb', owner: 'alice' })
    for (const payload of [...payloads, ...lookAlikes]) {
      const page = await s.ask(`${origin}${openPath(ref)}?to=${encodeURIComponent(payload)}`, s.Cookie)
      expect(page.status, payload).toBe(200)
      // Where the page goes on to by itself, and whatever else it leads to.
      const links = [...page.body.matchAll(/ (?:href|action|src)="([^"]*)"|;url=([^"]*)"/g)].map(
        ([, link, refresh = '']) => link ?? refresh,
      )
      const places = links.map((link) => new URL(link.replaceAll('&amp;', '&'), origin))
      expect(
        links.some((link) => link.startsWith(url)),
        payload,
      ).toBe(true)
      expect(new Set(places.map((place) => place.origin)), payload).toEqual(new Set([origin, new URL(url).origin]))
    }
  })

  test('#51 is sent to no command line but one on this very machine', { timeout }, async () => {
    await using s = await loggedIn()
    const rest = {
      code_challenge: 'A'.repeat(43),
      code_challenge_method: 'S256',
      state: 'a'.repeat(32),
      device: 'laptop',
    }
    const ask = (uri: string) =>
      s.ask(`${origin}${paths.cliAuthorize}?${new URLSearchParams({ redirect_uri: uri, ...rest })}`, s.Cookie)
    const foreign = [
      ...payloads,
      ...lookAlikes,
      ...[
        'https://evil.test/',
        'http://evil.test:8080/',
        'http://localhost:49152/',
        'http://127.0.0.1/',
        'http://127.0.0.1:80/',
      ],
      ...[
        'http://127.0.0.1:49152@evil.test/',
        'http://127.0.0.1.evil.test:49152/',
        'https://127.0.0.1:49152/',
        'http://127.1:49152/',
      ],
      ...[
        'http://127.0.0.1:49152/?x=1',
        'http://127.0.0.1:49152/#x',
        'http://127.0.0.1:49152\\@evil.test/',
        'http://[::2]:49152/',
      ],
      ...[
        'http://0.0.0.0:49152/',
        'http://2130706433:49152/',
        'HTTP://127.0.0.1:49152/',
        'http://127.0.0.1:99999/',
        'gatehouse://x',
      ],
    ]
    for (const uri of foreign) {
      const answer = await ask(uri)
      expect([answer.status, answer.headers.location], uri.slice(0, 80)).toEqual([400, undefined])
    }
    for (const own of ['http://127.0.0.1:49152/done', 'http://[::1]:49152/']) expect((await ask(own)).status).toBe(200)
  })

  test('#51 is not redirected by anything else in a query of ours', async () => {
    await using s = await loggedIn()
    const query =
      'to=//evil.test&next=https://evil.test&post_logout_redirect_uri=https://evil.test&at=//evil.test&ticket=x'
    for (const path of [
      paths.console,
      paths.whoami,
      paths.logout,
      paths.loggedOut,
      api.whoami,
      paths.accept,
      paths.callback,
    ]) {
      const answer = await s.ask(`${origin}${path}?${query}`, s.Cookie)
      expect(answer.headers.location, path).toBeUndefined()
      expect(answer.body, path).not.toContain('evil.test')
    }
  })
})

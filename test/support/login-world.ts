/** Logins at one or more issuers, as a browser without a screen and without a server of ours sees them: start, the issuer's answer, finish. */
import { request } from 'undici'
import { issuerDispatcher } from '#identity/issuer-dialer.ts'
import { type Issuers, openIssuers } from '#identity/issuers.ts'
import { createLogins, type LoginFinish, type LoginOptions, type LoginStart, type Logins } from '#identity/login.ts'
import { parseReturnTo, type ReturnTo } from '#identity/return-to.ts'
import { usernameClaims } from '#identity/username-claim.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import type { Secret } from '#settings/secret.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import { CookieJar } from './cookie-jar.ts'
import { dateFollows } from './date-follows.ts'
import { type FaultyIssuer, faultyIssuer } from './faulty-issuer.ts'
import { https, type IdentityWorld, identityWorld, namespace, type Replica } from './identity-world.ts'

export const consoleOrigin = 'https://ws.example.com'
export const redirectUri = `${consoleOrigin}/.gatehouse/callback`
export const returnToRules = {
  externalScheme: 'https',
  isOwnAuthority: (authority: string) => authority === 'ws.example.com',
} as const

export function returnTo(target: string): ReturnTo {
  const parsed = parseReturnTo(target, returnToRules)
  if (parsed === undefined) throw new Error(`not a target of ours: ${target}`)
  return parsed
}

export interface LoginSite extends Disposable {
  readonly replica: Replica
  readonly issuers: Issuers
  readonly logins: Logins
  readonly usernames: LoginOptions['usernames']
  /** A browser of its own. */
  visitor(): Visitor
}

export interface Visitor {
  readonly jar: CookieJar
  start(request?: { issuer?: string; returnTo?: string; isSilent?: boolean; attachment?: string }): Promise<LoginStart>
  /** Goes to the issuer, which needs no page to answer: the query it sends the browser back with. */
  atIssuer(start: LoginStart): Promise<URLSearchParams>
  finish(query: URLSearchParams): Promise<LoginFinish>
  /** All three. */
  login(request?: { issuer?: string; returnTo?: string }): Promise<LoginFinish>
}

export interface LoginSiteOptions {
  readonly issuers: readonly IssuerSettings[]
  readonly clientSecrets?: ReadonlyMap<string, Secret>
  readonly hangLimit?: number
}

export async function loginSite(world: IdentityWorld, options: LoginSiteOptions): Promise<LoginSite> {
  const replica = await world.replica()
  const ending = new AbortController()
  const { clock, log } = world
  const issuers = await openIssuers({
    settings: options.issuers,
    clientSecrets: options.clientSecrets ?? new Map(),
    ...{ redirectUri, lookup: localhostLookup, clock, log, signal: ending.signal },
    ...(options.hangLimit === undefined ? {} : { hangLimit: options.hangLimit }),
  })
  const usernames = usernameClaims({ resources: replica.resources, namespace })
  const { sealer, sessions } = replica
  const logins = createLogins({
    issuers,
    sealer,
    usernames,
    sessions,
    cookies: https,
    returnTo: returnToRules,
    clock,
    log,
  })
  return {
    ...{ replica, issuers, logins, usernames },
    visitor: () => visitor(logins, () => clock.now()),
    [Symbol.dispose]: () => ending.abort(),
  }
}

function visitor(logins: Logins, now: () => number): Visitor {
  const jar = new CookieJar(now)
  const callback = new URL(redirectUri)
  const cookieHeader = () => jar.header({ url: callback, isSameSite: false, isSafeNavigation: true })
  const take = (setCookies: readonly string[]) => {
    for (const header of setCookies) if (!jar.take(header, callback)) throw new Error(`a browser refuses ${header}`)
  }
  const one: Visitor = {
    jar,
    async start({ returnTo: target = '/', ...more } = {}) {
      const start = await logins.start({ returnTo: returnTo(target), cookieHeader: cookieHeader(), ...more })
      if (start.kind === 'redirect') take(start.setCookies)
      return start
    },
    async atIssuer(start) {
      if (start.kind !== 'redirect') throw new Error(`the login did not start: ${start.kind}`)
      const dispatcher = issuerDispatcher({ lookup: localhostLookup, connectTimeout: 5_000, longestBody: 1_000_000 })
      const answer = await request(start.location, { dispatcher })
      await answer.body.dump()
      await dispatcher.destroy()
      return new URL(String(answer.headers.location)).searchParams
    },
    async finish(query) {
      const finish = await logins.finish(query, cookieHeader())
      if (finish.kind === 'restarted') {
        if (finish.start.kind === 'redirect') take(finish.start.setCookies)
      } else take(finish.setCookies)
      return finish
    },
    login: async (what) => one.finish(await one.atIssuer(await one.start(what))),
  }
  return one
}

export interface FaultyWorld extends AsyncDisposable {
  readonly world: IdentityWorld
  readonly issuer: FaultyIssuer
  readonly site: LoginSite
}

/** One issuer whose faults a test chooses, and a gateway that logs people in there. The time is the fake clock's, for both. */
export async function faultyWorld(options: { readonly hangLimit?: number } = {}): Promise<FaultyWorld> {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(identityWorld())
  stack.use(dateFollows(world.clock))
  const issuer = stack.use(await faultyIssuer())
  const site = stack.use(await loginSite(world, { issuers: [issuer.settings], ...options }))
  const all = stack.move()
  return { world, issuer, site, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/**
 * The OpenID provider of the laptop mode, so that a login there runs through the same code as one at Keycloak.
 * Reached over loopback only, and by its own names only.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Secret } from '#settings/secret.ts'
import { type ProviderState, providerState } from './adapter.ts'
import { attempts } from './attempts.ts'
import { cookieKey, rotateSigningKeys, signingKeys } from './keys.ts'
import { answerLogin, send } from './login.ts'
import { listenOnLoopback, stopListening } from './loopback.ts'
import { contentSecurityPolicy, messagePage } from './pages.ts'
import { type People, type Person, people } from './people.ts'
import { createProvider, type ProviderClient } from './provider.ts'
import { openReach, type Reach } from './reach.ts'
import type { KeyValueTable } from './table.ts'

export interface IdentityProviderOptions {
  readonly port: number
  /** The `Host` headers that are answered, `idp.localhost:8801`; any other gets 421, so that no foreign name reaches it (DNS rebinding). */
  readonly hosts: readonly string[]
  /** `http://idp.localhost:8801` */
  readonly issuer: string
  readonly clients: readonly ProviderClient[]
  readonly users: readonly Person[]
  /** The one password of all users. */
  readonly password: Secret
  readonly table: KeyValueTable
  /** How clients are told that somebody has logged out. */
  readonly reach: Reach
  readonly clock: Clock
  readonly log: Log
  /** Ends it. */
  readonly signal: AbortSignal
}

export interface IdentityProvider {
  readonly issuer: string
  readonly admin: IdentityProviderAdmin
  /** Settles when it has ended. */
  readonly closed: Promise<void>
}

/** What an administrator of a real provider can do; for tests. */
export interface IdentityProviderAdmin {
  /** New tokens are signed with a new key; the old one stays published unless `keepOld` is false. */
  rotateKeys(options?: { keepOld?: boolean }): void
  /** Seen from the next token on. */
  setGroups(username: string, groups: readonly string[]): void
  /** Every token of that person is refused from now on; nobody is told. */
  revokeGrants(username: string): void
  /** Ends that person's logins, and sends a logout token to each client that wants one. */
  endSessions(username: string): Promise<void>
  /** Plays dead: connections are refused. */
  stopListening(): Promise<void>
  startListening(): Promise<void>
}

export async function startIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  const { table, clock, log, signal } = options
  signal.throwIfAborted()
  const state = providerState(table, clock)
  const persons = people(options.users)
  const reach = openReach(options.reach)
  const build = (): Provider => {
    const provider = createProvider({
      ...options,
      people: persons,
      keys: signingKeys(table),
      cookieKey: cookieKey(table),
      adapter: state.adapter,
      fetch: reach.fetch,
    })
    for (const event of ['server_error', 'backchannel.error', 'error']) {
      provider.on(event, (...details) =>
        log.warn({ kind: event, error: details.find((detail) => detail instanceof Error) }, 'identity provider'),
      )
    }
    return provider
  }
  const current = { provider: build() }
  const answer = answerer(options, persons, current)
  const servers = [createServer(answer), createServer(answer)] as const
  await listenOnLoopback(servers, options.port)
  return {
    issuer: options.issuer,
    closed: closing(signal, async () => {
      await stopListening(servers)
      await reach.close()
    }),
    admin: {
      rotateKeys(rotation) {
        rotateSigningKeys(table, { keepOld: rotation?.keepOld ?? true })
        current.provider = build()
      },
      setGroups: persons.setGroups,
      revokeGrants: (username) => revokeGrants(state, persons.subjectOf(username)),
      endSessions: (username) => endSessions(state, current.provider, persons.subjectOf(username)),
      stopListening: () => stopListening(servers),
      startListening: () => listenOnLoopback(servers, options.port),
    },
  }
}

function closing(signal: AbortSignal, close: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => void close().then(resolve, reject)
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

function answerer(options: IdentityProviderOptions, persons: People, current: { readonly provider: Provider }): Answer {
  const { clock, log, password } = options
  const guesses = attempts(clock, (username) => persons.find(username) !== undefined)
  const headers = securityHeaders(options.clients)
  const { origin } = new URL(options.issuer)
  const clientNames = new Map(options.clients.map(({ clientId, name }) => [clientId, name]))
  const inTurn = queue()
  const route = async (request: IncomingMessage, response: ServerResponse) => {
    const { provider } = current
    const path = request.url?.split('?', 1)[0] ?? ''
    const callback = provider.callback()
    if (path.startsWith('/login/')) {
      return answerLogin(request, response, {
        provider,
        origin,
        clientNames,
        people: persons,
        password,
        attempts: guesses,
      })
    }
    // The library reads a login, changes it and writes it back: two authorizations of one browser at once would lose one's `sid`.
    if (path.startsWith('/authorize')) return inTurn(() => callback(request, response))
    return callback(request, response)
  }
  return (request, response) => {
    for (const [name, value] of headers) response.setHeader(name, value)
    if (!options.hosts.includes(request.headers.host ?? '')) {
      return send(response, 421, messagePage('Unknown host', `This identity provider is at ${options.issuer}.`))
    }
    route(request, response).catch((error: unknown) => {
      log.error({ error }, 'identity provider')
      if (response.headersSent) response.destroy()
      else send(response, 500, messagePage('Internal error', 'The identity provider failed. Try again.'))
    })
  }
}

/** Runs tasks one after another, whatever becomes of them. */
function queue(): (task: () => Promise<void>) => Promise<void> {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const done = last.then(task)
    last = done.catch(() => undefined)
    return done
  }
}

function securityHeaders(clients: readonly ProviderClient[]): ReadonlyMap<string, string> {
  const uris = clients.flatMap((client) => [...client.redirectUris, ...client.postLogoutRedirectUris])
  const targets = new Set(
    uris.map((uri) => new URL(uri)).flatMap(({ protocol, host }) => [`${protocol}//${host}`, `${protocol}//*.${host}`]),
  )
  return new Map([
    ['Content-Security-Policy', contentSecurityPolicy([...targets])],
    ['X-Content-Type-Options', 'nosniff'],
    // `no-referrer` would make the form's own Origin `null`.
    ['Referrer-Policy', 'same-origin'],
    ['Cache-Control', 'no-store'],
  ])
}

function revokeGrants(state: ProviderState, subject: string): void {
  const grants = new Set(
    state
      .all('Grant')
      .filter((grant) => grant.accountId === subject)
      .map((grant) => grant.jti),
  )
  for (const model of ['AccessToken', 'AuthorizationCode', 'RefreshToken']) {
    state.delete(model, (payload) => grants.has(payload.grantId))
  }
  state.delete('Grant', (payload) => payload.accountId === subject)
}

async function endSessions(state: ProviderState, provider: Provider, subject: string): Promise<void> {
  for (const { uid, accountId } of state.all('Session')) {
    const session = accountId === subject && uid !== undefined ? await provider.Session.findByUid(uid) : undefined
    if (!session) continue
    await session.destroy()
    for (const [clientId, { sid }] of Object.entries(session.authorizations ?? {})) {
      const client = await provider.Client.find(clientId)
      if (client?.backchannelLogoutUri !== undefined) await client.backchannelLogout(subject, sid)
    }
  }
}

/** The real embedded identity provider for a test, on a free port, with one client. Ends with the test's scope. */
import { randomUUID } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import { type IdentityProvider, startIdentityProvider } from '#idp/identity-provider.ts'
import { signingKeys } from '#idp/keys.ts'
import { demoPeople } from '#idp/people.ts'
import type { KeyValueTable } from '#idp/table.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { createLog } from '#observe/log.ts'
import { Secret } from '#settings/secret.ts'
import { paths } from '#surface/urls.ts'
import { freePort } from './free-port.ts'
import { inTurn } from './in-turn.ts'
import { memoryTable } from './memory-table.ts'

export interface TestIdentityProvider extends IdentityProvider, AsyncDisposable {
  readonly port: number
  readonly clientId: string
  readonly clientSecret: Secret
  /** Of all its users: alice, bob, carol (group admins), dave (group ds). */
  readonly password: string
  /** How many refresh tokens are good there at this moment, by the subject. */
  refreshTokens(): Readonly<Record<string, number>>
}

export interface TestIdentityProviderOptions {
  /** Where the client is, `http://localhost:8800`; gives its redirect addresses. */
  readonly clientOrigin: string
  /** Where the client may be as well. */
  readonly otherOrigins?: readonly string[]
  /** The paths of the client; Gatehouse's own when absent. */
  readonly callbackPath?: string
  readonly loggedOutPath?: string
  readonly backchannelLogoutPath?: string
  readonly port?: number
  readonly table?: KeyValueTable
  /** A fake one needs `dateFollows` as well: the library dates its tokens by `Date`. */
  readonly clock?: Clock
  /** For clients behind TLS under names of their own. */
  readonly lookup?: LookupFunction
  readonly clientCa?: string
}

const keysOfOne = inTurn(() => signingKeys(memoryTable()))

/** As a provider has it that was started before. */
function tableWithKeys(clock: Clock | undefined): KeyValueTable {
  const table = memoryTable(clock)
  table.set(
    'keys',
    keysOfOne().map((key) => ({ ...key, kid: randomUUID() })),
  )
  return table
}

export async function testIdentityProvider(options: TestIdentityProviderOptions): Promise<TestIdentityProvider> {
  const port = options.port ?? (await freePort())
  const clientSecret = new Secret('a-client-secret-of-the-tests-0123456789')
  const password = 'correct horse battery staple'
  const { clientOrigin, otherOrigins = [] } = options
  const origins = [clientOrigin, ...otherOrigins]
  const table = options.table ?? tableWithKeys(options.clock)
  const ending = new AbortController()
  const provider = await startIdentityProvider({
    port,
    hosts: [`idp.localhost:${port}`],
    issuer: `http://idp.localhost:${port}`,
    clients: [
      {
        clientId: 'gatehouse',
        name: 'Gatehouse',
        clientSecret,
        redirectUris: origins.map((origin) => `${origin}${options.callbackPath ?? paths.callback}`),
        postLogoutRedirectUris: origins.map((origin) => `${origin}${options.loggedOutPath ?? paths.loggedOut}`),
        backchannelLogoutUri: `${clientOrigin}${options.backchannelLogoutPath ?? paths.backchannelLogout}`,
      },
    ],
    users: demoPeople,
    password: new Secret(password),
    table,
    reach: { kind: 'network', lookup: options.lookup ?? localhostLookup, ca: options.clientCa },
    clock: options.clock ?? systemClock,
    log: createLog({ level: 'error', clock: systemClock, sink: { write: () => undefined } }),
    signal: ending.signal,
  })
  return {
    ...provider,
    port,
    clientId: 'gatehouse',
    clientSecret,
    password,
    refreshTokens() {
      const counts: Record<string, number> = {}
      for (const [, token] of table.entries('object:RefreshToken:')) {
        const { accountId, consumed } = token as { readonly accountId: string; readonly consumed?: number } // As the library writes it.
        if (consumed === undefined) counts[accountId] = (counts[accountId] ?? 0) + 1
      }
      return counts
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await provider.closed
    },
  }
}

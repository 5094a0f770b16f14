/**
 * The embedded OpenID provider behind TLS, as a pod runs it: mounted into the gateway's image beside `src`. Who tests can change its people, and
 * count what it was asked, on a port of its own that no Service has.
 *
 * Environment: `ISSUER`, `CLIENT_ORIGIN`, `CLIENT_SECRET`, `PASSWORD`, `PEOPLE` (how many further ones, `u0` and so on), `TLS` (folder with
 * `tls.crt`, `tls.key`, `ca.crt`).
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { startIdentityProvider } from '#idp/identity-provider.ts'
import { demoPeople } from '#idp/people.ts'
import type { KeyValueTable } from '#idp/table.ts'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { Secret } from '#settings/secret.ts'
import { paths } from '#surface/urls.ts'

function given(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

/** Nothing of it has to outlive the pod; what has expired is of no harm to a test. */
function table(): KeyValueTable {
  const values = new Map<string, unknown>()
  return {
    get: (key) => values.get(key),
    set: (key, value) => void values.set(key, structuredClone(value)),
    delete: (key) => values.delete(key),
    entries: (prefix = '') => [...values].filter(([key]) => key.startsWith(prefix)),
  }
}

const inner = 8801
const ending = new AbortController()
const { signal } = ending
process.once('SIGTERM', () => process.exit(0))
const issuer = given('ISSUER')
const origin = given('CLIENT_ORIGIN')
const file = (name: string) => readFileSync(`${given('TLS')}/${name}`, 'utf8')

const further = Array.from({ length: Number(process.env.PEOPLE ?? 0) }, (_, index) => ({
  username: `u${index}`,
  name: `Person ${index}`,
  groups: [],
}))

const provider = await startIdentityProvider({
  port: inner,
  hosts: [new URL(issuer).host],
  issuer,
  clients: [
    {
      clientId: 'gatehouse',
      name: 'Gatehouse',
      clientSecret: new Secret(given('CLIENT_SECRET')),
      redirectUris: [`${origin}${paths.callback}`],
      postLogoutRedirectUris: [`${origin}${paths.loggedOut}`],
      backchannelLogoutUri: `${origin}${paths.backchannelLogout}`,
    },
  ],
  users: [...demoPeople, ...further],
  password: new Secret(given('PASSWORD')),
  table: table(),
  // Nobody resolves the client's name in here: logout tokens are tested elsewhere.
  reach: {
    kind: 'network',
    lookup: (_name, _options, done) => done(new Error('no such name'), ''),
    ca: file('ca.crt'),
  },
  clock: systemClock,
  log: createLog({ level: 'warn', clock: systemClock, sink: process.stdout }),
  signal,
})

/** How often each path was asked since the start. */
const asked = new Map<string, number>()

https
  .createServer({ cert: file('tls.crt'), key: file('tls.key') }, (request, response) => {
    const [path = ''] = (request.url ?? '').split('?', 1)
    asked.set(path, (asked.get(path) ?? 0) + 1)
    const { method, url: target } = request
    const headers = { ...request.headers, 'x-forwarded-proto': 'https', 'x-forwarded-host': request.headers.host }
    const call = http.request({ host: '127.0.0.1', port: inner, method, path: target, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    call.once('error', () => response.destroy())
    request.pipe(call)
  })
  .listen(8443)

http
  .createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://control')
    const who = searchParams.get('username') ?? ''
    if (pathname === '/groups') provider.admin.setGroups(who, searchParams.getAll('group'))
    if (pathname === '/revoke') provider.admin.revokeGrants(who)
    response.end(JSON.stringify(Object.fromEntries(asked)))
  })
  .listen(8080)

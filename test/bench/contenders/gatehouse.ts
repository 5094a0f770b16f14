/**
 * Gatehouse with everything on: session, decision, assertion, audit and log written to files. Arguments: port, port of the upstream.
 * Prints one line: the host to ask for, and the cookie of somebody who may.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyRingKind } from '#identity/key-ring-record.ts'
import { oneTimeKind } from '#identity/one-time-record.ts'
import { newSessionCookie } from '#identity/session-cookie.ts'
import { sessionKind } from '#identity/session-record.ts'
import { systemClock } from '#lib/clock.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { createAudit } from '#observe/audit.ts'
import { createLog } from '#observe/log.ts'
import { createMetrics } from '#observe/metrics.ts'
import { openOutput } from '#observe/output.ts'
import { createRequestIds } from '#observe/request-id.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { dialEndpoint } from '#runtime/processes/dial.ts'
import { openListeners } from '#server/listeners.ts'
import { loadSettings } from '#settings/load.ts'
import { staticRuntime } from '#test/support/static-runtime.ts'
import { authorityOf, placeOf } from '#workspace/address.ts'
import { shareKind } from '#workspace/share.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'
import { openGateway } from '../../../src/compose/gateway.ts'

const [port = 0, upstream = 0] = process.argv.slice(2).map(Number)
const home = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
const clock = systemClock
const ending = new AbortController()
const { signal } = ending
process.once('SIGTERM', () => process.exit(0))
const loaded = await loadSettings({
  face: 'demo',
  // Counted as always; what is measured is one identity.
  env: {
    GATEHOUSE_PORT: String(port),
    GATEHOUSE_HOME: home,
    GATEHOUSE_LIMITS_REQUESTS_PER_IDENTITY: '1000000',
    GATEHOUSE_LIMITS_STREAMS_PER_IDENTITY: '1000000',
  },
  cwd: home,
})
if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
const { settings, secrets } = loaded
const keeps = { limit: 10 * 1024 * 1024, older: 2 }
const log = createLog({
  level: 'info',
  clock,
  sink: openOutput({ path: join(home, 'gatehouse.log'), ...keeps }, clock),
})
const audit = createAudit({ sink: openOutput({ path: join(home, 'audit.log'), ...keeps }, clock), clock })
const kinds = [keyRingKind, oneTimeKind, sessionKind, shareKind, workspaceKind]
const store = openEmbeddedStore({ file: join(home, 'state.sqlite'), kinds, clock, log, signal })
const runtime = staticRuntime()
const open = await openGateway({
  settings,
  secrets,
  resources: store.resources,
  runtime,
  dial: dialEndpoint,
  authorshipOf: () => undefined,
  manifestProblems: () => [],
  lookup: localhostLookup,
  clock,
  log,
  audit,
  metrics: createMetrics(),
  signal,
})
const { gateway, identities, site, workspaces } = open
await Promise.all([identities.keyRing.ready, identities.sessions.ready])
const ref = { namespace: 'bench', name: 'notebook' }
runtime.provide(ref, { 8888: { kind: 'tcp', host: '127.0.0.1', port: upstream } })
const created = await store.resources.create(workspaceKind, {
  metadata: { ...ref, annotations: { [createdByAnnotation]: 'alice' } },
  spec: workspaceKind.parseSpec({ desiredStatus: 'Running' }),
})
await runtime.apply({
  ref,
  workspaceUid: created.metadata.uid,
  fingerprint: '',
  program: { kind: 'command', argv: [] },
  ports: [],
  env: {},
})
// The new key signs only after every replica could have heard of it.
while (workspaces.directory.get(ref)?.state.phase !== 'Running') await new Promise((resolve) => setTimeout(resolve, 20))
const identity = { kind: 'person', username: 'alice', uid: 'alice', groups: ['ds'] } as const
const login = {
  kind: 'browser',
  identity,
  issuer: 'https://bench.example.test',
  subject: 'alice',
  userAgent: 'wrk',
} as const
const { session, id } = await identities.sessions.create(login)
const { host } = placeOf(site, ref, undefined)
const authority = authorityOf(site, host)
const scope = { kind: 'workspace', authority, path: '/' } as const
const setCookie = newSessionCookie(
  { keyRing: identities.keyRing, cookies: identities.cookies, clock },
  session,
  id,
  scope,
)
await openListeners(
  settings.listeners,
  {
    request: (request, response, connection) => gateway.request(request, response, connection),
    checkContinue: (request, response, connection) => gateway.request(request, response, connection, true),
    upgrade: (request, socket, head, connection) => gateway.upgrade(request, socket, head, connection),
  },
  {
    limits: settings.limits,
    trustedProxies: settings.trustedProxies,
    clock,
    log,
    newRequestId: createRequestIds(),
    insecureWideBind: false,
    isBehindTls: false,
    signal,
  },
)
process.stdout.write(`${JSON.stringify({ host: authority, cookie: setCookie.split(';', 1)[0] })}\n`)

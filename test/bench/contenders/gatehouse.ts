/**
 * Gatehouse with everything on: session, decision, assertion, audit and log written to files. Arguments: port, port of the upstream, how many
 * sessions and workspaces there are (`1x1` when absent), and `blind` for one that does not look who works. Prints one line: the host to ask for, the cookie of somebody who may, and a file of all such pairs.
 * Of `1x1,1x64,1x5000` there is one of each at first; with each SIGUSR2 there are as many as the next one says, and another line.
 */
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { activityKind } from '#activity/activity-record.ts'
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
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { staticRuntime } from '#test/support/static-runtime.ts'
import { authorityOf, placeOf } from '#workspace/address.ts'
import { shareKind } from '#workspace/share.ts'
import { templateKind } from '#workspace/template.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'
import { openGateway } from '../../../src/compose/gateway.ts'
import { Sightings } from '../../../src/gateway/sightings.ts'

const [port = 0, upstream = 0] = process.argv.slice(2).map(Number)
const sizes = (process.argv[4] ?? '1x1').split(',').map((size) => size.split('x').map(Number))
if (process.argv[5] === 'blind') {
  Sightings.prototype.answered = () => undefined
  Sightings.prototype.opened = () => undefined
}
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
const kinds = [activityKind, keyRingKind, oneTimeKind, sessionKind, shareKind, templateKind, workspaceKind]
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
const identity = { kind: 'person', username: 'alice', uid: 'alice', groups: ['ds'] } as const
const login = {
  kind: 'browser',
  identity,
  issuer: 'https://bench.example.test',
  subject: 'alice',
  userAgent: 'wrk',
} as const
const signing = { keyRing: identities.keyRing, cookies: identities.cookies, clock }
type Login = Awaited<ReturnType<typeof identities.sessions.create>>
const refs: WorkspaceRef[] = []
const logins: Login[] = []

async function addWorkspace(): Promise<void> {
  const ref = { namespace: 'bench', name: `notebook-${refs.length}` }
  refs.push(ref)
  runtime.provide(ref, { 8888: { kind: 'tcp', host: '127.0.0.1', port: upstream } })
  const created = await store.resources.create(workspaceKind, {
    metadata: { ...ref, annotations: { [createdByAnnotation]: 'alice' } },
    spec: workspaceKind.parseSpec({ desiredStatus: 'Running' }),
  })
  const plan = { fingerprint: '', program: { kind: 'command', argv: [] }, ports: [], env: {} } as const
  await runtime.apply({ ref, workspaceUid: created.metadata.uid, ...plan })
}

/** Says who may come once there are as many sessions and workspaces. */
async function grow(sessionCount: number, workspaceCount: number): Promise<void> {
  while (refs.length < workspaceCount) await addWorkspace()
  const isRunning = (ref: WorkspaceRef) => workspaces.directory.get(ref)?.state.phase === 'Running'
  while (!refs.every(isRunning)) await new Promise((resolve) => setTimeout(resolve, 20))
  const missing = Array.from({ length: sessionCount - logins.length }, () => identities.sessions.create(login))
  logins.push(...(await Promise.all(missing)))
  const visits = refs.flatMap((ref) => {
    const authority = authorityOf(site, placeOf(site, ref, undefined).host)
    const scope = { kind: 'workspace', authority, path: '/' } as const
    return logins.map(({ session, id }) => {
      const [cookie = ''] = newSessionCookie(signing, session, id, scope).split(';', 1)
      return { host: authority, cookie }
    })
  })
  // Those who ask for everything in turn read it from here, a visit a line.
  const everyVisit = join(home, `visits-${visits.length}.txt`)
  writeFileSync(everyVisit, visits.map(({ host, cookie }) => `${host}\t${cookie}\n`).join(''))
  process.stdout.write(`${JSON.stringify({ ...visits[0], visits: everyVisit })}\n`)
}

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
for (const [step, [sessionCount = 1, workspaceCount = 1]] of sizes.entries()) {
  if (step > 0) await once(process, 'SIGUSR2')
  await grow(sessionCount, workspaceCount)
}

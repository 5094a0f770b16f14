import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { IdleEndpoint } from '#activity/idle-shutdown.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { timeIn } from '#operator/activity-time.ts'
import { askApp } from '#operator/app-inquiry.ts'
import type { Endpoint } from '#runtime/contract.ts'
import { instance, workspace } from '#test/support/objects.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { portsOf } from '#workspace/workspace.ts'

type Answers = Readonly<Record<string, string | number>>

const at = Date.parse('2026-11-21T10:00:00Z')
const quiet = { '/api/kernels?no_track_activity=1': '[]', '/api/terminals?no_track_activity=1': '[]' }
const idle: IdleEndpoint = { path: '/api/idle', port: 8888, scheme: 'http', field: ['lastActiveTimestamp'] }

interface Port {
  readonly name: string
  readonly port: number
  readonly path?: string
  readonly activity?: string
}

const usualPorts: readonly Port[] = [
  { name: 'lab', port: 8888 },
  { name: 'app', port: 8501, path: 'strip' },
]

interface World extends AsyncDisposable {
  readonly seen: readonly IncomingMessage[]
  ask(
    endpoint?: IdleEndpoint,
    fields?: { prefix?: string; clock?: Clock; appType?: string; ports?: typeof usualPorts },
  ): ReturnType<typeof askApp>
}

/** An app that answers these paths, by a body or a status; everything else is not found. */
async function appWith(
  answers: Answers | ((response: ServerResponse) => void),
  tls?: { readonly cert: Buffer; readonly key: Buffer },
): Promise<World> {
  const seen: IncomingMessage[] = []
  const answerTo = (request: IncomingMessage, response: ServerResponse) => {
    seen.push(request)
    if (typeof answers === 'function') return answers(response)
    const answer = answers[request.url ?? ''] ?? 404
    response.statusCode = typeof answer === 'number' ? answer : 200
    response.end(typeof answer === 'number' ? '{}' : answer)
  }
  const server = tls ? createTlsServer(tls, answerTo) : createServer(answerTo)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // An address of a listening server is no text and not null.
  const { port } = server.address() as AddressInfo
  return {
    seen,
    ask: (endpoint, { prefix = '/', clock = systemClock, appType = 'jupyterlab', ports = usualPorts } = {}) => {
      const of = workspace({ spec: { ports, appType } })
      const here: Endpoint = { kind: 'tcp', host: '127.0.0.1', port }
      const running = instance(of, { endpoints: new Map([8888, 8501, 9000].map((number) => [number, here])) })
      const entry: WorkspaceEntry = {
        ...{ ref: running.ref, uid: of.metadata.uid, workspace: of, ports: portsOf(of), shares: [] },
        ...{ instance: running, state: { phase: 'Running', reason: '', message: '', steps: [] } },
      }
      const dial = async (to: Endpoint) => connect({ host: '127.0.0.1', port: to.kind === 'tcp' ? to.port : 0 })
      const signal = new AbortController().signal
      return askApp({ dial, publicPath: () => prefix, clock, signal }, entry, endpoint)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('the endpoint of the owner', () => {
  test('is asked over TLS where its scheme is https, by whatever certificate it has, and only there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-app-'))
    try {
      const { certFile, keyFile } = createTestCa(folder).issue(['elsewhere.example.test'])
      const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
      const answers = { '/api/idle': `{"lastActiveTimestamp": ${at}}` }
      await using safe = await appWith(answers, tls)
      await using plain = await appWith(answers)
      // No Jupyter, so that nothing else is asked of it.
      const ask = async (app: World, scheme: 'http' | 'https') => app.ask({ ...idle, scheme }, { appType: 'streamlit' })
      for (const [app, scheme] of [
        [safe, 'https'],
        [plain, 'http'],
      ] as const)
        expect(await ask(app, scheme)).toMatchObject({ kind: 'said', evidence: [{ at, source: 'endpoint' }] })
      for (const [app, scheme] of [
        [safe, 'http'],
        [plain, 'https'],
      ] as const)
        expect(await ask(app, scheme)).toMatchObject({ kind: 'failed' })
      expect([safe.seen.length, plain.seen.length]).toEqual([1, 1])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test.each<[claim: string, body: string, field: readonly string[]]>([
    ['RFC 3339', '{"lastActiveTimestamp": "2026-11-21T10:00:00Z"}', ['lastActiveTimestamp']],
    ['a lower-case z', '{"lastActiveTimestamp": "2026-11-21t10:00:00.000z"}', ['lastActiveTimestamp']],
    ['an offset', '{"lastActiveTimestamp": "2026-11-21T11:00:00+01:00"}', ['lastActiveTimestamp']],
    ['seconds', `{"last": {"seen": ${at / 1000}}}`, ['last', 'seen']],
    ['milliseconds', `{"lastActiveTimestamp": ${at}}`, ['lastActiveTimestamp']],
    ['a number as a text', `{"lastActiveTimestamp": "${at / 1000}.0"}`, ['lastActiveTimestamp']],
  ])('is understood in %s', async (_, body, field) => {
    await using app = await appWith({ ...quiet, '/api/idle': body })
    expect(await app.ask({ ...idle, field })).toEqual({
      kind: 'said',
      evidence: [{ at, source: 'endpoint' }],
      knowsPrograms: true,
    })
  })

  test.each<[claim: string, answer: string | number, problem: string]>([
    ['404', 404, 'it answered 404 to /api/idle'],
    ['500', 500, 'it answered 500 to /api/idle'],
    ['a redirect', 302, 'it answered 302 to /api/idle'],
    ['no JSON', 'pong', 'no JSON'],
    ['another field', '{"last": 1}', 'no time'],
    ["what every object of JavaScript's has", '{}', 'no time'],
    ['a text that is no time', '{"lastActiveTimestamp": "yesterday"}', 'no time'],
    ['a time of nothing', '{"lastActiveTimestamp": 0}', 'no time'],
    ['a list', '[]', 'no time'],
    ['a megabyte and more', `{"lastActiveTimestamp": "${'x'.repeat(1 << 20)}"}`, 'too long'],
  ])('says nothing by %s', async (_, answer, problem) => {
    await using app = await appWith({ ...quiet, '/api/idle': answer })
    expect(await app.ask(idle)).toEqual({ kind: 'failed', problem: expect.stringContaining(problem) })
  })

  test('that never answers has failed after ten seconds', async () => {
    await using app = await appWith(() => undefined)
    const hurried: Clock = { ...systemClock, after: (delay, run) => systemClock.after(delay / 100, run) }
    expect(await app.ask(idle, { clock: hurried })).toEqual({
      kind: 'failed',
      problem: expect.stringContaining('within 10 s'),
    })
  })

  test('[SP10.4] is on a port by its number or by its name, also one without a URL; on no other one', async () => {
    await using app = await appWith({ ...quiet, '/api/idle': `{"lastActiveTimestamp": ${at}}` })
    for (const port of [8888, 'lab', 8501, 'app', 9000]) expect((await app.ask({ ...idle, port })).kind).toBe('said')
    for (const port of [8080, 'other'])
      expect(await app.ask({ ...idle, port })).toMatchObject({
        kind: 'failed',
        problem: expect.stringContaining(`${port}`),
      })
  })

  test('is below the prefix of the app, or else beside it', async () => {
    const body = `{"lastActiveTimestamp": ${at}}`
    const prefix = '/workspaces/team/nb/'
    const below = {
      '/workspaces/team/nb/api/kernels?no_track_activity=1': '[]',
      '/workspaces/team/nb/api/terminals?no_track_activity=1': '[]',
    }
    await using within = await appWith({ ...below, '/workspaces/team/nb/api/idle': body })
    expect((await within.ask(idle, { prefix })).kind).toBe('said')
    await using beside = await appWith({ ...below, '/api/idle': body })
    expect((await beside.ask(idle, { prefix })).kind).toBe('said')
  })

  test('[SP10.5] is asked of the instance alone, as localhost and with no header of anybody else', async () => {
    await using app = await appWith({ ...quiet, '/api/idle': `{"lastActiveTimestamp": ${at}}` })
    expect((await app.ask({ ...idle, path: '//elsewhere.example/api/idle' })).kind).toBe('failed')
    expect((await app.ask(idle)).kind).toBe('said')
    for (const { headers } of app.seen) {
      expect(Object.keys(headers).toSorted()).toEqual(['accept', 'connection', 'host', 'user-agent'])
      expect(headers.host).toBe('localhost')
    }
  })
})

test('what is said of it names neither the query, which may hold a secret, nor the field', async () => {
  const secret = { ...idle, path: '/api/idle?token=hidden', field: ['hidden'] }
  await using app = await appWith({ ...quiet, '/api/idle?token=hidden': '{}' })
  const asked = JSON.stringify(await app.ask(secret))
  expect(asked).toContain('/api/idle has no time')
  expect(asked).not.toContain('hidden')
  await using broken = await appWith(quiet)
  expect(await broken.ask(secret)).toEqual({ kind: 'failed', problem: 'it answered 404 to /api/idle' })
})

describe("Jupyter's own lists", () => {
  const kernels = '/api/kernels?no_track_activity=1'
  const terminals = '/api/terminals?no_track_activity=1'
  const kernel = (state: string) =>
    JSON.stringify([{ id: 'a', execution_state: state, last_activity: '2026-11-21T10:00:00.000000Z' }])
  test('a kernel at work is work', async () => {
    await using app = await appWith({ ...quiet, [kernels]: kernel('busy') })
    expect(await app.ask()).toMatchObject({ kind: 'busy', source: 'app:kernel-busy' })
  })

  test('what else it says is kept beside the work: terminals, kernels that are unclear, and what the endpoint says or fails to', async () => {
    const list = JSON.stringify([{ execution_state: 'busy' }, { execution_state: 'starting' }])
    const open = { [kernels]: list, [terminals]: '[{"name": "1"}]' }
    await using app = await appWith({ ...open, '/api/idle': `{"lastActiveTimestamp": ${at}}` })
    const evidence = [{ at, source: 'endpoint' }]
    expect(await app.ask(idle)).toMatchObject({
      besides: { kind: 'said', evidence, unclear: 'app:kernel-state', hasTerminals: true, knowsPrograms: true },
    })
    await using broken = await appWith({ ...open, '/api/idle': 500 })
    expect(await broken.ask(idle)).toMatchObject({ besides: { kind: 'failed' } })
  })

  test('a kernel at rest was last active when it says', async () => {
    await using app = await appWith({ ...quiet, [kernels]: kernel('idle') })
    expect(await app.ask()).toEqual({ kind: 'said', evidence: [{ at, source: 'app:kernel' }] })
  })

  test('where nothing that is done at its port counts, when it was last active does not; its work, and what a terminal may run, do', async () => {
    const ports = [{ name: 'lab', port: 8888, activity: 'ignore' }]
    const open = { [terminals]: '[{"name": "1", "last_activity": "2026-11-21T10:00:00Z"}]' }
    await using resting = await appWith({ ...open, [kernels]: kernel('idle') })
    expect(await resting.ask(undefined, { ports })).toEqual({ kind: 'said', evidence: [], hasTerminals: true })
    await using busy = await appWith({ ...open, [kernels]: kernel('busy') })
    expect((await busy.ask(undefined, { ports })).kind).toBe('busy')
  })

  test('a terminal that is open may run something that prints nothing', async () => {
    const list = '[{"name": "1", "last_activity": "2026-11-21T10:00:00Z"}]'
    await using app = await appWith({ ...quiet, [terminals]: list })
    const evidence = [{ at, source: 'app:terminal' }]
    expect(await app.ask()).toEqual({ kind: 'said', evidence, hasTerminals: true })
  })

  test('work counts, whatever becomes of the endpoint', async () => {
    await using app = await appWith({ ...quiet, [kernels]: kernel('busy') })
    expect((await app.ask(idle)).kind).toBe('busy')
  })

  test('a JupyterLab that does not give them has failed; one without terminals has none', async () => {
    await using broken = await appWith({ ...quiet, [kernels]: 403 })
    expect((await broken.ask()).kind).toBe('failed')
    await using odd = await appWith({ ...quiet, [terminals]: '{}' })
    expect((await odd.ask()).kind).toBe('failed')
    await using bare = await appWith({ [kernels]: '[]' })
    expect(await bare.ask()).toEqual({ kind: 'said', evidence: [] })
  })

  test('an app of which nobody knows what it is need not be Jupyter, but may be', async () => {
    await using other = await appWith({})
    expect(await other.ask(undefined, { appType: 'mine' })).toEqual({ kind: 'said', evidence: [] })
    await using jupyter = await appWith({ ...quiet, [kernels]: kernel('busy') })
    expect((await jupyter.ask(undefined, { appType: 'mine' })).kind).toBe('busy')
  })

  test.each<[claim: string, answer: string | number]>([
    ['401', 401],
    ['403', 403],
    ['500', 500],
    ['a redirect', 302],
    ['JSON that is no list', '{"detail": "x"}'],
  ])('such an app that answers %s may be one, and it can not be told what runs in it', async (_, answer) => {
    await using other = await appWith({ ...quiet, [kernels]: answer })
    const asked = await other.ask(undefined, { appType: 'mine' })
    expect(asked).toEqual({ kind: 'said', evidence: [], unclear: 'app:strange-answer' })
  })

  test('a page in place of a list is that of another app', async () => {
    await using other = await appWith({ [kernels]: '<!doctype html>', [terminals]: '<!doctype html>' })
    expect(await other.ask(undefined, { appType: 'mine' })).toEqual({ kind: 'said', evidence: [] })
    expect((await other.ask()).kind).toBe('failed')
  })

  test.each(['starting', 'restarting', 'unknown', 'terminating'])(
    'of a kernel that is %s it can not be told',
    async (state) => {
      await using app = await appWith({ ...quiet, [kernels]: kernel(state) })
      expect(await app.ask()).toMatchObject({ kind: 'said', unclear: 'app:kernel-state' })
    },
  )

  test('a dead kernel does nothing any more', async () => {
    await using app = await appWith({ ...quiet, [kernels]: kernel('dead') })
    expect(await app.ask()).toEqual({ kind: 'said', evidence: [{ at, source: 'app:kernel' }] })
  })

  test('an editor is asked for none, and nobody knows what runs in it', async () => {
    await using editor = await appWith({ '/api/idle': `{"lastActiveTimestamp": ${at}}` })
    const ports = [{ name: 'main', port: 8888 }]
    expect(await editor.ask(undefined, { appType: 'code-editor', ports })).toEqual({
      kind: 'said',
      evidence: [],
    })
    expect(editor.seen).toEqual([])
    const told = await editor.ask(idle, { appType: 'code-editor', ports })
    expect(told).toEqual({ kind: 'said', evidence: [{ at, source: 'endpoint' }], knowsPrograms: true })
  })

  test('a Jupyter at another port is asked as well', async () => {
    await using app = await appWith({ ...quiet, [kernels]: kernel('busy') })
    const ports = [
      { name: 'main', port: 8888 },
      { name: 'jupyter', port: 9000 },
    ]
    expect((await app.ask(undefined, { appType: 'code-editor', ports })).kind).toBe('busy')
  })
})

test.each([
  ['2026-11-21', undefined],
  ['2026-13-41T00:00:00Z', undefined],
  [-5, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [true, undefined],
  [null, undefined],
  ['', undefined],
  ['1e9', undefined],
])('%s is no time', (value, is) => {
  expect(timeIn(value)).toBe(is)
})

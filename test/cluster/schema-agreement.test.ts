/** The schemas in `config/crd` and the parsers in `src/` say the same: what one of them accepts, the other one does too. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { activityKind } from '#activity/activity-record.ts'
import { oneTimeKind } from '#identity/one-time-record.ts'
import { sessionKind } from '#identity/session-record.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { openNamespace, type TestNamespace, tryKubectl } from '#test/support/cluster.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { shareKind } from '#workspace/share.ts'
import { workspaceKind } from '#workspace/workspace.ts'

type Json = Readonly<Record<string, unknown>>

const name63 = 'a'.repeat(63)
const times = ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.123456Z', '2026-12-31T23:59:59.9Z']
const oddTimes = [
  '2026-01-01',
  '2026-13-01T00:00:00Z',
  '2026-01-01T00:60:00Z',
  '2026-01-01T25:00:00Z',
  '2026-01-01t00:00:00z',
  'tomorrow',
]
const offsets = ['2026-01-01T00:00:00+02:00', '2026-01-01T00:00:00.5-11:30', '2026-01-01T00:00:00+0200']
const odd = [
  '',
  'x',
  'Bad Name',
  '-a',
  name63,
  `${name63}a`,
  'ü',
  0,
  1,
  -1,
  65_535,
  65_536,
  1.5,
  true,
  [],
  ['x'],
  {},
  { name: 'x' },
]
const names = ['nb', 'a-b', 'a.b', 'x'.repeat(253), 'x'.repeat(254)]
const values = fc.constantFrom<unknown>(
  ...odd,
  ...times,
  ...oddTimes,
  ...offsets,
  ...names,
  'Public',
  'own',
  'once',
  'cli',
  'count',
)

/** What is good, and for each field, however deep, a few values that may or may not be. */
interface Subject {
  readonly kind: ResourceKind<Resource>
  readonly good: readonly Json[]
}

const session = {
  ...{
    kind: 'browser',
    issuer: 'https://idp.example',
    subject: 's',
    username: 'github:alice',
    uid: 'u',
    groups: ['g'],
  },
  ...{ sid: 'x', userAgent: 'Firefox', device: 'laptop', refreshToken: 'sealed', idToken: 'sealed' },
  ...{ createdAt: times[0], expiresAt: times[1], notAfter: times[2], renewal: { by: 'replica', until: times[0] } },
}

const share = {
  workspaces: [{ name: 'nb' }, { name: 'other' }],
  grantees: [
    { kind: 'User', name: 'github:bob' },
    { kind: 'ServiceAccount', name: 'bot', namespace: 'ci' },
  ],
  ...{ access: 'modify', ports: ['app'], connectionTypes: ['web-ui'], expiresAt: times[0] },
}

const seen = { source: 'kernel:execute_request', user: 'github:alice' }

const activity = {
  ...{
    workspace: { namespace: 'team', name: 'nb', uid: 'u' },
    replica: 'gatehouse-1',
    accessURL: 'https://nb.example/',
  },
  ...{ connected: times[0], interactive: times[0], busyUntil: times[1], unknown: times[0] },
  evidence: { connected: { source: 'stream' }, interactive: seen, busyUntil: seen, unknown: seen },
  run: { instance: 'pod', since: times[0] },
  verdict: { idle: false, reason: 'active', message: 'Last active just now.' },
}

const workspace = {
  ...{
    displayName: 'Notebook',
    image: 'jupyter/scipy-notebook:latest',
    desiredStatus: 'Running',
    appType: 'jupyterlab',
  },
  ...{ ownershipType: 'OwnerOnly', accessType: 'Public', templateRef: { name: 'production', namespace: 'shared' } },
  ...{ managerRef: { name: 'gatehouse' }, executionProfileRef: { name: 'runner' } },
  containerConfig: { command: ['sh'], args: ['-c', 'true'] },
  ports: [
    { name: 'editor', port: 8888, label: 'Editor', expose: true, path: 'preserve', probe: { tcp: {} } },
    { name: 'app', port: 8501, path: 'strip', subpath: '/sub/', probe: { httpGet: { path: '/healthz' } } },
    { name: 'web', port: 8000, activity: 'ignore' },
  ],
}

const subjects: readonly Subject[] = [
  { kind: workspaceKind, good: [workspace, { templateRef: 'production' }, {}] },
  { kind: shareKind, good: [share, { workspaces: [{ name: 'nb' }], grantees: [{ kind: 'Group', name: 'ds' }] }] },
  { kind: sessionKind, good: [session] },
  { kind: activityKind, good: [activity, { workspace: activity.workspace, replica: 'r' }] },
  {
    kind: oneTimeKind,
    good: [
      { purpose: 'once', expiresAt: times[0] },
      { purpose: 'username', username: 'alice', issuer: 'https://idp.example', subject: 's' },
      { purpose: 'slot', of: 'workspace 3f0d', holder: 'a7' },
      { purpose: 'holder', holder: 'a7', expiresAt: times[0] },
    ],
  },
]

/** Paths of everything that can be changed in it. */
function pathsIn(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return entries.flatMap(([key, inner]) => [[...path, key], ...pathsIn(inner, [...path, key])])
}

/** A copy with another value there, or with none. */
function changed(
  value: unknown,
  [key, ...rest]: readonly string[],
  to: { readonly value: unknown } | undefined,
): unknown {
  if (key === undefined) return to?.value
  if (Array.isArray(value)) {
    const items = value.map((item: unknown, index) => (String(index) === key ? changed(item, rest, to) : item))
    return items.filter((item) => item !== undefined)
  }
  const entries = Object.entries(value ?? {}).map(([own, inner]) => [
    own,
    own === key ? changed(inner, rest, to) : inner,
  ])
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined))
}

function specsOf({ good }: Subject): fc.Arbitrary<unknown> {
  return fc.constantFrom(...good).chain((spec) => {
    const paths = pathsIn(spec)
    if (paths.length === 0) return fc.constant(spec)
    const to = fc.oneof({ weight: 4, arbitrary: values.map((value) => ({ value })) }, fc.constant(undefined))
    return fc.tuple(fc.constantFrom(...paths), to).map(([path, value]) => changed(spec, path, value))
  })
}

function accepts(kind: ResourceKind<Resource>, spec: unknown): boolean {
  try {
    const parsed = kind.parseSpec(spec)
    // Kept for whose it is, and for nothing else.
    return !(isJsonObject(parsed) && parsed.unreadable === true)
  } catch {
    return false
  }
}

describeWith('cluster', 'schemas of the API server and parsers', () => {
  let namespace: TestNamespace
  beforeAll(async () => {
    await installCrds()
    namespace = await openNamespace('gh-schema')
  })
  afterAll(() => namespace?.[Symbol.asyncDispose]())

  /** Whether the API server takes each of them. */
  async function take({ group, version, kind }: ResourceKind<Resource>, specs: readonly unknown[]) {
    const objects = specs.map((spec, index) => ({
      ...{ apiVersion: `${group}/${version}`, kind },
      metadata: { name: `o${index}`, namespace: namespace.name },
      spec,
    }))
    const created = ['create', '--dry-run=server', '--validate=false', '-o', 'name', '-f', '-']
    const { stdout } = await tryKubectl(created, { input: objects })
    const taken = new Set(stdout.split('\n').map((line) => line.split('/').at(-1)))
    return specs.map((_, index) => taken.has(`o${index}`))
  }

  test.each(subjects)('agree about $kind.kind', { timeout: 120_000 }, async (subject) => {
    const specs = [...subject.good, ...fc.sample(specsOf(subject), { numRuns: 300, seed: 20_261_121 })]
    const taken = await take(subject.kind, specs)
    const disagreements = specs.flatMap((spec, index) => {
      const parsed = accepts(subject.kind, spec)
      return parsed === taken[index] ? [] : [`${parsed ? 'parser alone' : 'server alone'}: ${JSON.stringify(spec)}`]
    })
    expect(disagreements).toEqual([])
    expect(taken.slice(0, subject.good.length)).not.toContain(false)
    expect(taken.filter((isTaken) => !isTaken).length).toBeGreaterThan(20)
  })
})

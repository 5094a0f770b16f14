import { describe, expect, test } from 'vitest'
import { parseManifest } from '#resources/embedded/manifest-file.ts'
import { shareKind } from '#workspace/share.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const kinds = [workspaceKind, shareKind]

function parse(...lines: readonly string[]) {
  return parseManifest('a.yaml', lines.join('\n'), kinds)
}

/** `line: reason` of each problem. */
function problems(...lines: readonly string[]): readonly string[] {
  const parsed = parse(...lines)
  return parsed.ok ? [] : parsed.problems.map(({ line, reason }) => `${line}: ${reason}`)
}

function workspace(name: string, ...spec: readonly string[]): readonly string[] {
  return [
    'apiVersion: workspace.jupyter.org/v1alpha1',
    'kind: Workspace',
    'metadata:',
    `  name: ${name}`,
    'spec:',
    '  displayName: Notebook',
    ...spec.map((line) => `  ${line}`),
  ]
}

describe('a good file', () => {
  test('declares the objects of all its documents, in the namespace default unless it says another', () => {
    const parsed = parse(
      '# a comment',
      '---',
      ...workspace('one'),
      '---',
      ...workspace('two'),
      '---',
      '# nothing',
      '---',
    )
    expect(parsed.ok && parsed.objects.map(({ key, line }) => [key.namespace, key.name, line])).toEqual([
      ['default', 'one', 3],
      ['default', 'two', 10],
    ])
  })

  test('keeps labels, annotations and namespace, and its spec without defaults', () => {
    const parsed = parse(
      ...['apiVersion: workspace.jupyter.org/v1alpha1', 'kind: Workspace', 'metadata:'],
      ...['  name: nb', '  namespace: alice', '  labels: {team: blue}'],
      ...['  annotations: {workspace.jupyter.org/created-by: alice}', 'spec: {image: x, future: [1]}'],
    )
    expect(parsed.ok && parsed.objects[0]).toMatchObject({
      key: { group: 'workspace.jupyter.org', kind: 'Workspace', namespace: 'alice', name: 'nb' },
      labels: '{"team":"blue"}',
      annotations: '{"workspace.jupyter.org/created-by":"alice"}',
      declared: '{"image":"x","future":[1]}',
    })
  })

  test('may be what kubectl prints: its status and the metadata of a server mean nothing', () => {
    const server = [
      '  uid: 1',
      '  resourceVersion: "7"',
      '  generation: 2',
      '  creationTimestamp: "2026-01-01T00:00:00Z"',
    ]
    const lines = workspace('nb').flatMap((line) => (line === 'metadata:' ? [line, ...server] : [line]))
    expect(problems(...lines, 'status: {phase: Running}')).toEqual([])
  })

  test('may be empty', () => {
    expect(parse('')).toEqual({ ok: true, objects: [] })
    expect(parse('# nothing yet')).toEqual({ ok: true, objects: [] })
  })

  test('may share parts by anchors', () => {
    const parsed = parse(...workspace('nb', 'env: [&one {name: A, value: b}]', 'containerConfig: {args: []}'))
    expect(parsed.ok).toBe(true)
    expect(problems(...workspace('nb', 'containerConfig:', '  command: &c [a]', '  args: *c'))).toEqual([])
  })
})

describe('a broken file says where and why', () => {
  test('with broken YAML', () => {
    expect(problems('kind: Workspace', 'metadata: {name: nb', 'spec: {}')[0]).toMatch(/^[23]: .*flow/i)
    expect(problems('a: 1', 'a: 2')).toEqual(["2: the key 'a' is there twice"])
    expect(problems('a: *nowhere')[0]).toMatch(/^1: .*nowhere/)
    expect(problems('a: !secret x')[0]).toMatch(/^1: .*tag/)
    expect(problems('? [a]', ': b')).toEqual(['1: a key must be plain text'])
    expect(problems('a: 1', '\tb: 2')[0]).toMatch(/^2: .*tab/i)
  })

  test('with something else than an object', () => {
    expect(problems('just text')).toEqual(['1: is no object with apiVersion, kind, metadata and spec'])
    expect(problems('- a', '- b')).toHaveLength(1)
  })

  test('with a kind that is not known, or of another version', () => {
    const [first] = problems(...workspace('nb').with(1, 'kind: Wrokspace'))
    expect(first).toMatch(
      /^2: kind 'Wrokspace' of .* is not known here; known: Workspace of workspace.jupyter.org\/v1alpha1/,
    )
    const [second] = problems(...workspace('nb').with(0, 'apiVersion: workspace.jupyter.org/v2'))
    expect(second).toMatch(/^1: /)
  })

  test('with fields that mean nothing', () => {
    expect(problems(...workspace('nb').with(4, 'sepc:'))).toEqual(["5: 'sepc' is not known here"])
    const lines = workspace('nb').with(3, '  name: nb\n  ownerReferences: []')
    expect(problems(...lines)).toEqual(["5: 'metadata.ownerReferences' is not known here"])
  })

  test('with bad metadata', () => {
    expect(problems(...workspace('Upper_Case'))[0]).toMatch(/^4: metadata.name 'Upper_Case'/)
    expect(problems(...workspace('1'))).toEqual(['4: metadata.name is missing, or no text'])
    expect(problems('apiVersion: workspace.jupyter.org/v1alpha1', 'kind: Workspace')).toHaveLength(1)
    const labelled = workspace('nb').with(3, '  name: nb\n  labels:\n    team: 7')
    expect(problems(...labelled)).toEqual(["5: metadata.labels: 'team' is no string"])
  })

  test('with a spec that its kind refuses: at the very field, for each fault', () => {
    const lines = workspace(
      'nb',
      'desiredStatus: Asleep',
      'ports:',
      '  - name: web',
      '    port: 8080',
      '  - name: api',
      '    port: many',
    )
    expect(problems(...lines)).toEqual([
      expect.stringMatching(/^7: spec\.desiredStatus /),
      expect.stringMatching(/^7: spec\.desiredStatus /),
      expect.stringMatching(/^12: spec\.ports\.1\.port must be integer/),
    ])
  })

  test('with a required field that is missing: at what should have it', () => {
    expect(problems(...workspace('nb', 'ports:', '  - port: 8080'))[0]).toMatch(/^8: spec\.ports\.0 must have .*name/)
  })

  test('in each of its documents', () => {
    const found = problems('nothing', '---', ...workspace('nb', 'desiredStatus: 1'), '---', ...workspace('good'))
    expect(found[0]).toMatch(/^1: /)
    expect(found[1]).toMatch(/^9: spec\.desiredStatus/)
  })
})

describe('a file that would cost too much is refused', () => {
  const levels = [...'abcdefgh'].map((previous, index) => {
    const name = 'bcdefghi'.charAt(index)
    return `${name}: &${name} [${Array(9).fill(`*${previous}`).join(', ')}]`
  })

  test.each([
    ['a bomb of aliases', ['a: &a [x, x, x, x, x, x, x, x, x]', ...levels].join('\n')],
    ['very many aliases', `a: &a x\nb:\n${'- *a\n'.repeat(200)}`],
    ['an alias of itself', 'a: &a [*a]'],
    ['flow nested deeply', '['.repeat(60_000)],
    ['blocks nested deeply', '- '.repeat(60_000)],
    ['a little too deep', `a: ${'['.repeat(70)}${']'.repeat(70)}`],
    ['complex keys within complex keys', '? '.repeat(30_000)],
    ['very many tokens', '- x\n'.repeat(60_000)],
    ['a megabyte of quotes', '"'.repeat(1_000_000)],
    ['a megabyte of brackets', '{}'.repeat(500_000)],
  ])('%s', (_, text) => {
    const parsed = parseManifest('a.yaml', text, kinds)
    expect(parsed.ok).toBe(false)
    expect(parsed.ok ? [] : parsed.problems.length).toBeLessThanOrEqual(20)
  })

  test('but not a large map, although the library checks its keys one against all', () => {
    const lines = Array.from({ length: 12_000 }, (_, index) => `k${index}: v`)
    expect(problems(...workspace('nb', 'extra:', ...lines.map((line) => `  ${line}`)))).toEqual([])
  })
})

test('a key named __proto__ is a plain field', () => {
  const parsed = parse(...workspace('nb', '__proto__: {polluted: true}'))
  expect(parsed.ok && parsed.objects[0]?.declared).toContain('"__proto__":{"polluted":true}')
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
})

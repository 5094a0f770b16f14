/** What the project says about its tests must be true: features by clause, real parts by version, files that are copies. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, matchesGlob } from 'node:path'
import { describe, expect, test } from 'vitest'
import { codeServerVersion, findPart } from '#test/support/real-parts.ts'
import {
  clauseIdsOf,
  type FeatureList,
  featureRows,
  joinReports,
  parseFeatureList,
  type TestReport,
  unknownIds,
} from '../../scripts/feature-rows.ts'
import { isAllowed } from '../../scripts/licence-check.ts'
import { measured } from '../../vitest.config.ts'
import { itemsInTitles, listLength, mayNotApply, readSecurityTable } from './security-table.ts'
import { readSources, root } from './source-files.ts'

const featuresText = readFileSync(join(root, 'test', 'features.json'), 'utf8')

test('the list of features is the copy it is meant to be, to the last bit', () => {
  expect(createHash('sha256').update(featuresText).digest('hex')).toBe(
    'd7d787ec7f1df30fb54866519ba714e4d1a0fc81a04f8255f255b98bf5a0fa63',
  )
})

test('every clause id in the title of a test is one of a feature', () => {
  const known = new Set(parseFeatureList(featuresText).flatMap((feature) => feature.clauses.map(({ id }) => id)))
  const wrong = readSources(['test'])
    .filter((file) => file.path.endsWith('.test.ts') && file.path !== 'test/architecture/claims.test.ts')
    .flatMap((file) => clauseIdsOf(file.text).map((id) => ({ path: file.path, id })))
    .filter(({ id }) => !known.has(id))
  expect(wrong).toEqual([])
})

test('whatever measures what its process takes has a process of its own', () => {
  const measuring = readSources(['test'])
    .filter(({ path, code }) => path.endsWith('.test.ts') && /\bprocess\.memoryUsage\b/.test(code))
    .map(({ path }) => path)
  expect(measuring).not.toEqual([])
  expect(measuring.filter((path) => !measured.some((pattern) => matchesGlob(path, pattern)))).toEqual([])
})

test('the code-server that tests look for is the one that its script installs', () => {
  const script = readFileSync(join(root, 'test', 'real', 'install-code-server.sh'), 'utf8')
  expect(script).toContain(`\nversion=${codeServerVersion}\n`)
})

describe('the table of attacks', () => {
  const tableOf = (name: string) => readSecurityTable(readFileSync(join(root, 'test', 'security', name), 'utf8'))
  const [list, beyond] = [tableOf('README.md'), tableOf('beyond.md')]
  const rows = [...list, ...beyond]
  const tests = new Map(
    readSources(['test'])
      .map((file) => [file.path.replace(/^test\//, ''), file.text] as const)
      .filter(([path]) => path.endsWith('.test.ts')),
  )

  test('names every test of its folder, and only files that exist', () => {
    const named = new Set(rows.flatMap((row) => row.files))
    const present = [...tests.keys()]
    expect(present.filter((path) => path.startsWith('security/') && !named.has(path))).toEqual([])
    expect([...named].filter((path) => !tests.has(path))).toEqual([])
  })

  test('names for each attack the files whose titles do', () => {
    const shown = (path: string) => itemsInTitles(tests.get(path) ?? '')
    const claimed = rows.flatMap((row) => row.files.map((path) => ({ path, item: row.item })))
    expect(claimed.filter(({ path, item }) => !shown(path).has(item))).toEqual([])
    const isClaimed = new Set(claimed.map(({ path, item }) => `${item} ${path}`))
    const unclaimed = [...tests.keys()].flatMap((path) => [...shown(path)].map((item) => `${item} ${path}`))
    expect(unclaimed.filter((claim) => !isClaimed.has(claim))).toEqual([])
  })

  test('has a row for each attack of the list, with a test unless what it attacks does not exist; others are beyond it', () => {
    expect(list.map(({ item }) => item)).toEqual(Array.from({ length: listLength }, (_, index) => index + 1))
    expect(list.filter(({ item, files }) => files.length === 0 && !mayNotApply.has(item))).toEqual([])
    expect(beyond.filter(({ item, files }) => item <= 100 || files.length === 0)).toEqual([])
  })

  test('is read strictly', () => {
    const head = '| # | attack | file | outcome |\n|---|---|---|---|\n'
    const read = (...lines: string[]) => readSecurityTable(`${head}${lines.join('\n')}\n`)
    expect(read('| 1 | an attack | `a.test.ts`, `unit/b.test.ts` | 400 |')).toEqual([
      { item: 1, attack: 'an attack', files: ['security/a.test.ts', 'unit/b.test.ts'], outcome: '400' },
    ])
    expect(read('| 1 | x | – | not applicable: there is none |')).toMatchObject([{ item: 1, files: [] }])
    expect(() => readSecurityTable(`${head}\n${head}`)).toThrow('second')
    const good = '| 2 | x | `a.test.ts` | 400 |'
    expect(read(good)).toHaveLength(1)
    const either = ['| 3 | x | – | 400 |', '| 3 | x | `a.test.ts` | not applicable: none |']
    const wrong = [
      ...either,
      '| 3 | x | a.test.ts | 400 |',
      '| x | x | `a.test.ts` | 400 |',
      '| 3 | x | `a.test.ts` |',
      good,
    ]
    for (const line of [...wrong, '| 1 | x | `a.test.ts` | 400 |']) expect(() => read(good, line)).toThrow()
  })
})

describe('a real part', () => {
  test('that is missing names the reason and what would provide it', () => {
    const found = findPart('jupyter', { GATEHOUSE_CACHE: '/nonexistent' })
    expect(found).toEqual({
      kind: 'missing',
      reason: expect.stringMatching(/^no \/nonexistent\/jupyterlab-.*\/bin\/jupyter-lab$/),
      command: 'npm run real-parts -- jupyter',
    })
    expect(findPart('browser', { PATH: '/nonexistent' }).kind).toBe('missing')
  })

  test('given by name is used', () => {
    expect(findPart('browser', { GATEHOUSE_CHROMIUM: process.execPath })).toEqual({
      kind: 'found',
      path: process.execPath,
    })
  })
})

describe('a row of features', () => {
  const clauses = [
    { id: 'XX1.1', text: 'a' },
    { id: 'XX1.2', text: 'b' },
  ]
  const features: FeatureList = [{ id: 'XX1', capability: 'x', clauses }]
  type Run = readonly [file: string, title: string, status: string]
  const report = (...tests: readonly Run[]): TestReport => ({
    success: true,
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    testResults: tests.map(([name, title, status]) => ({ name, status, assertionResults: [{ title, status }] })),
  })
  const statusOf = (...tests: readonly Run[]) => featureRows(features, report(...tests))[0]?.status

  test('is shown by what a further report shows, too', () => {
    const first = report(['/p/test/unit/a.test.ts', '[XX1.1] a', 'passed'])
    const huge = report(['/p/test/behaviour/b.test.ts', '[XX1.2] b', 'passed'])
    expect(featureRows(features, joinReports(first, [huge]))[0]?.status).toBe('works')
    expect(featureRows(features, joinReports(first, []))[0]?.status).toBe('partial')
  })

  test('is missing without a test, partial with some clauses, and works with all', () => {
    const first: Run = ['/p/test/unit/a.test.ts', '[XX1.1] a', 'passed']
    const second: Run = ['/p/test/cluster/a.test.ts', '[XX1.2] b', 'passed']
    expect(statusOf()).toBe('missing')
    expect(statusOf(first)).toBe('partial')
    expect(featureRows(features, report(first, first, second))).toEqual([
      {
        id: 'XX1',
        status: 'works',
        clauses: [
          { id: 'XX1.1', laptop: 2, cluster: 0 },
          { id: 'XX1.2', laptop: 0, cluster: 1 },
        ],
      },
    ])
  })

  test.each(['failed', 'skipped', 'pending', 'todo', 'disabled'])('is not shown by a test that was %s', (status) => {
    expect(statusOf(['/p/test/unit/a.test.ts', '[XX1.1] [XX1.2] a', status])).toBe('missing')
  })

  test('is shown by the title of a test, with one id or several', () => {
    expect(clauseIdsOf('[XX1.1] a')).toEqual(['XX1.1'])
    expect(clauseIdsOf('[XX1.1] [XX1.2] a')).toEqual(['XX1.1', 'XX1.2'])
    expect(clauseIdsOf('[XX1.1, XX1.2] a [0]')).toEqual(['XX1.1', 'XX1.2'])
    expect(clauseIdsOf('XX1.1 a [XX1] [x1.1]')).toEqual([])
  })

  test('that does not exist is found out', () => {
    expect(unknownIds(features, report(['/p/test/a.test.ts', '[XX1.3] [XX1.1] a', 'failed']))).toEqual(['XX1.3'])
  })
})

describe('the licence', () => {
  test.each(['MIT', '(MIT OR GPL-3.0)', 'GPL-3.0 OR ISC', 'Apache-2.0 AND MIT'])('%s may be shipped', (licence) => {
    expect(isAllowed(licence, 'shipped')).toBe(true)
  })

  test.each(['GPL-3.0', 'MIT AND GPL-3.0', 'UNLICENSED', 'SEE LICENSE IN x', '', 'none', 'MPL-2.0', '(MIT OR (ISC))x'])(
    '%j may not',
    (licence) => {
      expect(isAllowed(licence, 'shipped')).toBe(false)
    },
  )

  test('MPL-2.0 is fine for tools', () => {
    expect(isAllowed('MPL-2.0', 'tool')).toBe(true)
  })
})

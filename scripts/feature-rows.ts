/** From a test report to what it shows: how many tests that passed carry the id of each clause, and so which rows work. */
import { type Static, type TSchema, Type } from 'typebox'
import { checkerOf, sayFaults } from '#lib/schema.ts'

const featureList = Type.Array(
  Type.Object({
    id: Type.String(),
    capability: Type.String(),
    clauses: Type.Array(Type.Object({ id: Type.String(), text: Type.String() })),
  }),
)

/** The part of vitest's JSON report that matters here. */
const testReport = Type.Object({
  success: Type.Boolean(),
  numPassedTests: Type.Integer(),
  numFailedTests: Type.Integer(),
  numPendingTests: Type.Integer(),
  numTodoTests: Type.Integer(),
  testResults: Type.Array(
    Type.Object({
      /** Absolute path of the file. */
      name: Type.String(),
      status: Type.String(),
      assertionResults: Type.Array(Type.Object({ title: Type.String(), status: Type.String() })),
    }),
  ),
})

export type FeatureList = Static<typeof featureList>
export type TestReport = Static<typeof testReport>

export interface ClauseRow {
  readonly id: string
  /** Tests that passed, by where they ran. */
  readonly laptop: number
  readonly cluster: number
}

export interface FeatureRow {
  readonly id: string
  readonly status: 'works' | 'partial' | 'missing'
  readonly clauses: readonly ClauseRow[]
}

export const parseFeatureList = (text: string): FeatureList => parse('the feature list', featureList, text)
export const parseTestReport = (text: string): TestReport => parse('the test report', testReport, text)

function parse<S extends TSchema>(what: string, schema: S, text: string): Static<S> {
  const checked = checkerOf(schema)(JSON.parse(text))
  if (!checked.ok) throw new Error(`${what} is not what it should be: ${sayFaults(checked.faults)}`)
  return checked.value
}

/** The clause ids in a title: `[JK5.1] …`, `[JK5.1] [SP2.3] …`, `[JK5.1, SP2.3] …`. */
export function clauseIdsOf(title: string): readonly string[] {
  const brackets = title.match(/\[[A-Z]{2}\d+\.\d+(?:,\s*[A-Z]{2}\d+\.\d+)*\]/g) ?? []
  return [...new Set(brackets.flatMap((bracket) => bracket.slice(1, -1).split(/,\s*/)))]
}

/** What the one shows and the others show as well; how many tests there were is the first one's affair. */
export function joinReports(first: TestReport, others: readonly TestReport[]): TestReport {
  return { ...first, testResults: [first, ...others].flatMap(({ testResults }) => testResults) }
}

/** One row for each feature, in the order of the list. A test below `test/cluster` ran in a cluster, all others on this machine. */
export function featureRows(features: FeatureList, report: TestReport): readonly FeatureRow[] {
  const laptop = new Map<string, number>()
  const cluster = new Map<string, number>()
  for (const file of report.testResults) {
    const place = file.name.replaceAll('\\', '/').includes('/test/cluster/') ? cluster : laptop
    for (const { title, status } of file.assertionResults) {
      if (status !== 'passed') continue
      for (const id of clauseIdsOf(title)) place.set(id, (place.get(id) ?? 0) + 1)
    }
  }
  return features.map(({ id, clauses }) => {
    const rows = clauses.map((clause) => ({
      id: clause.id,
      laptop: laptop.get(clause.id) ?? 0,
      cluster: cluster.get(clause.id) ?? 0,
    }))
    return { id, status: statusOf(rows), clauses: rows }
  })
}

function statusOf(clauses: readonly ClauseRow[]): FeatureRow['status'] {
  const shown = clauses.filter((clause) => clause.laptop + clause.cluster > 0).length
  if (shown === 0) return 'missing'
  return shown === clauses.length ? 'works' : 'partial'
}

/** Ids in titles, of tests that passed or not, which no clause has. */
export function unknownIds(features: FeatureList, report: TestReport): readonly string[] {
  const known = new Set(features.flatMap((feature) => feature.clauses.map((clause) => clause.id)))
  const used = report.testResults.flatMap((file) => file.assertionResults.flatMap(({ title }) => clauseIdsOf(title)))
  return [...new Set(used)].filter((id) => !known.has(id)).toSorted()
}
